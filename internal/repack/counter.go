package repack

import (
	"context"
	"math"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/catalog"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/deep"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/plan"
)

// A Counter counts what a plan names, crate by crate, to estimate its size in the deep
// archive. It is a [plan.Sink] for a dry run.
type Counter struct {
	plan.Forgetful
	now     counted             // of the current crate
	groups  [len(mosts)]counted // of the previous crates, by number of versions
	tooLong int64
}

// mosts are the maximum numbers of versions of a crate in each group.
var mosts = [...]int{1, 4, 9, 19, 49, math.MaxInt}

// counted is the totals of some crates.
type counted struct {
	name                      string  // if there is only one
	crates, versions, unknown int64   // unknown: versions that are not held, so their size is unknown
	size                      int64   // of the others, bytes
	packedSize, packedUnknown float64 // the same, with each crate multiplied by its ratio
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

// of counts a version of a crate. The versions of a crate come together.
func (c *Counter) of(name string) *counted {
	if c.now.name != name {
		c.end()
		c.now.name = name
	}
	c.now.versions++
	return &c.now
}

// end adds the current crate to its group.
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
