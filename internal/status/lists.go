package status

import (
	"context"
	"fmt"
	"io"
	"iter"
	"text/tabwriter"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/catalog"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/human"
)

// A List is a list of versions from the catalog, which status prints as one line or object
// per version.
type List struct {
	Empty string // printed if the list is empty
	rows  func(context.Context, *catalog.Catalog) iter.Seq2[row, error]
}

// row is a version in a list: an object for programs, and cells for people.
type row interface{ cells() []string }

// Missing is a version that runs could not download; its fields are those of status
// -missing -json.
type Missing struct {
	Crate   string    `json:"crate"`
	Version string    `json:"version"`
	Reason  string    `json:"reason"`
	Since   time.Time `json:"since"`    // when a run first requested it
	Tried   time.Time `json:"tried_at"` // when the last one did
}

func (m Missing) cells() []string {
	return []string{human.Printable(m.Crate) + " " + human.Printable(m.Version), "since " + m.Since.Format(time.DateOnly), "tried " + minute(m.Tried), human.Printable(m.Reason)}
}

// Gone is a version that upstream refuses to serve; its fields are those of status -gone
// -json.
type Gone struct {
	Crate    string    `json:"crate"`
	Version  string    `json:"version"`
	Status   int       `json:"status"` // HTTP status of the last answer
	Since    time.Time `json:"since"`
	Evidence string    `json:"evidence"` // headers and the beginning of the body
}

func (g Gone) cells() []string {
	return []string{human.Printable(g.Crate) + " " + human.Printable(g.Version), fmt.Sprint("HTTP ", g.Status), "since " + g.Since.Format(time.DateOnly)}
}

// Republished is earlier bytes of a version that was published again; its fields are those
// of status -republished -json.
type Republished struct {
	Crate      string    `json:"crate"`
	Version    string    `json:"version"`
	SHA256     string    `json:"sha256"` // of the bytes of before, which are held
	Size       int64     `json:"size"`
	Superseded time.Time `json:"superseded_at"`
	Place      string    `json:"place"` // where they are
}

func (r Republished) cells() []string {
	return []string{human.Printable(r.Crate) + " " + human.Printable(r.Version), r.Superseded.Format(time.DateOnly), r.SHA256, human.Size(r.Size), r.Place}
}

func minute(t time.Time) string { return t.UTC().Format("2006-01-02 15:04") }

// The lists.
var (
	MissingList = List{"nothing is missing that a run asked for", func(ctx context.Context, c *catalog.Catalog) iter.Seq2[row, error] {
		return rowsOf(c.Missing(ctx), func(m *catalog.Missing) row {
			return Missing{m.Name, m.Version, m.Reason, m.Since, m.Tried}
		})
	}}
	GoneList = List{"the upstream serves everything that the index names", func(ctx context.Context, c *catalog.Catalog) iter.Seq2[row, error] {
		return rowsOf(c.Gone(ctx), func(g *catalog.Gone) row {
			return Gone{g.Name, g.Version, g.Status, g.Since, g.Evidence}
		})
	}}
	RepublishedList = List{"no version that is held was published again", func(ctx context.Context, c *catalog.Catalog) iter.Seq2[row, error] {
		return rowsOf(c.Superseded(ctx), func(v *catalog.Version) row {
			return Republished{v.Name, v.Version, v.Checksum.String(), v.Size, v.SupersededAt, v.Placement.String()}
		})
	}}
)

func rowsOf[Of any](all iter.Seq2[Of, error], as func(*Of) row) iter.Seq2[row, error] {
	return func(yield func(row, error) bool) {
		for of, err := range all {
			if !yield(as(&of), err) || err != nil {
				return
			}
		}
	}
}

// Each calls do with an object for each version of the list.
func (l *List) Each(ctx context.Context, c *catalog.Catalog, do func(any) error) error {
	for r, err := range l.rows(ctx, c) {
		if err == nil {
			err = do(r)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// Print writes the list for a person.
func (l *List) Print(ctx context.Context, out io.Writer, c *catalog.Catalog) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	n := 0
	for r, err := range l.rows(ctx, c) {
		if err != nil {
			return err
		}
		n++
		for i, cell := range r.cells() {
			if i > 0 {
				fmt.Fprint(w, "\t")
			}
			fmt.Fprint(w, cell)
		}
		fmt.Fprintln(w)
	}
	if n == 0 {
		fmt.Fprintln(w, l.Empty)
	}
	return w.Flush()
}
