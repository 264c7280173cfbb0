package extract

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/bundle/lists"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/index"
)

// pin is what is known of a crate that a bundle holds or claims to hold.
type pin struct {
	sum    crate.Checksum
	known  bool             // sum is what the bytes must hash to
	yanked bool             // the index says so
	claims []crate.Checksum // checksums in the manifest, in its order: several if the version was published again
	later  bool             // a later bundle has the version's current bytes, and this one has earlier ones
	met    int              // members that are the crate
	found  bool             // one of them has the sum
}

// claim adds a checksum that the manifest, or the bundle itself, names.
func (v *pin) claim(sum crate.Checksum) {
	if !slices.Contains(v.claims, sum) && len(v.claims) < maxClaims {
		v.claims = append(v.claims, sum)
	}
}

// pins are the pins of one bundle. A crate without a pin was not looked up yet.
type pins map[crate.ID]*pin

// ids returns the crates in order.
func (v pins) ids() []crate.ID { return sorted(v) }

// sorted returns the crates of a map in order.
func sorted[V any](of map[crate.ID]V) []crate.ID {
	return slices.SortedFunc(maps.Keys(of), func(x, y crate.ID) int {
		return cmp.Or(cmp.Compare(x.Name, y.Name), cmp.Compare(x.Version, y.Version))
	})
}

// findClaims finds the manifests beside the bundles.
func (r *run) findClaims() (err error) {
	r.claims, err = lists.FindClaims(r.cfg.Bundles)
	return err
}

// claimed visits every crate that the manifests of a bundle name. An unusable line costs
// only itself, and an unreadable file the rest of itself: crates that need them are
// reported as without a checksum.
func (r *run) claimed(bundleName string, visit func(lists.ManifestEntry)) {
	for e, err := range r.claims.Of(bundleName) {
		if err != nil {
			r.cfg.Log.Warn("a manifest, or a line of one, cannot be used", "bundle", bundleName, "err", err)
			continue
		}
		visit(e)
	}
}

// pinsOf returns the pins that are known before a bundle is read.
func (r *run) pinsOf(ctx context.Context, bundleName string) (pins, error) {
	v := pins{}
	var ids []crate.ID
	r.claimed(bundleName, func(e lists.ManifestEntry) {
		if v[e.ID] == nil {
			ids = append(ids, e.ID)
			v[e.ID] = &pin{known: true, later: r.isLater(bundleName, e.ID)}
		}
		v[e.ID].sum = e.Checksum // a later line stands
		v[e.ID].claim(e.Checksum)
	})
	if r.cfg.Index == nil {
		return v, nil
	}
	return v, r.ask(ctx, v, ids)
}

// ask looks up crates in the index.
func (r *run) ask(ctx context.Context, v pins, ids []crate.ID) error {
	if len(ids) == 0 {
		return nil
	}
	files := map[string]bool{}
	for _, id := range ids {
		files[crate.IndexPath(id.Name)] = true
		if v[id] == nil {
			v[id] = &pin{}
		}
		v[id].known = false
	}
	for c, err := range r.cfg.Index.Crates(ctx, func(f index.File) bool { return files[f.Path] }) {
		if err != nil {
			return fmt.Errorf("looking up %d crates in the index: %w", len(ids), err)
		}
		if c.Err != nil && files[c.Path] {
			r.cfg.Log.Warn("a file of the index cannot be read: its crates cannot be verified", "file", c.Path, "err", c.Err)
		}
		for i := range c.Entries {
			if e := &c.Entries[i]; v[e.ID] != nil {
				v[e.ID].sum, v[e.ID].known, v[e.ID].yanked = e.Checksum, true, e.Yanked
			}
		}
	}
	return nil
}
