package repack

import (
	"context"
	"math"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/catalog"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/deep"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/plan"
)

// A Counter counts what a plan names, crate by crate, so that it can be said what all
// of it would take in the deep archive. It is a [plan.Sink] of a dry run.
type Counter struct {
	plan.Forgetful
	now     counted             // of the crate that comes now
	groups  [len(mosts)]counted // of those before it, by their versions
	tooLong int64
}

// mosts are how many versions a crate of each group has at most.
var mosts = [...]int{1, 4, 9, 19, 49, math.MaxInt}

// counted is what some crates have.
type counted struct {
	name                      string  // of the only one
	crates, versions, unknown int64   // unknown: versions that are not held, so of no known size
	size                      int64   // of the others, bytes
	packedSize, packedUnknown float64 // the same, each crate times its ratio
}

// Held implements [plan.Sink].
func (c *Counter) Held(_ context.Context, it *plan.Item, size int64) error {
	if size > deep.MaxCrate {
		c.tooLong++
		return nil
	}
	c.of(it.Name).size += size
	return nil
}

// Group implements [plan.Sink].
func (c *Counter) Group(_ context.Context, _ *catalog.Crate, _ *plan.Changes, items []plan.Item) error {
	for i := range items {
		c.of(items[i].Name).unknown++
	}
	return nil
}

// of counts a version of a crate. Those of one come together.
func (c *Counter) of(name string) *counted {
	if c.now.name != name {
		c.end()
		c.now.name = name
	}
	c.now.versions++
	return &c.now
}

// end adds the crate whose versions were counted to its group.
func (c *Counter) end() {
	n := c.now.versions
	if n == 0 {
		return
	}
	g := 0
	for n > int64(mosts[g]) {
		g++
	}
	ratio, to := Ratio(int(n)), &c.groups[g]
	to.crates++
	to.versions += n
	to.unknown += c.now.unknown
	to.size += c.now.size
	to.packedSize += ratio * float64(c.now.size)
	to.packedUnknown += ratio * float64(c.now.unknown)
	c.now = counted{}
}
