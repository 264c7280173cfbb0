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

// CursorName is the name of the file in a mirror's state folder that records the progress
// of verification.
const CursorName = "verify.json"

// MaxBad is the maximum number of bad versions in a cursor. With more than that, repair the
// disk or the mount first.
const MaxBad = 10_000

// maxCursor bounds the file, in bytes.
const maxCursor = 8 << 20

// Cursor is the progress of a sweep over everything held, which may take many runs.
type Cursor struct {
	Begun    time.Time  `json:"begun_at,omitzero"` // of the sweep; zero: none is under way
	Shard    string     `json:"shard,omitzero"`    // of the sweep; empty: all
	After    crate.ID   `json:"after,omitzero"`    // everything up to this version was verified
	Versions int64      `json:"versions"`          // so far
	Bytes    int64      `json:"bytes"`
	Bad      []crate.ID `json:"bad,omitempty"` // not what they should be when they were looked at last, in this sweep or one before

	// The last completed sweep.
	Finished time.Time `json:"finished_at,omitzero"`
	Swept    time.Time `json:"swept_since,omitzero"` // when that one began
}

// OldestHash returns a time since which everything held was hashed: what the last sweep did
// not see was stored, and so hashed, later. Zero: there was no sweep.
func (c *Cursor) OldestHash() time.Time {
	if c.Swept.IsZero() {
		return c.Finished // of an earlier program, which did not record it
	}
	return c.Swept
}

// ReadCursor reads the cursor in a state folder; zero if there is none, or if it cannot be
// parsed: the sweep then begins again.
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

// Write durably writes the cursor.
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

// Begin begins a sweep. Bad versions stay bad until they are verified again.
func (c *Cursor) Begin(shard crate.Shard, now time.Time) {
	*c = Cursor{Begun: now, Shard: shard.String(), Bad: c.Bad, Finished: c.Finished, Swept: c.Swept}
}

// Advance records the outcome of a run that began at the cursor and verified Bad again, and
// the versions that it found bad. If the run was stopped, bad versions that it did not
// reach stay bad.
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
