package mirror

import (
	"cmp"
	"context"
	"iter"
	"maps"
	"path"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/bundle"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/catalog"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/store"
)

// memCatalog is a catalog in memory whose commits are durable at once, and which can be
// cloned with a disk.
type memCatalog struct {
	mu       sync.Mutex
	versions map[crate.ID]catalog.Version  // with their current bytes
	others   map[crate.Key]catalog.Version // with other bytes
	removed  []catalog.Removal
	accepted map[crate.Key]bool
	crates   map[string]catalog.Crate
	gone     map[crate.ID]catalog.Gone
	bundles  map[string]bool
	taken    map[string]catalog.Taken
	revision catalog.Revision
	fail     error // of the next commit

	reaches  []store.Placement
	measured int // commits that measure
}

func newMemCatalog() *memCatalog {
	return &memCatalog{
		versions: map[crate.ID]catalog.Version{}, crates: map[string]catalog.Crate{}, gone: map[crate.ID]catalog.Gone{},
		bundles: map[string]bool{}, taken: map[string]catalog.Taken{},
		others: map[crate.Key]catalog.Version{}, accepted: map[crate.Key]bool{},
	}
}

func (c *memCatalog) clone() *memCatalog {
	c.mu.Lock()
	defer c.mu.Unlock()
	return &memCatalog{
		versions: maps.Clone(c.versions), crates: maps.Clone(c.crates), gone: maps.Clone(c.gone), revision: c.revision,
		bundles: maps.Clone(c.bundles), taken: maps.Clone(c.taken),
		others: maps.Clone(c.others), accepted: maps.Clone(c.accepted), removed: slices.Clone(c.removed),
	}
}

func (c *memCatalog) held() map[crate.ID]bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	held := map[crate.ID]bool{}
	for id := range c.versions {
		held[id] = true
	}
	return held
}

func (c *memCatalog) Versions(_ context.Context, name string) (list []catalog.Version, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for id, v := range c.versions {
		if strings.EqualFold(id.Name, name) {
			list = append(list, v)
		}
	}
	for key, v := range c.others {
		if strings.EqualFold(key.Name, name) {
			list = append(list, v)
		}
	}
	return list, nil
}

func (c *memCatalog) BytesOf(ctx context.Context, id crate.ID) (list []catalog.Version, err error) {
	all, err := c.Versions(ctx, id.Name)
	for _, v := range all {
		if v.ID.Version == id.Version {
			list = append(list, v)
		}
	}
	return list, err
}

func (c *memCatalog) WasRemoved(_ context.Context, key crate.Key) (seen time.Time, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, r := range c.removed {
		if r.Key == key && r.Returned.IsZero() && r.Scope != catalog.RemovedChecksum {
			seen = r.Seen
		}
	}
	return seen, nil
}

func (c *memCatalog) Accepted(_ context.Context, key crate.Key) (bool, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.accepted[key], nil
}

// put writes a row. The real one replaces the row of the same bytes alone.
func (c *memCatalog) put(v catalog.Version) {
	delete(c.others, v.Key())
	for id, was := range c.versions { // names compare without case, as in the real one
		if id.Version != v.ID.Version || !strings.EqualFold(id.Name, v.Name) {
			continue
		}
		if was.Checksum == v.Checksum {
			delete(c.versions, id)
		} else if v.SupersededAt.IsZero() {
			delete(c.versions, id)
			c.others[was.Key()] = was
		}
	}
	if v.SupersededAt.IsZero() {
		c.versions[v.ID] = v
	} else {
		c.others[v.Key()] = v
	}
	c.note(v.Bundle)
}

// list records that the index names bytes.
func (c *memCatalog) list(v catalog.Version) {
	if !v.Listed {
		return
	}
	if p := crate.IndexPath(v.Name); c.crates[p].Path == "" {
		c.crates[p] = catalog.Crate{Path: p}
	}
	for i := range c.removed {
		if r := &c.removed[i]; r.Key == v.Key() && r.Returned.IsZero() {
			r.Returned = time.Now()
		}
	}
}

func (c *memCatalog) isRemoved(key crate.Key) bool {
	return slices.ContainsFunc(c.removed, func(r catalog.Removal) bool {
		return r.Key == key && r.Returned.IsZero() && r.Scope != catalog.RemovedChecksum
	})
}

func (c *memCatalog) incomplete(name string) {
	if p := crate.IndexPath(name); c.crates[p].Path != "" {
		c.crates[p] = catalog.Crate{Path: p}
	}
}

func (c *memCatalog) Reaches(context.Context) iter.Seq2[store.Placement, error] {
	return func(yield func(store.Placement, error) bool) {
		for _, at := range c.reaches {
			if !yield(at, nil) {
				return
			}
		}
	}
}

func (c *memCatalog) Holdings(ctx context.Context, _ bool) iter.Seq2[catalog.Holding, error] {
	then := c.clone()
	return func(yield func(catalog.Holding, error) bool) {
		for _, p := range slices.Sorted(maps.Keys(then.crates)) {
			held, _ := then.Versions(ctx, path.Base(p))
			if !yield(catalog.Holding{Crate: then.crates[p], Versions: held}, nil) {
				return
			}
		}
	}
}

