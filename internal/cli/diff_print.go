package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/diff"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/human"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/index"
)

// printDiff tells a person: the counts, then what they count.
func printDiff(ctx context.Context, w io.Writer, cfg *diffConfig, job diff.Config) (_ *diff.Summary, err error) {
	var sections diff.Sections
	defer func() { err = errors.Join(err, sections.Close()) }()
	s, err := diff.Run(ctx, job, func(c *diff.Change) error {
		return sections.Add(c.Kind, "  %s %s%s\n", human.Printable(c.Name), human.Printable(c.Version), human.Printable(remarks(c)))
	})
	if err != nil {
		return s, err
	}
	printPoint(w, "from", cfg.from, job.From)
	printPoint(w, "to", cfg.to, job.To)
	printDiffCounts(w, s)
	for _, k := range diff.Kinds {
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
func printPoint(w io.Writer, side, point string, rev index.Revision) {
	fmt.Fprintf(w, "%-4s  %s: commit %s\n", side, human.Printable(point), rev)
}

var kindWords = map[diff.Kind]string{
	diff.Added: "added", diff.Removed: "removed", diff.Republished: "published again with other bytes",
	diff.Yanked: "yanked", diff.Unyanked: "un-yanked", diff.Changed: "changed in other fields of the line",
}

func printDiffCounts(w io.Writer, s *diff.Summary) {
	none := true
	row := func(n int64, what string) {
		if n > 0 {
			none = false
			fmt.Fprintf(w, "%12s  %s\n", human.Count(n), what)
		}
	}
	for _, k := range diff.Kinds {
		row(s.Kinds[k], kindWords[k])
	}
	row(s.NewCrates, "new crates")
	row(s.OldCrates, "crates gone as a whole")
	if none && s.Unread == 0 {
		fmt.Fprintln(w, "the index says the same on both")
	}
}

// remarks is what else there is to say of a change.
func remarks(c *diff.Change) string {
	var words []string
	add := func(so bool, word string) {
		if so {
			words = append(words, word)
		}
	}
	add(c.Crate && c.Kind == diff.Added, "new crate")
	add(c.Crate && c.Kind == diff.Removed, "crate gone")
	add(c.Yanked, "yanked")
	if c.Kind == diff.Republished {
		words = append(words, fmt.Sprintf("sha256 %.12s… before, %.12s… now", c.Was, c.Checksum))
	}
	if c.Kind == diff.Changed {
		words = append(words, changedFields(c))
	}
	if c.Held != nil && (c.Kind == diff.Added || c.Kind == diff.Republished) {
		add(*c.Held, "held")
		add(!*c.Held, "not held")
	}
	if len(words) == 0 {
		return ""
	}
	return "  (" + strings.Join(words, ", ") + ")"
}

func changedFields(c *diff.Change) string {
	if len(c.Fields) == 0 {
		return "the same, written otherwise"
	}
	return strings.Join(c.Fields, " ")
}

// diffPoint is one of the two commits in the first line of diff -json.
type diffPoint struct {
	Point  string    `json:"point"` // as it was asked for
	Commit string    `json:"commit"`
	Time   time.Time `json:"time"`
}

// diffLine is a change in diff -json.
type diffLine struct {
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

// printDiffJSON tells a program.
func printDiffJSON(ctx context.Context, w io.Writer, cfg *diffConfig, job diff.Config) (*diff.Summary, error) {
	err := printJSON(w, struct {
		From diffPoint `json:"from"`
		To   diffPoint `json:"to"`
	}{
		diffPoint{cfg.from, job.From.Commit, job.From.Time.UTC()}, diffPoint{cfg.to, job.To.Commit, job.To.Time.UTC()},
	})
	if err != nil {
		return nil, err
	}
	return diff.Run(ctx, job, func(c *diff.Change) error {
		line := diffLine{
			Change: c.Kind.String(), Crate: c.Name, Version: c.Version, SHA256: c.Checksum.String(),
			Yanked: c.Yanked, Fields: c.Fields, Held: c.Held,
		}
		switch c.Kind {
		case diff.Republished:
			line.Before = c.Was.String()
		case diff.Added, diff.Removed:
			line.Scope = "version"
			if c.Crate {
				line.Scope = "crate"
			}
		}
		return printJSON(w, line)
	})
}
