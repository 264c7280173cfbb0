package repack

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"math"
	"text/tabwriter"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/home"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/human"
)

// Estimate is what the deep archive would take if it had everything that a plan names. Its
// fields are those of plan -deep -json. Sizes are in bytes.
type Estimate struct {
	Group
	Unknown   int64      `json:"versions_of_unknown_size"` // that are not held
	MeanBytes int64      `json:"mean_bytes"`               // assumed size of each of these
	Ratio     float64    `json:"ratio"`
	CoreHours float64    `json:"core_hours"` // to pack all, and to rebuild each once from the disk
	TooLong   int64      `json:"too_long"`   // versions that stay where they are
	Groups    []Group    `json:"groups"`
	Packed    *TallyJSON `json:"packed,omitzero"` // what the deep archive has already
}

// Group is the crates with a certain number of versions.
type Group struct {
	Least       int   `json:"least"`
	Most        int   `json:"most,omitzero"` // 0: no end
	Crates      int64 `json:"crates"`
	Versions    int64 `json:"versions"`
	Bytes       int64 `json:"bytes"`
	PackedBytes int64 `json:"packed_bytes"`
}

// Estimate ends the counting. A version that is not held is assumed to have mean bytes. The
// existing deep archive of the mirror in d is measured.
func (c *Counter) Estimate(ctx context.Context, d *home.Dirs, mean int64) (*Estimate, error) {
	e := c.estimate(mean)
	folder, err := home.OpenIfThere(d.Deep)
	if err != nil || folder == nil {
		return e, err
	}
	defer folder.Close()
	t, err := TallyOf(ctx, folder)
	if err == nil {
		packed := t.JSON()
		e.Packed = &packed
	}
	return e, err
}

func (c *Counter) estimate(mean int64) *Estimate {
	c.end()
	e := &Estimate{MeanBytes: mean, TooLong: c.tooLong}
	for i, from := range c.groups {
		g := Group{
			Least: 1, Crates: from.crates, Versions: from.versions, Bytes: from.size + mean*from.unknown,
			PackedBytes: int64(from.packedSize + float64(mean)*from.packedUnknown),
		}
		if i > 0 {
			g.Least = mosts[i-1] + 1
		}
		if mosts[i] < math.MaxInt {
			g.Most = mosts[i]
		}
		e.Groups = append(e.Groups, g)
		e.Crates += g.Crates
		e.Versions += g.Versions
		e.Bytes += g.Bytes
		e.PackedBytes += g.PackedBytes
		e.Unknown += from.unknown
	}
	e.Least = 1
	e.Ratio = float64(e.PackedBytes) / float64(cmp.Or(e.Bytes, 1))
	e.CoreHours = float64(e.Bytes) / 1e9 * (packSeconds + proveSeconds) / 3600
	return e
}

// Print writes the estimate for a person; nil writes nothing.
func (e *Estimate) Print(w io.Writer) error {
	if e == nil {
		return nil
	}
	fmt.Fprintf(w, "\nin the deep archive: about %s of %s (ratio %.2f), some %s of one core to pack and prove\n",
		human.Size(e.PackedBytes), human.Size(e.Bytes), e.Ratio, e.took())
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "versions of a crate\tcrates\tversions\tas .crate\tratio\t  packed")
	for i := range e.Groups {
		if g := &e.Groups[i]; g.Versions > 0 {
			fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%.2f\t  %s\n", g.span(), human.Count(g.Crates), human.Count(g.Versions),
				human.Size(g.Bytes), float64(g.PackedBytes)/float64(cmp.Or(g.Bytes, 1)), human.Size(g.PackedBytes))
		}
	}
	if err := t.Flush(); err != nil {
		return err
	}
	if e.Unknown > 0 {
		fmt.Fprintf(w, "sizes: %s of %s are not held, each is taken as %s\n", human.Count(e.Unknown), human.Plural(e.Versions, "version"), human.Size(e.MeanBytes))
	}
	fmt.Fprintln(w, "ratios: those that were measured, by how many versions a crate has; another choice of crates can take two thirds of it, or half as much again")
	fmt.Fprintln(w, "stored as it is: what no known compressor makes again, which was not one of 1,500 published crates")
	if e.TooLong > 0 {
		fmt.Fprintf(w, "not packed: %s longer than a pack takes\n", human.Plural(e.TooLong, "version"))
	}
	if p := e.Packed; p != nil && p.Versions > 0 {
		fmt.Fprintf(w, "packed already: %s, %s in %s (ratio %.2f), %d of them stored as they are\n", human.Plural(p.Versions, "version"),
			human.Size(p.Bytes), human.Size(p.FileBytes), float64(p.FileBytes)/float64(cmp.Or(p.Bytes, 1)), total(p.Verbatim))
	}
	return nil
}

// took returns how long one core needs.
func (e *Estimate) took() string {
	if e.CoreHours >= 10 {
		return fmt.Sprintf("%.0f hours", e.CoreHours)
	}
	return max(time.Second, time.Duration(e.CoreHours*float64(time.Hour)).Round(time.Second)).String()
}

func total(counts map[string]int64) (n int64) {
	for _, count := range counts {
		n += count
	}
	return n
}

// span describes the number of versions of a crate in the group.
func (g *Group) span() string {
	switch g.Most {
	case g.Least:
		return fmt.Sprint(g.Least)
	case 0:
		return fmt.Sprintf("%d and more", g.Least)
	}
	return fmt.Sprintf("%d to %d", g.Least, g.Most)
}
