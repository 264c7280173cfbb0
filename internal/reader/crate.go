package reader

import (
	"context"
	"fmt"
	"io/fs"
	"slices"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/catalog"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/index"
)

// Crate is the visible part of a crate.
type Crate struct {
	Name    string  // as in its last line
	Path    string  // of its file in the index
	Entries []Entry // in the order of that file; at least one
	Left    int     // number of lines not shown
	// Withheld are the held versions among those, which a policy hides.
	Withheld []Withheld
	// Until is when that changes by the passing of time alone. Zero: it does not.
	Until time.Time
}

// Withheld is a version that is held but not shown.
type Withheld struct {
	Entry
	Rule      string    // that hides it
	Why       string    // why, since when and until when, as a sentence
	Until     time.Time // zero: no end
	Downloads bool      // its crate file is served to clients that already know the version
}

// A Refusal is an error that says how to answer the client. For lines of the index it is
// always 404, and then wraps fs.ErrNotExist too.
type Refusal interface {
	error
	Refuse() (status int, text string)
}

// Entry is one version of a crate.
type Entry struct {
	index.Entry       // Raw is the line byte for byte
	Held        bool  // its crate file can be opened
	Size        int64 // of the crate file in bytes; 0 if it is not held
	// Before are the bytes that the version had before it was published again, the latest
	// first. View.OpenBytes opens them.
	Before []Superseded
}

// Superseded are bytes that others have replaced.
type Superseded struct {
	Checksum crate.Checksum
	Size     int64
	Until    time.Time
}

// Key returns the key of the bytes that the line names.
func (e *Entry) Key() crate.Key { return crate.Key{ID: e.ID, Checksum: e.Checksum} }

// Body returns the index file for cargo: the lines, each with its "\n".
func (c *Crate) Body() []byte {
	size := 0
	for i := range c.Entries {
		size += len(c.Entries[i].Raw) + len("\n")
	}
	body := make([]byte, 0, size)
	for i := range c.Entries {
		body = append(append(body, c.Entries[i].Raw...), '\n')
	}
	return body
}

// Crate returns the visible part of the crate with a name, whatever its case. The caller
// may keep the result. Errors: fs.ErrNotExist if nothing is shown; others if the index or
// the catalog cannot be read.
func (v *View) Crate(ctx context.Context, name string) (*Crate, error) {
	return v.crate(ctx, name, heldNow, func() (*index.Crate, error) { return v.index.crate(ctx, name) })
}

// Named returns the versions of a crate that the index names, held or not. Errors:
// fs.ErrNotExist.
func (v *View) Named(ctx context.Context, name string) (*index.Crate, error) {
	file, err := v.index.crate(ctx, name)
	if err == nil && file.Err != nil {
		err = fmt.Errorf("reading %s in the index: %w", file.Path, file.Err)
	}
	return file, err
}

// heldNow accepts rows of current bytes, and rejects those of earlier ones.
func heldNow(row *catalog.Version) bool { return row.SupersededAt.IsZero() }

// crate joins the lines of a crate from read with what is held of it.
func (v *View) crate(ctx context.Context, name string, counts func(*catalog.Version) bool, read func() (*index.Crate, error)) (*Crate, error) {
	rows, err := v.rowsOf(ctx, name)
	if err != nil {
		return nil, err
	}
	if len(rows) == 0 && !v.cfg.All {
		return nil, noVersion(name) // which is cheaper than asking git
	}
	file, err := read()
	if err != nil {
		return nil, err
	}
	if file.Err != nil {
		return nil, fmt.Errorf("reading %s in the index: %w", file.Path, file.Err)
	}
	c := &Crate{Path: file.Path, Entries: v.shown(file.Entries, rows, counts)}
	if len(c.Entries) == 0 {
		return nil, noVersion(name)
	}
	c.Left = len(file.Entries) - len(c.Entries)
	c.Name = c.Entries[len(c.Entries)-1].Name
	return c, nil
}

func noVersion(name string) error {
	return fmt.Errorf("%s: no version of it is mirrored: %w", name, fs.ErrNotExist)
}

// shown joins the lines of a crate with what is held of it.
func (v *View) shown(lines []index.Entry, rows []catalog.Version, counts func(*catalog.Version) bool) []Entry {
	held := make(map[crate.Key]*catalog.Version, len(rows))
	before := map[crate.ID][]Superseded{}
	for i := range rows {
		if row := &rows[i]; counts(row) {
			held[row.Key()] = row
		} else {
			before[row.ID] = append(before[row.ID], Superseded{row.Checksum, row.Size, row.SupersededAt})
		}
	}
	for _, list := range before {
		slices.SortFunc(list, func(a, b Superseded) int { return b.Until.Compare(a.Until) })
	}
	entries := make([]Entry, 0, len(lines))
	for _, line := range lines {
		e := Entry{Entry: line, Before: before[line.ID]}
		// The checksum is that of the held bytes, or the row is not this line's.
		if row := held[crate.Key{ID: line.ID, Checksum: line.Checksum}]; row != nil {
			e.Held, e.Size = true, row.Size
		}
		if e.Held || v.cfg.All {
			entries = append(entries, e)
		}
	}
	return entries
}
