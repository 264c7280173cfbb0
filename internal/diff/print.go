package diff

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/human"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/index"
)

// A Report is a comparison that can be printed.
type Report struct {
	From, To Point
	Run      func(ctx context.Context, each func(*Change) error) (*Summary, error)
	words    map[Kind]string
	sides    [2]string
	same     string // what to print if nothing differs
	scoped   bool   // changes say whether the whole crate was added, or removed
}

// A Point describes one of the two sides of a report, also in the first line of JSON
// output.
type Point struct {
	Point    string    `json:"point"`             // as requested
	Mirror   bool      `json:"mirror,omitzero"`   // a folder
	Manifest bool      `json:"manifest,omitzero"` // a file
	Commit   string    `json:"commit,omitzero"`   // of the index; for a mirror, the one last mirrored
	Time     time.Time `json:"time,omitzero"`     // of the commit
}

// Report returns the comparison of two commits. From and to are the days as requested.
func (cfg Config) Report(from, to string) *Report {
	return &Report{
		From: Point{Point: from, Commit: cfg.From.Commit, Time: cfg.From.Time.UTC()},
		To:   Point{Point: to, Commit: cfg.To.Commit, Time: cfg.To.Time.UTC()},
		Run:  func(ctx context.Context, each func(*Change) error) (*Summary, error) { return Run(ctx, cfg, each) },
		words: map[Kind]string{
			Added: "added", Removed: "removed", Republished: "published again with other bytes",
			Yanked: "yanked", Unyanked: "un-yanked", Changed: "changed in other fields of the line",
		},
		sides:  [2]string{"before", "now"},
		same:   "the index says the same on both",
		scoped: true,
	}
}

// Print runs the comparison and prints it for people: the counts, then the changes.
func (r *Report) Print(ctx context.Context, w io.Writer) (_ *Summary, err error) {
	var sections Sections
	defer func() { err = errors.Join(err, sections.Close()) }()
	s, err := r.Run(ctx, func(c *Change) error {
		return sections.Add(c.Kind, "  %s %s%s\n", human.Printable(c.Name), human.Printable(c.Version), human.Printable(r.remarks(c)))
	})
	if err != nil {
		return s, err
	}
	r.From.print(w, "from")
	r.To.print(w, "to")
	r.printCounts(w, s)
	for _, k := range Kinds {
		if s.Kinds[k] > 0 {
			fmt.Fprintf(w, "\n%s:\n", r.words[k])
			if err := sections.Copy(w, k); err != nil {
				return s, err
			}
		}
	}
	return s, nil
}

// print prints a side.
func (p *Point) print(w io.Writer, side string) {
	what := "commit "
	switch {
	case p.Manifest:
		what = "manifest"
	case p.Mirror && p.Commit == "":
		what = "mirror, of no index in git"
	case p.Mirror:
		what = "mirror, of the index at commit "
	}
	if p.Commit != "" {
		what += index.Revision{Commit: p.Commit, Time: p.Time}.String()
	}
	fmt.Fprintf(w, "%-4s  %s: %s\n", side, human.Printable(p.Point), what)
}

func (r *Report) printCounts(w io.Writer, s *Summary) {
	none := true
	row := func(n int64, what string, bytes int64) {
		if n == 0 {
			return
		}
		none = false
		if bytes > 0 {
			what += " (" + human.Size(bytes) + ")"
		}
		fmt.Fprintf(w, "%12s  %s\n", human.Count(n), what)
	}
	for _, k := range Kinds {
		row(s.Kinds[k], r.words[k], s.Bytes[k])
	}
	row(s.NewCrates, "new crates", 0)
	row(s.OldCrates, "crates gone as a whole", 0)
	if none && s.Unread == 0 {
		fmt.Fprintln(w, r.same)
	}
}

// remarks returns further facts about a change.
func (r *Report) remarks(c *Change) string {
	var words []string
	add := func(so bool, word string) {
		if so {
			words = append(words, word)
		}
	}
	add(c.Crate && c.Kind == Added, "new crate")
	add(c.Crate && c.Kind == Removed, "crate gone")
	add(c.Yanked, "yanked")
	if c.Kind == Republished {
		words = append(words, fmt.Sprintf("sha256 %.12s… %s, %.12s… %s", c.Was, r.sides[0], c.Checksum, r.sides[1]))
	}
	if c.Kind == Changed {
		words = append(words, changedFields(c))
	}
	if c.Held != nil && (c.Kind == Added || c.Kind == Republished) {
		add(*c.Held, "held")
		add(!*c.Held, "not held")
	}
	if len(words) == 0 {
		return ""
	}
	return "  (" + strings.Join(words, ", ") + ")"
}

func changedFields(c *Change) string {
	if len(c.Fields) == 0 {
		return "the same, written otherwise"
	}
	return strings.Join(c.Fields, " ")
}

// line is a change in the output of diff -json.
type line struct {
	Change  string   `json:"change"` // added, removed, republished, yanked, unyanked, changed
	Crate   string   `json:"crate"`
	Version string   `json:"version"`
	SHA256  string   `json:"sha256"`                  // of the bytes on the second side; if removed, on the first
	Before  string   `json:"sha256_before,omitempty"` // republished: the earlier bytes
	Size    int64    `json:"size,omitzero"`           // in bytes, of a crate that a mirror holds or a manifest names
	Scope   string   `json:"scope,omitempty"`         // added, removed: the version, or the whole crate
	Yanked  bool     `json:"yanked,omitzero"`         // added, removed: the version is, or was
	Fields  []string `json:"fields,omitempty"`        // changed: names of the fields that differ; none: only the formatting does
	Held    *bool    `json:"held,omitempty"`          // the mirror holds these bytes; absent: unknown
}

// PrintJSON is like Print for programs: a line for the two sides, then a line per change.
func (r *Report) PrintJSON(ctx context.Context, w io.Writer) (*Summary, error) {
	err := printJSON(w, struct {
		From Point `json:"from"`
		To   Point `json:"to"`
	}{r.From, r.To})
	if err != nil {
		return nil, err
	}
	return r.Run(ctx, func(c *Change) error { return printJSON(w, r.line(c)) })
}

func (r *Report) line(c *Change) line {
	l := line{
		Change: c.Kind.String(), Crate: c.Name, Version: c.Version, SHA256: c.Checksum.String(),
		Size: c.Size, Yanked: c.Yanked, Fields: c.Fields, Held: c.Held,
	}
	switch {
	case c.Kind == Republished:
		l.Before = c.Was.String()
	case c.Kind > Removed || !r.scoped:
	case c.Crate:
		l.Scope = "crate"
	default:
		l.Scope = "version"
	}
	return l
}

func printJSON(w io.Writer, v any) error {
	text, err := json.Marshal(v)
	if err == nil {
		_, err = w.Write(append(text, '\n'))
	}
	return err
}
