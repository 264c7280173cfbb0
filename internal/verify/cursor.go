package verify

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
)

// CursorName is the file in a mirror's state folder that says how far
// verification has come.
const CursorName = "verify.json"

// MaxBad is how many versions a cursor remembers as bad. Where more are, it is
// the disk or a mount that has to be mended first.
const MaxBad = 10_000

// maxCursor bounds the file, in bytes.
const maxCursor = 8 << 20

// Cursor is what is known of a sweep over everything that is held, which may
// take many runs.
type Cursor struct {
	Begun    time.Time  `json:"begun_at,omitzero"` // of the sweep; zero: none is under way
	After    crate.ID   `json:"after,omitzero"`    // everything up to this version was looked at
	Versions int64      `json:"versions"`          // so far
	Bytes    int64      `json:"bytes"`
	Bad      []crate.ID `json:"bad,omitempty"` // not what they should be when they were looked at last

	// The last sweep that came to its end.
	Finished time.Time `json:"finished_at,omitzero"`
}

// ReadCursor reads the cursor in a state folder; zero if there is none. One that
// makes no sense is as none: the sweep begins anew.
func ReadCursor(state durable.Reader) (Cursor, error) {
	data, err := durable.ReadFile(state, CursorName, maxCursor)
	if errors.Is(err, fs.ErrNotExist) {
		return Cursor{}, nil
	}
	if err != nil {
		return Cursor{}, fmt.Errorf("reading %s: %w", CursorName, err)
	}
	var c Cursor
	if json.Unmarshal(data, &c) != nil {
		return Cursor{}, nil
	}
	return c, nil
}

// Write makes the cursor durable.
func (c *Cursor) Write(state durable.FS) error {
	data, err := json.Marshal(c, jsontext.WithIndent("  "))
	if err == nil {
		err = durable.WriteFile(state, CursorName, append(data, '\n'))
	}
	if err != nil {
		return fmt.Errorf("writing %s: %w", CursorName, err)
	}
	return nil
}

// Passed returns the bad versions that the sweep has behind it, which a run has
// to look at again.
func (c *Cursor) Passed() (ids []crate.ID) {
	for _, id := range c.Bad {
		if compare(id, c.After) <= 0 {
			ids = append(ids, id)
		}
	}
	return ids
}

// Advance notes what a run that began at the cursor has come to, and the
// versions that it found bad.
func (c *Cursor) Advance(s *Summary, found []crate.ID, now time.Time) {
	bad := slices.DeleteFunc(c.Bad, func(id crate.ID) bool { return s.Complete || compare(id, s.Last) <= 0 })
	bad = slices.Compact(slices.SortedFunc(slices.Values(append(bad, found...)), compare))
	c.Bad = bad[:min(len(bad), MaxBad)]
	c.Versions += s.Versions
	c.Bytes += s.Bytes
	c.After = s.Last
	if s.Complete {
		c.Begun, c.After, c.Finished = time.Time{}, crate.ID{}, now
	}
}

// compare is the order of the catalog.
func compare(a, b crate.ID) int {
	return cmp.Or(strings.Compare(strings.ToLower(a.Name), strings.ToLower(b.Name)), strings.Compare(a.Version, b.Version))
}
