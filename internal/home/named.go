package home

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/bucket/download"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/bundle"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/bundle/lists"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/catalog"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/root"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/store"
)

// A ForeignBundleError says that a bundle on the disk has the same name as a different bundle
// in the bucket.
type ForeignBundleError struct{ Dir, Name string }

func (e *ForeignBundleError) Error() string {
	return fmt.Sprintf("%s in %s is not the one that the mirror in the bucket has under this name: the folder belongs to another mirror; use an empty one, and clonecratesio replicate -from this one -to the bucket to add what is here", e.Name, e.Dir)
}

// AdoptNamed records in the catalog the content of new bundles that the root of Dirs.Remote
// names; it reads the lists beside them. It also removes from the catalog the content of
// bundles that are neither named nor on the disk. The catalog must be open. Errors:
// *ForeignBundleError; *download.WrongError.
func (w *Writer) AdoptNamed(ctx context.Context) error {
	if w.cfg.Dirs.Remote == nil {
		return nil
	}
	known, err := w.Catalog.Bundles(ctx)
	if err != nil {
		return err
	}
	n := named{w, map[string]*catalog.Bundle{}}
	for i := range known {
		n.known[known[i].Name] = &known[i]
	}
	r := w.cfg.Dirs.Remote.Root()
	for i := range r.Bundles {
		if err := n.adopt(ctx, &r.Bundles[i]); err != nil {
			return fmt.Errorf("adopting %s: %w", r.Bundles[i].Name, err)
		}
	}
	return n.forget(ctx, r)
}

// named is the state of one AdoptNamed.
type named struct {
	*Writer
	known map[string]*catalog.Bundle
}

// adopt records one bundle, unless its crates belong to another run's shard.
func (n *named) adopt(ctx context.Context, f *root.File) error {
	if b := n.known[f.Name]; b != nil && b.Whole && !b.Thrown() {
		if b.Checksum != f.SHA256 {
			return &ForeignBundleError{n.cfg.Dirs.Bundles, f.Name}
		}
		return nil
	}
	if others(n.cfg.Bundles.Shard, f.Shard) {
		return nil
	}
	if len(f.Lists) != 1 {
		return fmt.Errorf("there are %d lists of what is in it, want 1", len(f.Lists))
	}
	n.cfg.Log.Info("reading the list of a bundle that the catalog does not know", "bundle", f.Name, "crates", f.Entries)
	list, err := n.download(ctx, &f.Lists[0])
	if err != nil {
		return err
	}
	entries, bytes := 0, int64(0)
	err = readListed(ctx, list, f, func(v catalog.Version) error {
		entries, bytes = entries+1, bytes+v.Size
		return nil
	})
	if err == nil && (entries != f.Entries || bytes != f.Bytes) {
		err = fmt.Errorf("%s: %d crates of %d bytes, the root says %d of %d", f.Lists[0].Name, entries, bytes, f.Entries, f.Bytes)
	}
	if err == nil {
		err = n.adoptListed(ctx, list, f)
	}
	name := list.name
	return errors.Join(err, list.Close(), n.State.Remove(name))
}

// adoptListed records what a verified list names.
func (n *named) adoptListed(ctx context.Context, list listed, f *root.File) error {
	rows := make([]catalog.Version, 0, adoptAtOnce)
	flush := func() error {
		err := n.Catalog.Adopt(ctx, rows)
		rows = rows[:0]
		return err
	}
	err := readListed(ctx, list, f, func(v catalog.Version) error {
		if rows = append(rows, v); len(rows) < cap(rows) {
			return nil
		}
		return flush()
	})
	if err == nil {
		err = flush()
	}
	if err != nil {
		return err
	}
	whole := catalog.Bundle{Name: f.Name, Whole: true, Entries: f.Entries, Bytes: f.Bytes, Checksum: f.SHA256}
	return n.Catalog.Commit(ctx, catalog.Batch{Bundles: []catalog.Bundle{whole}})
}

// adoptAtOnce is the number of rows that are written at a time.
const adoptAtOnce = 4096

