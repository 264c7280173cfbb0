package prune

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"runtime"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/bundle"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/bundle/legacy"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/bundle/lists"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/catalog"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/store"
)

// Old removes the bundles of v1.1.0 whose crates a run has copied into the store: until
// then, the disk has everything twice.
//
// A bundle is removed once every byte in it is proved to be elsewhere: the bundle is read
// from front to end, and the checksum of each member is looked up in the catalog, read from
// the store and hashed there. If a single member is not held, such as a version that the
// index does not name, the bundle stays.
type Old struct {
	Folder  durable.FS // of the bundles
	Catalog OldCatalog
	Store   Opener
	Remove  bool // otherwise they are only found, not read
}

// OldCatalog is a [catalog.Catalog].
type OldCatalog interface {
	Taken(ctx context.Context) ([]catalog.Taken, error)
	ByChecksum(ctx context.Context, key crate.Key) (catalog.Version, error)
}

// Opener is a [store.Reader].
type Opener interface {
	Open(ctx context.Context, key crate.Key, at store.Placement) (store.Content, error)
}

// OldBundle is a bundle of v1.1.0 whose crates were copied into the store.
type OldBundle struct {
	Name   string
	Size   int64 // bytes
	Crates int   // proved to be held elsewhere
	Kept   error // why it stays; nil: it is removed, or can be
}

// Run calls each for every bundle that was copied and still exists, those with the lowest
// numbers first, once it is removed or kept. If it is killed, run it again to resume.
// Errors: those of the catalog, of removing, and of each.
func (o *Old) Run(ctx context.Context, each func(*OldBundle) error) error {
	taken, err := o.Catalog.Taken(ctx)
	if err != nil {
		return err
	}
	slices.SortFunc(taken, func(a, b catalog.Taken) int { return strings.Compare(a.Name, b.Name) })
	for i := range taken {
		there, err := o.there(&taken[i])
		if err != nil {
			return err
		}
		if !there {
			continue
		}
		b := &OldBundle{Name: taken[i].Name, Size: taken[i].Size}
		if o.Remove {
			if err := o.bundle(ctx, b); err != nil {
				return err
			}
		}
		if err := each(b); err != nil {
			return err
		}
	}
	return nil
}

// there reports whether the file is the one that was copied.
func (o *Old) there(t *catalog.Taken) (bool, error) {
	info, err := o.Folder.Stat(t.Name)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("looking for bundles of v1.1.0: %w", err)
	}
	return info.Mode().IsRegular() && info.Size() == t.Size && info.ModTime().UnixNano() == t.Modified.UnixNano(), nil
}

// bundle removes a bundle, or sets why it stays.
func (o *Old) bundle(ctx context.Context, b *OldBundle) error {
	b.Kept = o.prove(ctx, b)
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case b.Kept != nil:
		return nil
	}
	if err := o.remove(b.Name); err != nil {
		return fmt.Errorf("removing %s: %w", b.Name, err)
	}
	return nil
}

// remove removes the files beside a bundle and then the bundle, which is last because an
// existing bundle is found again.
func (o *Old) remove(of string) error {
	name, err := bundle.ParseFileName(of)
	if err != nil {
		return err
	}
	claims, err := lists.FindClaims(o.Folder)
	if err != nil {
		return err
	}
	if err := lists.RemoveFromCatalog(o.Folder, name); err != nil {
		return err
	}
	for _, manifest := range claims.Beside(of) {
		if err := o.Folder.Remove(manifest); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	if err := o.Folder.Remove(of); err != nil {
		return err
	}
	return o.Folder.SyncDir(".")
}

// prove reads a bundle and proves that all of it is held elsewhere. One goroutine decodes
// and hashes its members, others read the mirror's copies.
func (o *Old) prove(ctx context.Context, b *OldBundle) error {
	f, err := o.Folder.Open(b.Name)
	if err != nil {
		return err
	}
	defer f.Close()
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(runtime.GOMAXPROCS(0))
	scan := func() error {
		for m, err := range legacy.Open(f, b.Size).Members() {
			if err == nil {
				err = context.Cause(ctx)
			}
			if err != nil {
				return err
			}
			sum, _, err := crate.Hash(m)
			if err != nil {
				return err
			}
			key := crate.Key{ID: m.ID, Checksum: sum}
			b.Crates++
			g.Go(func() error { return o.held(ctx, key, b.Name) })
		}
		return nil
	}
	scanned := scan()
	return cmp.Or(g.Wait(), scanned) // an error of a goroutine ends the scan
}

// held proves that bytes are stored in a place other than a bundle.
func (o *Old) held(ctx context.Context, key crate.Key, but string) error {
	v, err := o.Catalog.ByChecksum(ctx, key)
	if errors.Is(err, fs.ErrNotExist) || err == nil && v.Bundle == but {
		return fmt.Errorf("%s with sha256 %s is nowhere else", key.ID, key.Checksum)
	}
	if err != nil {
		return err
	}
	got, err := o.hash(ctx, key, v.Placement)
	if err == nil && got != key.Checksum {
		err = fmt.Errorf("it hashes to %s", got)
	}
	if err != nil {
		return &DamagedError{key, err}
	}
	return nil
}

// hash hashes what the mirror stores at a place.
func (o *Old) hash(ctx context.Context, key crate.Key, at store.Placement) (sum crate.Checksum, err error) {
	c, err := o.Store.Open(ctx, key, at)
	if err != nil {
		return sum, err
	}
	defer c.Close()
	sum, _, err = crate.Hash(c)
	return sum, err
}

// A DamagedError says that the mirror cannot read the bytes that it should hold.
type DamagedError struct {
	crate.Key
	Err error
}

func (e *DamagedError) Error() string {
	return fmt.Sprintf("%s with sha256 %s is damaged in the mirror: %v", e.ID, e.Checksum, e.Err)
}

func (e *DamagedError) Unwrap() error { return e.Err }
