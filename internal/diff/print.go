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

// Print runs a comparison and tells a person: the counts, then what they count. From
// and to are the days as they were asked for.
func Print(ctx context.Context, w io.Writer, from, to string, job Config) (_ *Summary, err error) {
	var sections Sections
	defer func() { err = errors.Join(err, sections.Close()) }()
	s, err := Run(ctx, job, func(c *Change) error {
		return sections.Add(c.Kind, "  %s %s%s\n", human.Printable(c.Name), human.Printable(c.Version), human.Printable(remarks(c)))
	})
	if err != nil {
		return s, err
	}
	printPoint(w, "from", from, job.From)
	printPoint(w, "to", to, job.To)
	printCounts(w, s)
	for _, k := range Kinds {
		if s.Kinds[k] > 0 {
			fmt.Fprintf(w, "\n%s:\n", kindWords[k])
			if err := sections.Copy(w, k); err != nil {
				return s, err
			}
		}
	}
	return s, nil
}

// printPoint says which commit a day has led to.
func printPoint(w io.Writer, side, day string, rev index.Revision) {
	fmt.Fprintf(w, "%-4s  %s: commit %s\n", side, human.Printable(day), rev)
}

var kindWords = map[Kind]string{
	Added: "added", Removed: "removed", Republished: "published again with other bytes",
	Yanked: "yanked", Unyanked: "un-yanked", Changed: "changed in other fields of the line",
}

func printCounts(w io.Writer, s *Summary) {
	none := true
	row := func(n int64, what string) {
		if n > 0 {
			none = false
			fmt.Fprintf(w, "%12s  %s\n", human.Count(n), what)
		}
	}
	for _, k := range Kinds {
		row(s.Kinds[k], kindWords[k])
	}
	row(s.NewCrates, "new crates")
	row(s.OldCrates, "crates gone as a whole")
	if none && s.Unread == 0 {
		fmt.Fprintln(w, "the index says the same on both")
	}
}

// remarks is what else there is to say of a change.
func remarks(c *Change) string {
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
		words = append(words, fmt.Sprintf("sha256 %.12s… before, %.12s… now", c.Was, c.Checksum))
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

// point is one of the two commits in the first line of diff -json.
type point struct {
	Point  string    `json:"point"` // as it was asked for
	Commit string    `json:"commit"`
	Time   time.Time `json:"time"`
}

// line is a change in diff -json.
type line struct {
	Change  string   `json:"change"` // added, removed, republished, yanked, unyanked, changed
	Crate   string   `json:"crate"`
	Version string   `json:"version"`
	SHA256  string   `json:"sha256"`                  // of the bytes that the index names at the second commit; if removed, at the first
	Before  string   `json:"sha256_before,omitempty"` // republished: at the first
	Scope   string   `json:"scope,omitempty"`         // added, removed: the version, or the crate as a whole
	Yanked  bool     `json:"yanked,omitzero"`         // added, removed: the version is, or was
	Fields  []string `json:"fields,omitempty"`        // changed: in which the line differs; none: it is written otherwise
	Held    *bool    `json:"held,omitempty"`          // those bytes are, by the mirror; absent: not known
}

// PrintJSON is Print for programs: a line for the two commits, then one a change.
func PrintJSON(ctx context.Context, w io.Writer, from, to string, job Config) (*Summary, error) {
	err := printJSON(w, struct {
		From point `json:"from"`
		To   point `json:"to"`
	}{
		point{from, job.From.Commit, job.From.Time.UTC()}, point{to, job.To.Commit, job.To.Time.UTC()},
	})
	if err != nil {
		return nil, err
	}
	return Run(ctx, job, func(c *Change) error {
		l := line{
			Change: c.Kind.String(), Crate: c.Name, Version: c.Version, SHA256: c.Checksum.String(),
			Yanked: c.Yanked, Fields: c.Fields, Held: c.Held,
		}
		switch c.Kind {
		case Republished:
			l.Before = c.Was.String()
		case Added, Removed:
			l.Scope = "version"
			if c.Crate {
				l.Scope = "crate"
			}
		}
		return printJSON(w, l)
	})
}

func printJSON(w io.Writer, v any) error {
	text, err := json.Marshal(v)
	if err == nil {
		_, err = w.Write(append(text, '\n'))
	}
	return err
}
