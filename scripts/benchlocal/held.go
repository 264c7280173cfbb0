//go:build linux

package main

import (
	"context"
	"crypto/sha256"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/bundle"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/catalog"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/home"
	registry "github.com/APTlantis/Mirror-Rust-Crates/internal/index"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/store"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/store/loose"
	"github.com/APTlantis/Mirror-Rust-Crates/scripts/internal/mirrored"
)

// The shape of a mirror of a whole index. A bundle would have some 8 GB of crates; here it has
// no content, since a run that finds nothing new looks only at sizes.
const (
	heldInBundle = 45_000
	heldFrame    = 170_000 // bytes
	heldAtOnce   = 10_000  // rows per transaction
)

// makeHeld makes two mirrors below dir, "loose" and "bundled", that store all versions of the
// index of -index, in files of the right size without content.
func makeHeld(ctx context.Context, dir string) error {
	for _, kind := range []string{"bundled", "loose"} {
		root := filepath.Join(dir, kind)
		if err := makeHolder(ctx, root, kind == "bundled"); err != nil {
			return err
		}
		if err := os.Symlink(mustAbs(*index), filepath.Join(root, mirrored.Index)); err != nil {
			return err
		}
	}
	return nil
}

func makeHolder(ctx context.Context, root string, bundled bool) (err error) {
	dirs := home.Dirs{Root: root}
	dirs.Fill()
	if err := os.MkdirAll(dirs.Bundles, 0o755); err != nil {
		return err
	}
	w, err := home.Hold(home.Config{Dirs: dirs, Owner: durable.Self("bench"), Durability: loose.None, Log: slog.Default()})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, w.Close()) }()
	if err := w.OpenCatalog(); err != nil {
		return err
	}
	h := &holder{Writer: w, dirs: &dirs, bundled: bundled}
	ix, err := registry.Open(ctx, *index, registry.Options{})
	if err != nil {
		return err
	}
	defer ix.Close()
	for c, err := range ix.Crates(ctx, nil) {
		if err == nil {
			err = h.hold(ctx, c)
		}
		if err != nil {
			return err
		}
	}
	if err := h.finishBundle(); err != nil {
		return err
	}
	h.batch.Revision = &catalog.Revision{Commit: ix.Commit(), Time: ix.CommitTime()}
	return h.commit(ctx)
}

// A holder makes a catalog and the files that it names.
type holder struct {
	*home.Writer
	dirs    *home.Dirs
	bundled bool
	batch   catalog.Batch
	number  int // of the current bundle
	members int // of the current bundle
}

func (h *holder) hold(ctx context.Context, c *registry.Crate) error {
	if c.Err != nil {
		return nil // the repository lacks this blob
	}
	if len(c.Bad) == 0 {
		h.batch.Crates = append(h.batch.Crates, catalog.Crate{Path: c.Path, Blob: c.Blob.String(), Yanked: true})
	}
	for i := range c.Entries {
		e := &c.Entries[i]
		at, size, err := h.place(e.ID)
		if err != nil {
			return err
		}
		h.batch.Versions = append(h.batch.Versions, catalog.Version{ID: e.ID, Checksum: e.Checksum, Size: size, Placement: at, Yanked: e.Yanked, Listed: true, VerifiedAt: time.Now()})
	}
	if len(h.batch.Versions) < heldAtOnce {
		return nil
	}
	return h.commit(ctx)
}

// place reserves a place for a version.
func (h *holder) place(id crate.ID) (at store.Placement, size int64, err error) {
	if !h.bundled {
		file := filepath.Join(h.dirs.Crates, filepath.FromSlash(id.LoosePath()))
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			return at, 0, err
		}
		return store.Placement{Loose: true}, 0, os.WriteFile(file, nil, 0o644)
	}
	if h.members == heldInBundle || h.number == 0 {
		if err := h.finishBundle(); err != nil {
			return at, 0, err
		}
		h.number, h.members = h.number+1, 0
	}
	at = store.Placement{Bundle: bundle.FileName(h.number), Offset: int64(h.members) * heldFrame, FrameSize: heldFrame}
	h.members++
	return at, heldFrame, nil
}

// finishBundle creates the file of the bundle, as a hole.
func (h *holder) finishBundle() error {
	if h.number == 0 {
		return nil
	}
	name, size := bundle.FileName(h.number), int64(h.members)*heldFrame
	h.batch.Bundles = append(h.batch.Bundles, catalog.Bundle{Name: name, Whole: true, Entries: h.members, Bytes: size, Checksum: sha256.Sum256([]byte(name))})
	f, err := os.Create(filepath.Join(h.dirs.Bundles, name))
	if err != nil {
		return err
	}
	return errors.Join(f.Truncate(size), f.Close())
}

func (h *holder) commit(ctx context.Context) error {
	err := h.Catalog.Commit(ctx, h.batch)
	h.batch = catalog.Batch{}
	return err
}
