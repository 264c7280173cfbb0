package extract

import (
	"sync/atomic"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/human"
)

// Progress is the counts of a run, for others to read while it is running. What it calls
// extracted is durable.
type Progress struct {
	start      time.Time
	bundles    atomic.Int64
	size       atomic.Int64 // of all bundles
	read       atomic.Int64 // of size
	extracted  atomic.Int64
	bytes      atomic.Int64
	kept       atomic.Int64
	replaced   atomic.Int64
	shelved    atomic.Int64
	superseded atomic.Int64
	problems   [kinds]atomic.Int64
}

// NewProgress starts the clock.
func NewProgress() *Progress { return &Progress{start: time.Now()} }

// Counts is a snapshot of a Progress.
type Counts struct {
	Bundles    int64 // done
	Size       int64 // of all bundles in bytes
	Read       int64 // of these, so far
	Extracted  int64 // members, durable under their names
	Bytes      int64 // written for them, also where a member turned out wrong
	Kept       int64 // members that were there already, hashed
	Replaced   int64 // files that were set aside for a member
	Shelved    int64 // of such, those that are kept as what their version was before
	Superseded int64 // members that are what their version was before
	Problems   [kinds]int64
	Elapsed    time.Duration
}

// OK is the number of members that are in the store, verified.
func (c *Counts) OK() int64 { return c.Extracted + c.Kept }

// Rate is the number of members a second.
func (c *Counts) Rate() float64 {
	return human.Rate(c.OK(), c.Elapsed)
}

// Sound reports whether nothing was met that is not what it should be.
func (c *Counts) Sound() bool {
	for k := range kinds {
		if c.Problems[k] > 0 && !k.mayPass() {
			return false
		}
	}
	return true
}

// Complete reports whether nothing is missing for other reasons.
func (c *Counts) Complete() bool {
	for k := range kinds {
		if c.Problems[k] > 0 && k.mayPass() {
			return false
		}
	}
	return true
}

// Snapshot returns the counts as they are now.
func (p *Progress) Snapshot() Counts {
	c := Counts{
		Bundles: p.bundles.Load(), Size: p.size.Load(), Read: p.read.Load(),
		Extracted: p.extracted.Load(), Bytes: p.bytes.Load(), Kept: p.kept.Load(), Replaced: p.replaced.Load(),
		Shelved: p.shelved.Load(), Superseded: p.superseded.Load(),
		Elapsed: time.Since(p.start),
	}
	for k := range c.Problems {
		c.Problems[k] = p.problems[k].Load()
	}
	return c
}
