package push

import (
	"context"
	"crypto/sha256"
	"errors"
	"io"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/catalog"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/human"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/plan"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/root"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/store"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/store/bundled"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/store/overlay"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/upstream"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/verdict"
)

// Damage is the lost part of a mirror in a bucket, which a run must store again.
type Damage struct {
	Bundles    []string    // names of the damaged bundles
	Entries    []plan.Item // their content
	Superseded []crate.Key // earlier bytes of versions among that
	places     map[crate.Key]store.Placement
	from       *bundled.ReadOnly // the damaged bundles
}

// Damage lists the content of damaged or missing bundles, given by their keys, and hides
// them, so that they are missing for a run. If the index or the catalog is damaged, the
// root stops naming it, so that the next round pushes it again.
func (p *Pusher) Damage(ctx context.Context, keys []string) (_ *Damage, err error) {
	damaged := make(map[string]bool, len(keys))
	for _, key := range keys {
		damaged[key] = true
	}
	d := &Damage{places: map[crate.Key]store.Placement{}}
	dirs := p.cfg.Dirs
	dirs.Remote = overlay.New(p.cfg.Bucket)
	dirs.Remote.Show(p.session.Root())
	folder, err := dirs.OpenBundles()
	if err != nil {
		return nil, err
	}
	p.writer.OnClose(folder.Close)
	d.from = bundled.OpenReadOnly(folder, p.writer.Loose)
	p.writer.OnClose(d.from.Close)
	for _, f := range p.session.Root().Bundles {
		if !isDamaged(&f, damaged) {
			continue
		}
		d.Bundles = append(d.Bundles, f.Name)
		p.cfg.Remote.Hide(root.BundlesDir, f.Name)
		if err := d.add(ctx, p.writer.Catalog, f.Name); err != nil {
			return nil, err
		}
	}
	return d, p.commit(ctx, func(r *root.Root) error {
		forgetDamaged(r, damaged)
		return nil
	})
}

// isDamaged reports whether a bundle, or a file beside it, is damaged.
func isDamaged(f *root.File, damaged map[string]bool) bool {
	bad := damaged[root.Key(root.BundlesDir, f.Name)]
	for _, l := range f.Lists {
		bad = bad || damaged[root.Key(root.BundlesDir, l.Name)]
	}
	return bad
}

func forgetDamaged(r *root.Root, damaged map[string]bool) {
	for _, f := range r.Index.Chain {
		if damaged[root.Key(root.IndexDir, f.Name)] {
			r.Index = root.Index{}
			break
		}
	}
	if r.Catalog != nil && damaged[root.Key(root.CatalogDir, r.Catalog.Name)] {
		r.Catalog = nil
	}
}

// add adds the catalog's rows of a bundle.
func (d *Damage) add(ctx context.Context, c *catalog.Catalog, name string) error {
	for v, err := range c.InBundle(ctx, name) {
		if err != nil {
			return err
		}
		d.places[v.Key()] = v.InBundle()
		if !v.SupersededAt.IsZero() {
			d.Superseded = append(d.Superseded, v.Key())
			continue
		}
		d.Entries = append(d.Entries, plan.Item{ID: v.ID, Checksum: v.Checksum, Yanked: v.Yanked, Unlisted: !v.Listed})
	}
	return nil
}

// Fetcher is mirror.Fetcher.
type Fetcher interface {
	Fetch(ctx context.Context, req upstream.Request) (*upstream.Body, upstream.Stats, error)
}

// Fetch returns a fetcher that reads intact crates from the damaged bundles, and fetches
// the others with other.
func (d *Damage) Fetch(other Fetcher) Fetcher { return salvage{d, other} }

type salvage struct {
	*Damage
	other Fetcher
}

// maxSalvage is the maximum size of a crate that is read from a damaged bundle, in memory,
// in bytes.
const maxSalvage = 32 << 20

// Fetch implements mirror.Fetcher.
func (s salvage) Fetch(ctx context.Context, req upstream.Request) (*upstream.Body, upstream.Stats, error) {
	key := crate.Key{ID: req.ID, Checksum: req.Checksum}
	if at, ok := s.places[key]; ok && at.FrameSize <= maxSalvage {
		if data, err := s.whole(ctx, key, at); err == nil {
			return &upstream.Body{Data: data, Size: int64(len(data))}, upstream.Stats{}, nil
		}
	}
	return s.other.Fetch(ctx, req)
}

func (s salvage) whole(ctx context.Context, key crate.Key, at store.Placement) (_ []byte, err error) {
	c, err := s.from.Open(ctx, key, at)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	data, err := io.ReadAll(io.LimitReader(c, maxSalvage+1))
	if err != nil {
		return nil, err
	}
	if sum := crate.Checksum(sha256.Sum256(data)); sum != key.Checksum {
		return nil, &crate.ChecksumError{ID: key.ID, Want: key.Checksum, Got: sum, Size: int64(len(data))}
	}
	return data, nil
}

// Replace makes the root stop naming the damaged bundles, once all their content is stored
// elsewhere and pushed. Errors: a verdict if something is not.
func (p *Pusher) Replace(ctx context.Context, d *Damage) error {
	var errs []error
	for _, name := range d.Bundles {
		left := int64(0)
		for _, err := range p.writer.Catalog.InBundle(ctx, name) {
			if err != nil {
				return err
			}
			left++
		}
		if left > 0 {
			errs = append(errs, verdict.Integrityf("%s of %s are not available anywhere: the damaged bundle stays in the bucket", human.Plural(left, "crate"), name))
			continue
		}
		if err := p.writer.Catalog.Commit(ctx, catalog.Batch{Bundles: []catalog.Bundle{{Name: name, Whole: true}}}); err != nil {
			return err
		}
	}
	return errors.Join(append(errs, p.persist(ctx))...)
}
