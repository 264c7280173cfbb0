package mirror

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"runtime"

	"golang.org/x/sync/errgroup"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/catalog"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/store"
)

// finish completes a successful run: it finishes the last bundle and removes the loose
// files whose crates are in bundles now.
func (r *run) finish(ctx context.Context) error {
	if err := r.measure(ctx); err != nil {
		return err
	}
	f, ok := r.cfg.Store.(store.Finisher)
	if !ok {
		return r.completeDrop(ctx)
	}
	if !r.cfg.KeepOpen {
		outcome, err := f.Finish(ctx)
		if err != nil {
			return fmt.Errorf("finishing the last bundle: %w", err)
		}
		r.bundles.finish(outcome.Finished)
	}
	if err := r.cfg.Catalog.Commit(ctx, catalog.Batch{Bundles: r.bundles.whole()}); err != nil {
		return err
	}
	total := r.cfg.Progress.plan.Load()
	if r.cfg.KeepLoose || total.Twice+total.Check == 0 {
		return r.completeDrop(ctx)
	}
	return r.dropLoose(ctx)
}

// measure computes again how far bundles reach, once a run has replaced what was in one that
// is missing or short: otherwise each later plan would look for the rows that it lacks.
func (r *run) measure(ctx context.Context) error {
	total := r.cfg.Progress.plan.Load()
	if !total.Short || total.Fetch+total.Check == 0 {
		return nil
	}
	return r.cfg.Catalog.Commit(ctx, catalog.Batch{Measure: true})
}

// dropped is the number of loose files that are removed at a time.
const dropped = 1024

// dropLoose removes the loose files of crates that are in finished bundles. Before it
// removes a loose file, the crate's place in the bundle is recorded, and the member is read
// again and compared with the checksum of the index. The row is updated last: if a run is
// interrupted before that, the next one finds the file gone and the crate in its bundle.
func (r *run) dropLoose(ctx context.Context) error {
	total := 0
	err := eachPage(ctx, r.cfg.Catalog.TwicePage, func(page []catalog.Version) error {
		good, err := r.goodMembers(ctx, page)
		if err != nil {
			return err
		}
		ids := make([]crate.ID, len(good))
		for i := range good {
			ids[i], good[i].Loose = good[i].ID, false
		}
		if err := r.cfg.Store.RemoveLoose(ids); err != nil {
			return err
		}
		total += len(good)
		return r.cfg.Catalog.Commit(ctx, catalog.Batch{Versions: good})
	})
	if total > 0 {
		r.cfg.Log.Info("removed loose files: their crates are stored in bundles", "crates", total)
	}
	return err
}

// completeDrop records the loose files that an interrupted dropLoose removed without
// updating their rows, for versions that the index no longer names. The plan handles those
// that it names.
func (r *run) completeDrop(ctx context.Context) error {
	listing, err := r.cfg.Store.NewListing()
	if err != nil {
		return err
	}
	return eachPage(ctx, r.cfg.Catalog.UnlistedTwicePage, func(page []catalog.Version) error {
		var gone []catalog.Version
		var ids []crate.ID
		for _, v := range page {
			if listing.Holds(v.ID, v.AsFile(), v.Size) {
				continue
			}
			sum, _, err := store.Hash(ctx, r.cfg.Store, v.Key(), v.InBundle(), io.Discard)
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			if err == nil && sum == v.Checksum { // otherwise a verification says what is wrong
				v.Loose = false
				gone = append(gone, v)
				if _, err := listing.Stat(v.ID); errors.Is(err, fs.ErrNotExist) {
					ids = append(ids, v.ID)
				}
			}
		}
		if len(gone) == 0 {
			return nil
		}
		if err := r.cfg.Store.RemoveLoose(ids); err != nil { // they are gone: that becomes durable
			return err
		}
		return r.cfg.Catalog.Commit(ctx, catalog.Batch{Versions: gone})
	})
}

// eachPage calls fn with the versions that next returns, one page at a time.
func eachPage(ctx context.Context, next func(context.Context, crate.ID, int) ([]catalog.Version, error), fn func([]catalog.Version) error) error {
	for after := (crate.ID{}); ; {
		page, err := next(ctx, after, dropped)
		if err != nil || len(page) == 0 {
			return err
		}
		after = page[len(page)-1].ID
		if err := fn(page); err != nil {
			return err
		}
	}
}

// goodMembers returns the versions whose members are correct. It reports a member that
// cannot be read and continues with the others.
func (r *run) goodMembers(ctx context.Context, page []catalog.Version) ([]catalog.Version, error) {
	good, unread := make([]bool, len(page)), make([]*unreadableError, len(page))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(2 * runtime.GOMAXPROCS(0))
	for i := range page {
		g.Go(func() (err error) {
			if good[i], err = r.isGood(ctx, &page[i]); errors.As(err, &unread[i]) {
				err = nil
			}
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	kept := page[:0]
	for i := range page {
		if unread[i] != nil {
			r.unreadable(page[i].ID, unread[i])
		}
		if good[i] {
			kept = append(kept, page[i])
		}
	}
	return kept, nil
}

// unreadable reports a member that cannot be read; its loose file is kept.
func (r *run) unreadable(id crate.ID, err error) {
	r.cfg.Progress.unreadable.Add(1)
	r.summary.fail(id, err)
	r.cfg.Log.Error("a crate in a bundle cannot be read; its loose file is kept", "crate", id.Name, "version", id.Version, "err", err)
}

// isGood reads a member back. If it is damaged or cannot be read (*unreadableError), its
// loose file is kept, and the next run with -verify-existing writes the crate to another
// bundle.
func (r *run) isGood(ctx context.Context, v *catalog.Version) (bool, error) {
	sum, size, err := store.Hash(ctx, r.cfg.Store, v.Key(), v.InBundle(), io.Discard)
	if ctx.Err() != nil {
		return false, context.Cause(ctx)
	}
	if err == nil && sum != v.Checksum {
		err = &crate.ChecksumError{ID: v.ID, Want: v.Checksum, Got: sum, Size: size}
	}
	if err == nil {
		return true, nil
	}
	if errors.As(err, new(*fs.PathError)) && !errors.Is(err, fs.ErrNotExist) { // the disk, not the bytes
		return false, &unreadableError{fmt.Errorf("reading %s in %s: %w", v.ID, v.Bundle, err)}
	}
	kept, qerr := r.cfg.Store.NoteMember(v.ID, v.InBundle(), err.Error()+"; its loose file is kept")
	r.cfg.Log.Error("a bundle is damaged; the loose file is kept", "crate", v.Name, "version", v.ID.Version, "bundle", v.Bundle,
		"quarantine", kept, "err", err)
	return false, qerr
}
