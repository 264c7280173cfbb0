package extract

import (
	"errors"
	"fmt"
	"io/fs"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/bundle"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/bundle/lists"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
)

// findSums reads the checksums of bundles, by name, from the catalog beside them. It logs
// an unreadable catalog or line and ignores it: like manifests, it is a hint.
func (r *run) findSums() {
	f, err := r.cfg.Bundles.Open(lists.CatalogName)
	if err != nil {
		if !errors.Is(err, fs.ErrNotExist) {
			r.cfg.Log.Warn("the catalog of the bundles cannot be read", "err", err)
		}
		return
	}
	defer f.Close()
	r.sums = map[bundle.Name]crate.Checksum{}
	for e, err := range lists.ReadCatalog(f) {
		if err != nil {
			r.cfg.Log.Warn("the catalog of the bundles, or a line of it, cannot be used", "err", err)
			continue
		}
		r.sums[e.Bundle] = e.Checksum // a later line stands
	}
}

// compareSum compares a bundle that was read to its end with the catalog. Some bits of a
// frame change no byte of its content: only this detects that they were flipped (E4).
func (r *run) compareSum(b *opened) {
	if b.sums == nil || b.damaged {
		return
	}
	got, err := b.sums.Sum(b.size)
	if err == nil && got != b.want {
		err = fmt.Errorf("sha256 of the bundle is %s, but %s says %s: it was changed, even where every member is good", got, lists.CatalogName, b.want)
	}
	if err != nil {
		r.problem(Problem{Kind: Damaged, Bundle: b.name, Err: err})
	}
}
