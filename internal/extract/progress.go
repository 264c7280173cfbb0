package extract

import (
	"sync/atomic"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/human"
)

// Progress counts the work of a run, for concurrent readers. What it counts as extracted is
// durable.
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

// NewProgress returns a Progress that starts now.
func NewProgress() *Progress { return &Progress{start: time.Now()} }

// Counts is a snapshot of a Progress.
type Counts struct {
	Bundles    int64 // done
	Size       int64 // of all bundles in bytes
	Read       int64 // of these, so far
	Extracted  int64 // members, durable under their names
	Bytes      int64 // written for them, also for members that turned out wrong
	Kept       int64 // members that were already stored, verified by hash
	Replaced   int64 // files moved away to make room for a member
	Shelved    int64 // of these, files kept as earlier bytes of their version
	Superseded int64 // members with earlier bytes of their version
	Problems   [kinds]int64
	Elapsed    time.Duration
}

// OK returns the number of verified members in the store.
func (c *Counts) OK() int64 { return c.Extracted + c.Kept }

// Rate returns the number of members per second.
func (c *Counts) Rate() float64 {
	return human.Rate(c.OK(), c.Elapsed)
}

// Sound reports whether everything that was found is as it should be.
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

// Snapshot returns the current counts.
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