// others reports whether a bundle is of another shard of the same division.
func others(mine crate.Shard, of string) bool {
	theirs, err := crate.ParseShard(of)
	return err == nil && !mine.All() && theirs.Of == mine.Of && theirs.Index != mine.Index
}

// listed is a list that was downloaded.
type listed struct {
	durable.File
	name string // in the state folder
}

// download downloads a list and checks that it has the bytes that the root names.
func (n *named) download(ctx context.Context, list *root.File) (listed, error) {
	const dir = "tmp" // emptied when the mirror is opened
	if err := n.State.MkdirAll(dir); err != nil {
		return listed{}, err
	}
	name := durable.TempName(dir)
	err := download.File(ctx, n.cfg.Dirs.Remote.Bucket(), root.Key(root.BundlesDir, list.Name), download.Want{Size: list.Size, Checksum: list.SHA256}, n.State, name)
	if err != nil {
		return listed{}, err
	}
	f, err := n.State.Open(name)
	return listed{f, name}, err
}

// readListed reads a list from its beginning and stops at the first impossible line.
func readListed(ctx context.Context, list listed, f *root.File, each func(catalog.Version) error) error {
	if _, err := list.Seek(0, io.SeekStart); err != nil {
		return err
	}
	entries := 0
	for e, err := range lists.ReadManifest(store.Until(ctx, list)) {
		if err == nil {
			err = checkListed(&e, f, entries)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", f.Lists[0].Name, err)
		}
		entries++
		err = each(catalog.Version{ID: e.ID, Checksum: e.Checksum, Size: e.Size,
			Placement: store.Placement{Bundle: f.Name, Offset: e.Offset, FrameSize: e.FrameSize}})
		if err != nil {
			return err
		}
	}
	return nil
}

func checkListed(e *lists.ManifestEntry, of *root.File, before int) error {
	switch {
	case before == bundle.MaxMembers:
		return bundle.ErrTooMany
	case e.Bundle.String() != of.Name:
		return fmt.Errorf("%s is said to be in %s", e.ID, e.Bundle)
	case e.FrameSize <= 0 || e.Offset > math.MaxInt64-e.FrameSize || e.Offset+e.FrameSize > of.Size:
		return fmt.Errorf("%s is said to be at offset %d with %d bytes, the bundle has %d", e.ID, e.Offset, e.FrameSize, of.Size)
	}
	return nil
}

// forget removes from the catalog the bundles that no longer exist: another machine has
// replaced them.
func (n *named) forget(ctx context.Context, r *root.Root) error {
	here, err := n.here(r)
	if err != nil {
		return err
	}
	for name, b := range n.known {
		if here[name] || b.Thrown() {
			continue
		}
		if err := n.forgetBundle(ctx, name); err != nil {
			return err
		}
	}
	return nil
}

// here returns the bundles that are named, or on the disk, by their present or future names.
func (n *named) here(r *root.Root) (map[string]bool, error) {
	here := map[string]bool{}
	for i := range r.Bundles {
		here[r.Bundles[i].Name] = true
	}
	folder, err := OpenIfThere(n.cfg.Dirs.Bundles)
	if err != nil || folder == nil {
		return here, err
	}
	defer folder.Close()
	entries, err := folder.ReadDir(".")
	for _, e := range entries {
		if name, _, ok := bundle.CutName(e.Name()); ok {
			here[name.String()] = true
		}
	}
	return here, err
}

func (n *named) forgetBundle(ctx context.Context, name string) error {
	var b catalog.Batch
	for v, err := range n.Catalog.InBundle(ctx, name) {
		if err != nil {
			return err
		}
		if v.Placement = v.WithoutBundle(); v.IsZero() {
			b.Dropped = append(b.Dropped, v.Key())
		} else {
			b.Versions = append(b.Versions, v)
		}
	}
	if len(b.Dropped)+len(b.Versions) > 0 {
		n.cfg.Log.Warn("a bundle is neither here nor in the root: crates only in it no longer count as held", "bundle", name, "crates", len(b.Dropped))
	}
	b.Bundles = []catalog.Bundle{{Name: name, Whole: true}} // known for its number
	return n.Catalog.Commit(ctx, b)
}
