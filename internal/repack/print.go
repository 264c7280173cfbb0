package repack

import (
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/console"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/deep"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/deflate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/human"
)

// Print writes the outcome of a run for a person.
func (d *Done) Print(w io.Writer) {
	if d.Versions == 0 {
		fmt.Fprintln(w, "nothing to pack")
	} else {
		fmt.Fprintf(w, "%s packed, %s into %s (%.1f %%) in %v\n", human.Plural(d.Versions, "version"),
			human.Size(d.Size), human.Size(d.Packed), 100*float64(d.Packed)/float64(max(d.Size, 1)), d.Duration.Round(time.Second))
	}
	row := console.Rows(w)
	row(d.Merged, "of them put together with small packs")
	var reasons []deep.Reason
	for r := range d.Verbatim {
		reasons = append(reasons, r)
	}
	slices.Sort(reasons)
	for _, r := range reasons {
		row(d.Verbatim[r], fmt.Sprintf("stored as they are: %s", r))
	}
	row(d.Waiting, "wait until their crate has more (-at-least)")
	row(d.LooseRemoved, "loose files removed")
	row(d.SegmentsRemoved, "segments removed because little in them was needed")
	row(d.FailedVersions, "not packed")
	problems := console.Problems{All: d.FailedVersions, More: ", which the log names"}
	for _, f := range d.Failed {
		problems.First = append(problems.First, fmt.Errorf("%s: %w", f.ID, f.Err))
	}
	problems.Print(w)
}

// Print writes the content of segments, which it calls name.
func (t *Tally) Print(w io.Writer, name string) {
	fmt.Fprintf(w, "%s: %s in %s, %s of crates in %s (ratio %.3f)\n", name, human.Plural(t.Versions, "version"),
		human.Plural(t.Packs, "pack"), human.Size(t.Size), human.Size(t.FileSize), t.Ratio())
	row := console.Rows(w)
	for e := range deflate.Encoders {
		row(t.Encoders[e], fmt.Sprintf("rebuilt by %s", e))
	}
	for r := range deep.Reasons {
		row(t.Verbatim[r], fmt.Sprintf("stored as they are: %s", r))
	}
	for _, err := range t.Damaged {
		fmt.Fprintf(w, "  %s\n", human.OneLine(err))
	}
}

// TallyJSON is a Tally for programs: the content of the deep archive.
type TallyJSON struct {
	Segments      int64            `json:"segments"`
	Packs         int64            `json:"packs"`
	Versions      int64            `json:"versions"`
	Bytes         int64            `json:"bytes"`      // of the .crates
	FileBytes     int64            `json:"file_bytes"` // of the segments
	Encoders      map[string]int64 `json:"encoders"`   // number of versions by the encoder that rebuilds them
	Verbatim      map[string]int64 `json:"verbatim"`   // number by the reason why they are stored unchanged
	VerbatimBytes int64            `json:"verbatim_bytes"`
	Damaged       int64            `json:"damaged_packs"`
}

// JSON returns the tally for programs.
func (t *Tally) JSON() TallyJSON {
	s := TallyJSON{Segments: t.Segments, Packs: t.Packs, Versions: t.Versions, Bytes: t.Size, FileBytes: t.FileSize,
		Encoders: map[string]int64{}, Verbatim: map[string]int64{}, VerbatimBytes: t.VerbatimSize, Damaged: t.Damages}
	for e, n := range t.Encoders {
		s.Encoders[e.String()] = n
	}
	for r, n := range t.Verbatim {
		s.Verbatim[r.String()] = n
	}
	return s
}
