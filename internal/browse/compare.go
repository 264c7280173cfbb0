package browse

import (
	"bytes"
	"context"
	"unicode/utf8"

	udiff "github.com/aymanbagabas/go-udiff"
)

// Limits of a comparison.
const (
	maxChanges   = 1_000     // files listed
	maxText      = 256 << 10 // bytes of a file compared by lines
	maxTexts     = 4 << 20   // bytes of all of them, per version
	maxLines     = 4_000     // lines shown
	maxFileLines = 400       // of one file, unless it is the only one requested
	maxLine      = 1_000     // bytes of a line
	context3     = 3         // lines of context around a change
)

// A Comparison lists the differences between two crates.
type Comparison struct {
	Changes []Change // sorted by path
	More    int      // changes not listed
	Same    int      // unchanged files
}

// A Change is a file that differs.
type Change struct {
	Path           string
	Before, After  *File // nil: absent
	Added, Removed int   // lines
	Hunks          []Hunk
	Why            string // why lines are missing from Hunks; empty: none are
}

// A Hunk is a group of changed lines with their context.
type Hunk struct {
	From, To int // number of the first line, before and after
	Lines    []Line
}

// A Line is added ('+'), removed ('-') or the same (' ').
type Line struct {
	Mark     string
	Old, New int // line numbers; 0: absent
	Text     string
}

// Compare returns the differences between two crates, or in a single file if only is its
// path. It holds at most 8 MiB, and its time is bounded: package udiff stops looking for
// the shortest diff after a number of steps. Errors: as Tree.
func (b *Browser) Compare(ctx context.Context, before, after Crate, only string) (*Comparison, error) {
	defer before.Content.Close()
	defer after.Content.Close()
	old, err := b.tree(ctx, before)
	if err != nil {
		return nil, err
	}
	fresh, err := b.tree(ctx, after)
	if err != nil {
		return nil, err
	}
	c := merge(old, fresh, only)
	oldText, err := b.read(ctx, before, old, c.texts(func(ch *Change) *File { return ch.Before }))
	if err != nil {
		return nil, err
	}
	newText, err := b.read(ctx, after, fresh, c.texts(func(ch *Change) *File { return ch.After }))
	if err != nil {
		return nil, err
	}
	left, most := maxLines, maxFileLines
	if only != "" {
		most = maxLines
	}
	for i := range c.Changes {
		ch := &c.Changes[i]
		a, okA := oldText[ch.Path]
		z, okZ := newText[ch.Path]
		ch.compare(a, z, okA || ch.Before == nil, okZ || ch.After == nil, min(left, most))
		left -= ch.shown()
	}
	return c, nil
}

// merge finds the files that differ.
func merge(old, fresh *Tree, only string) *Comparison {
	c := &Comparison{}
	add := func(path string, before, after *File) {
		switch {
		case only != "" && path != only:
		case before != nil && after != nil && before.Sum == after.Sum:
			c.Same++
		case len(c.Changes) == maxChanges:
			c.More++
		default:
			c.Changes = append(c.Changes, Change{Path: path, Before: before, After: after})
		}
	}
	a, z := old.Files, fresh.Files
	for len(a) > 0 || len(z) > 0 {
		switch {
		case len(z) == 0 || len(a) > 0 && a[0].Path < z[0].Path:
			add(a[0].Path, &a[0], nil)
			a = a[1:]
		case len(a) == 0 || z[0].Path < a[0].Path:
			add(z[0].Path, nil, &z[0])
			z = z[1:]
		default:
			add(a[0].Path, &a[0], &z[0])
			a, z = a[1:], z[1:]
		}
	}
	return c
}

// texts returns the files of one side that are worth reading, up to the limit.
func (c *Comparison) texts(side func(*Change) *File) (wanted []*File) {
	left := int64(maxTexts)
	for i := range c.Changes {
		ch := &c.Changes[i]
		f := side(ch)
		if f == nil || ch.large() || f.Size > left {
			continue
		}
		left -= f.Size
		wanted = append(wanted, f)
	}
	return wanted
}

// large reports whether one side is too large to compare.
func (ch *Change) large() bool {
	return ch.Before != nil && ch.Before.Size > maxText || ch.After != nil && ch.After.Size > maxText
}

// compare adds the lines; readBefore and readAfter say whether each side was read.
func (ch *Change) compare(before, after []byte, readBefore, readAfter bool, most int) {
	switch {
	case ch.large():
		ch.Why = "too large to compare"
	case !readBefore || !readAfter || most <= 0:
		ch.Why = "not compared: there is too much before it"
	case !IsText(before) || !IsText(after):
		ch.Why = "not text"
	default:
		ch.addLines(string(before), string(after), most)
	}
}

// IsText reports whether data can be shown as text.
func IsText(data []byte) bool { return utf8.Valid(data) && bytes.IndexByte(data, 0) < 0 }

func (ch *Change) addLines(before, after string, most int) {
	u, err := udiff.ToUnifiedDiff("", "", before, udiff.Lines(before, after), context3)
	if err != nil {
		ch.Why = "not compared: " + err.Error()
		return
	}
	for _, h := range u.Hunks {
		hunk := Hunk{From: h.FromLine, To: h.ToLine}
		old, fresh := h.FromLine, h.ToLine
		for _, l := range h.Lines {
			line := Line{Mark: " ", Text: clip(l.Content)}
			switch l.Kind {
			case udiff.Delete:
				line.Mark, line.Old = "-", old
				old, ch.Removed = old+1, ch.Removed+1
			case udiff.Insert:
				line.Mark, line.New = "+", fresh
				fresh, ch.Added = fresh+1, ch.Added+1
			default:
				line.Old, line.New = old, fresh
				old, fresh = old+1, fresh+1
			}
			if most > 0 {
				hunk.Lines = append(hunk.Lines, line)
				most--
			} else {
				ch.Why = "not all lines are shown"
			}
		}
		if len(hunk.Lines) > 0 {
			ch.Hunks = append(ch.Hunks, hunk)
		}
	}
}

// shown returns how many lines are shown.
func (ch *Change) shown() (n int) {
	for i := range ch.Hunks {
		n += len(ch.Hunks[i].Lines)
	}
	return n
}

// clip returns a line without its line ending, cut to the length that can be shown.
func clip(line string) string {
	text := bytes.TrimRight([]byte(line), "\r\n")
	if len(text) <= maxLine {
		return string(text)
	}
	cut := maxLine
	for cut > 0 && !utf8.RuneStart(text[cut]) {
		cut--
	}
	return string(text[:cut]) + "…"
}
