package mirror

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/catalog"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/plan"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/store"
)

// Earlier bytes of a version that was published again exist nowhere else: upstream serves
// the new ones. So they are found again after the catalog was lost, and good copies are
// kept when another copy is damaged.

// keptBatch is the number of files of republished/ that are recorded at a time.
const keptBatch = 1024

// findRepublished records the files in republished/ that have no row in the catalog, because
// it was lost or a run was interrupted. A file's name has half of its checksum, so it proves
// itself; a file that does not goes to quarantine.
//
// A file with earlier bytes under the version's own name has no proof, and goes to quarantine
// (docs/adr/0005-earlier-bytes-prove-themselves.md).
func (r *run) findRepublished(ctx context.Context) error {
	var found []catalog.Version
	for f, err := range r.cfg.Store.Republished() {
		var v *catalog.Version
		if err == nil {
			v, err = r.lookAtRepublished(ctx, &f)
		}
		if err != nil {
			return fmt.Errorf("looking for earlier bytes of versions: %w", err)
		}
		if v != nil {
			found = append(found, *v)
		}
		if len(found) == keptBatch {
			if err := r.adoptRepublished(ctx, found); err != nil {
				return err
			}
			found = found[:0]
		}
	}
	return r.adoptRepublished(ctx, found)
}

// adoptRepublished makes files durable that may not be synced yet, and then writes their
// rows.
func (r *run) adoptRepublished(ctx context.Context, found []catalog.Version) error {
	if len(found) == 0 {
		return nil
	}
	for i := range found {
		r.cfg.Store.AdoptKept(found[i].Key())
	}
	if err := r.checkpoint(ctx, nil); err != nil {
		return fmt.Errorf("keeping earlier bytes of versions: %w", err)
	}
	r.cfg.Log.Info("found earlier bytes of versions that were published again", "files", len(found))
	return r.cfg.Catalog.AdoptRepublished(ctx, found)
}

// lookAtRepublished returns a row for a file that has none. It returns nil if the file has
// a row already, or is not to be kept.
func (r *run) lookAtRepublished(ctx context.Context, f *store.RepublishedFile) (*catalog.Version, error) {
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	if f.Key == "" {
		r.cfg.Log.Warn("not a crate file of republished/: left alone", "path", f.File)
		return nil, nil
	}
	rows, err := r.cfg.Catalog.BytesOf(ctx, f.ID)
	for i := range rows {
		// A row that says "loose" was interrupted while the file was moved; the plan
		// completes it. If the same bytes are held under another spelling of the name, this
		// file is a copy from before the name changed, and stays where it is. And the
		// version's current bytes, even if removed, are not earlier bytes.
		v := &rows[i]
		pin := v.SupersededAt.IsZero() && !v.VerifiedAt.IsZero()
		if v.Checksum.FileKey() == f.Key && (v.Loose || v.Listed || pin || v.ID != f.ID) {
			return nil, err
		}
	}
	if err != nil {
		return nil, err
	}
	sum, size, err := store.Hash(ctx, r.cfg.Store, crate.Key{ID: f.ID}, f.At(), io.Discard)
	switch {
	case ctx.Err() != nil:
		return nil, context.Cause(ctx)
	case errors.Is(err, fs.ErrNotExist):
		return nil, nil
	case err != nil:
		r.unreadableKept(f.ID, fmt.Errorf("reading %s: %w", f.File, err))
		return nil, nil
	case sum.FileKey() == f.Key:
		return &catalog.Version{ID: f.ID, Checksum: sum, Size: size, Placement: f.At()}, nil
	}
	reason := fmt.Sprintf("%s: sha256 of the %d bytes is %s, its name says %s...", f.File, size, sum, f.Key)
	kept, err := r.cfg.Store.Quarantine(f.ID, f.At(), reason)
	if err == nil {
		r.cfg.Log.Error("earlier bytes of a version are damaged; moved to quarantine", "crate", f.ID.Name, "version", f.ID.Version,
			"quarantine", kept, "err", reason)
	}
	return nil, err
}

// unreadableKept reports earlier bytes of a version that the disk cannot read.
func (r *run) unreadableKept(id crate.ID, err error) {
	r.cfg.Progress.unreadable.Add(1)
	r.summary.fail(id, err)
	r.cfg.Log.Error("earlier bytes of a version cannot be read; they stay where they are", "crate", id.Name, "version", id.Version, "err", err)
}

// keepSuperseded verifies the bytes of Config.Superseded. It sets damaged copies aside and
// keeps good ones. If no copy is good, the bytes are lost, because they cannot be
// downloaded; their row is removed once the loss is reported.
func (r *run) keepSuperseded(ctx context.Context) error {
	for _, key := range r.cfg.Superseded {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		rows, err := r.cfg.Catalog.BytesOf(ctx, key.ID)
		for i := range rows {
			if err == nil && rows[i].Key() == key && !rows[i].SupersededAt.IsZero() {
				err = r.keepCopies(ctx, &rows[i])
			}
		}
		if err != nil {
			return fmt.Errorf("looking at the earlier bytes of %s: %w", key.ID, err)
		}
	}
	return nil
}

func (r *run) keepCopies(ctx context.Context, v *catalog.Version) error {
	w := worker{run: r}
	res := &result{item: plan.Item{ID: v.ID, Checksum: v.Checksum}}
	left, err := w.checkHeld(ctx, res, v.Placement)
	if errors.As(err, new(*unreadableError)) {
		r.unreadableKept(v.ID, err)
		return nil
	}
	if err != nil || left == v.Placement {
		return err
	}
	lost := left == (store.Placement{})
	if others, is := r.kept[v.ID]; !is || others {
		r.kept[v.ID] = !lost
	}
	if !lost {
		v.Placement = left
		return r.cfg.Catalog.Commit(ctx, catalog.Batch{Versions: []catalog.Version{*v}})
	}
	r.cfg.Log.Error("earlier bytes of a version that was published again are lost: no good copy is left, and upstream has other bytes",
		"crate", v.Name, "version", v.ID.Version, "sha256", v.Checksum)
	r.summary.Lost++
	return r.cfg.Catalog.Commit(ctx, catalog.Batch{Dropped: []crate.Key{v.Key()}})
}
