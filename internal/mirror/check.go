package mirror

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/deep"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/store"
)

// check hashes a crate wherever the catalog has it. Bytes that are not the crate's go to
// quarantine; if they are in a bundle, which never changes, quarantine gets a note. If no
// good copy is left, the crate is downloaded. If it should also be stored elsewhere (in a
// bundle, or loose), it is stored there too.
func (w *worker) check(ctx context.Context, res *result, at store.Placement) error {
	left, err := w.rehash(ctx, res, at)
	if err != nil {
		return err
	}
	if left == (store.Placement{}) {
		return w.fetch(ctx, res)
	}
	if left.Loose {
		w.run.cfg.Store.Adopt(res.item.ID)
	}
	res.outcome = verifiedExisting
	return nil
}

// rehash hashes a crate when its turn comes, stores it where it should also be, and returns
// the good part of its placement.
func (w *worker) rehash(ctx context.Context, res *result, at store.Placement) (left store.Placement, err error) {
	select {
	case w.hashing <- struct{}{}:
	case <-ctx.Done():
		return left, context.Cause(ctx)
	}
	defer func() { <-w.hashing }() // also after a panic, or the slots would run out
	left, body, err := w.checkPlaces(ctx, res, at)
	if err == nil && body != nil {
		return left, w.put(ctx, res, *body) // while it may be in memory
	}
	res.at = left
	return left, err
}

// checkPlaces returns the good part of a placement and, if the crate should also be stored
// elsewhere, the bytes that were hashed.
func (w *worker) checkPlaces(ctx context.Context, res *result, at store.Placement) (left store.Placement, body *store.Body, err error) {
	cfg := &w.run.cfg
	k := store.Keeper{New: cfg.Store.NewSpill}
	if at.Bundle != "" {
		good, err := w.checkPlace(ctx, res, at.InBundle(), k.When(cfg.Bundle && cfg.KeepLoose && !at.Loose))
		switch unread := new(unreadableError); {
		case at.Loose && errors.As(err, &unread): // the loose file goes into another bundle
			cfg.Log.Error("a crate in a bundle cannot be read", "crate", res.item.Name, "version", res.item.Version, "err", err)
		case err != nil:
			return left, nil, errors.Join(err, k.Discard())
		}
		if good {
			left = at.InBundle()
		}
	}
	if at.Loose {
		left.Loose, err = w.checkPlace(ctx, res, at.AsFile(), k.When(cfg.Bundle && left.Bundle == ""))
	}
	if err == nil && at.Deep.Segment != "" {
		var good bool
		if good, err = w.checkPlace(ctx, res, at.InDeep(), io.Discard); good {
			left.Deep = at.Deep
		}
	}
	if err != nil || left == (store.Placement{}) || !k.Wanted() {
		return left, nil, errors.Join(err, k.Discard())
	}
	return left, k.Body(res.size, left), nil
}

// checkHeld returns the part of a placement that has the correct bytes.
func (w *worker) checkHeld(ctx context.Context, res *result, at store.Placement) (left store.Placement, err error) {
	for _, place := range at.Places() {
		good, err := w.checkPlace(ctx, res, place, io.Discard)
		if err != nil {
			return left, err
		}
		if good {
			left = left.With(place)
		}
	}
	return left, nil
}

// checkPlace hashes the bytes at one place, copies them to also, and reports whether they
// are the crate's.
func (w *worker) checkPlace(ctx context.Context, res *result, at store.Placement, also io.Writer) (good bool, err error) {
	id := res.item.ID
	sum, size, err := store.Hash(ctx, w.run.cfg.Store, res.item.Key(), at, also)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return false, nil
	case ctx.Err() != nil:
		return false, context.Cause(ctx)
	case err != nil && at.Loose: // the disk, not the bytes
		return false, &unreadableError{fmt.Errorf("reading %s, which is held: %w", id, err)}
	case errors.As(err, new(*fs.PathError)), errors.Is(err, deep.ErrEncoder), store.IsBusy(err):
		return false, &unreadableError{fmt.Errorf("reading %s in %s: %w", id, at, err)}
	case err == nil && sum == res.item.Checksum:
		res.size = size
		return true, nil
	case err == nil:
		err = &crate.ChecksumError{ID: id, Want: res.item.Checksum, Got: sum, Size: size}
	}
	kept, qerr := w.setAside(id, at, err)
	if qerr != nil {
		return false, errors.Join(err, qerr)
	}
	what := "file is damaged or was changed; moved to quarantine"
	if !at.Loose {
		what = "crate in a bundle or in the deep archive is damaged; noted in quarantine"
	}
	w.run.cfg.Log.Error(what, "crate", id.Name, "version", id.Version, "place", at.String(), "quarantine", kept, "err", err)
	return false, nil
}

// setAside moves a loose file to quarantine. For a part of a bundle or segment, which
// stays, it writes a note there.
func (w *worker) setAside(id crate.ID, at store.Placement, reason error) (path string, err error) {
	if at.Loose {
		return w.run.cfg.Store.Quarantine(id, at, reason.Error())
	}
	return w.run.cfg.Store.NoteMember(id, at, reason.Error())
}