func (c *memCatalog) Revision(context.Context) (catalog.Revision, error) {
	return c.clone().revision, nil
}

func (c *memCatalog) WasGone(_ context.Context, id crate.ID) (bool, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	_, ok := c.gone[id]
	return ok, nil
}

func (c *memCatalog) Commit(_ context.Context, b catalog.Batch) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.fail != nil {
		return c.fail
	}
	if b.Measure {
		c.measured++
	}
	for _, v := range b.Versions {
		c.put(v)
		c.list(v)
		delete(c.gone, v.ID)
	}
	for _, b := range b.Bundles {
		c.bundles[b.Name] = b.Whole
	}
	for _, t := range b.Taken {
		c.taken[t.Name] = t
	}
	for _, g := range b.Gone {
		c.gone[g.ID] = g
	}
	for _, key := range b.Dropped {
		delete(c.others, key)
		if c.versions[key.ID].Checksum == key.Checksum {
			delete(c.versions, key.ID)
		}
	}
	for _, key := range b.Accepted {
		c.accepted[key] = true
	}
	for _, r := range b.Removed {
		if r.Scope == catalog.RemovedChecksum {
			c.incomplete(r.Name)
		}
	}
	c.removed = append(c.removed, b.Removed...)
	for _, cr := range b.Crates {
		c.crates[cr.Path] = cr
	}
	for _, p := range b.Vanished {
		delete(c.crates, p)
		for id, v := range c.versions {
			if strings.EqualFold(id.Name, path.Base(p)) {
				if v.Listed || !c.isRemoved(v.Key()) {
					c.removed = append(c.removed, catalog.Removal{Key: v.Key(), Scope: catalog.RemovedCrate, Seen: time.Now(), At: b.At})
				}
				v.Listed = false
				c.versions[id] = v
			}
		}
	}
	if b.Revision != nil {
		c.revision = *b.Revision
	}
	return nil
}

func (c *memCatalog) AdoptRepublished(_ context.Context, found []catalog.Version) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, v := range found {
		was, other := c.others[v.Key()]
		if now := c.versions[v.ID]; now.Checksum == v.Checksum && !other {
			if now.Listed {
				continue
			}
			was = now
			delete(c.versions, v.ID)
		}
		if was.Checksum == v.Checksum {
			was.Loose, was.Republished = true, v.Republished
			v = was
		}
		if v.SupersededAt.IsZero() {
			v.SupersededAt = time.Now()
		}
		c.others[v.Key()] = v
	}
	return c.fail
}

func (c *memCatalog) Taken(context.Context) ([]catalog.Taken, error) {
	return slices.Collect(maps.Values(c.clone().taken)), nil
}

// note records a bundle.
func (c *memCatalog) note(bundle string) {
	if _, ok := c.bundles[bundle]; !ok && bundle != "" {
		c.bundles[bundle] = false
	}
}

func (c *memCatalog) TwicePage(_ context.Context, after crate.ID, limit int) (page []catalog.Version, err error) {
	return c.twice(after, limit, false), nil
}

func (c *memCatalog) UnlistedTwicePage(_ context.Context, after crate.ID, limit int) (page []catalog.Version, err error) {
	return c.twice(after, limit, true), nil
}

func (c *memCatalog) twice(after crate.ID, limit int, unlisted bool) (page []catalog.Version) {
	c.mu.Lock()
	defer c.mu.Unlock()
	order := func(a, b crate.ID) int {
		return cmp.Or(strings.Compare(a.Name, b.Name), strings.Compare(a.Version, b.Version))
	}
	for _, id := range slices.SortedFunc(maps.Keys(c.versions), order) {
		v := c.versions[id]
		if order(id, after) > 0 && v.Loose && c.bundles[v.Bundle] && !(unlisted && v.Listed) && len(page) < limit {
			page = append(page, v)
		}
	}
	return page
}

// Bundles, Adopt and Adopted are bundled.Catalog's.
func (c *memCatalog) Bundles() map[string]bool { return c.clone().bundles }

func (c *memCatalog) Adopt(_ context.Context, name string, members []bundle.Member) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, m := range members {
		found := catalog.Version{ID: m.ID, Checksum: m.Checksum, Size: m.Size}
		if v, ok := c.versions[m.ID]; ok && v.Checksum == m.Checksum {
			found = v
		} else if v, held := c.others[found.Key()]; ok || held {
			if held {
				found = v
			}
			found.Bundle, found.Offset, found.FrameSize = name, m.Offset, m.FrameSize
			c.others[found.Key()] = found
			c.note(name)
			continue
		}
		found.Bundle, found.Offset, found.FrameSize = name, m.Offset, m.FrameSize
		c.versions[m.ID] = found
		c.note(name)
	}
	return c.fail
}

func (c *memCatalog) Adopted(_ context.Context, b store.Bundle) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.bundles[b.Name] = true
	return c.fail
}
