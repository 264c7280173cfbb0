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

// MaxBad is how many versions a cursor remembers as bad. With more than that, repair the
// disk or the mount first.
const MaxBad = 10_000

// maxCursor bounds the file, in bytes.
const maxCursor = 8 << 20

// Cursor is what is known of a sweep over everything that is held, which may
// take many runs.
type Cursor struct {
	Begun    time.Time  `json:"begun_at,omitzero"` // of the sweep; zero: none is under way
	Shard    string     `json:"shard,omitzero"`    // that the sweep is about; empty: all
	After    crate.ID   `json:"after,omitzero"`    // everything up to this version was looked at
	Versions int64      `json:"versions"`          // so far
	Bytes    int64      `json:"bytes"`
	Bad      []crate.ID `json:"bad,omitempty"` // not what they should be when they were looked at last, in this sweep or one before

	// The last sweep over everything that came to its end.
	Finished time.Time `json:"finished_at,omitzero"`
	Swept    time.Time `json:"swept_since,omitzero"` // when that one began
}

// OldestHash is a time before which nothing was hashed last that is held now: what the
// last sweep did not see was stored since, and so hashed. Zero: there was no sweep.
func (c *Cursor) OldestHash() time.Time {
	if c.Swept.IsZero() {
		return c.Finished // of an earlier program, which did not note it
	}
	return c.Swept
}

// ReadCursor reads the cursor in a state folder; zero if there is none. One that cannot
// be parsed counts as none: the sweep begins again.
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

// Begin begins a sweep. What is known to be bad is so until it was looked at
// again.
func (c *Cursor) Begin(shard crate.Shard, now time.Time) {
	*c = Cursor{Begun: now, Shard: shard.String(), Bad: c.Bad, Finished: c.Finished, Swept: c.Swept}
}

// Advance notes the outcome of a run that began at the cursor and checked Bad again, and
// the versions that it found bad. If the run was stopped, bad ones that it did not reach
// stay bad.
func (c *Cursor) Advance(s *Summary, found []crate.ID, now time.Time) {
	bad := append(slices.Clone(c.Bad[s.Again:]), found...)
	slices.SortFunc(bad, compare)
	bad = slices.Compact(bad)
	c.Bad = bad[:min(len(bad), MaxBad)]
	c.Versions += s.Passed
	c.Bytes += s.Bytes
	c.After = s.Last
	if s.Complete {
		if c.Shard == "" || c.Shard == (crate.Shard{}).String() {
			c.Swept = c.Begun
		}
		c.Begun, c.After, c.Finished = time.Time{}, crate.ID{}, now
	}
}

// compare is the order of the catalog.
func compare(a, b crate.ID) int {
	return cmp.Or(strings.Compare(strings.ToLower(a.Name), strings.ToLower(b.Name)), strings.Compare(a.Version, b.Version))
}
