package mirror

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/catalog"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/plan"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/store"
)

// What a worker does with a version that was published again (see republished.go in package
// plan).

// conflict sets aside bytes that upstream serves for a version that we hold with other
// bytes, unless we have them: at says where they are held, or an earlier run has set them
// aside. A version's bytes never change, so ours stay.
func (w *worker) conflict(ctx context.Context, res *result, at store.Placement) error {
	reason := fmt.Sprintf("%s: the index names checksum %s now, but the version was mirrored with another, which is kept; if it was published again, clonecratesio accept %s %s takes the new bytes", res.item.ID, res.item.Checksum, res.item.Name, res.item.Version)
	if at != (store.Placement{}) {
		if sum, err := w.sumOf(ctx, res.item.Key(), at); err == nil && sum == res.item.Checksum {
			res.outcome = violated
			return fmt.Errorf("%s; it had these bytes before, and they are held", reason)
		}
	}
	path, err := w.run.cfg.Store.Isolated(res.item.ID, res.item.Checksum)
	if errors.Is(err, fs.ErrNotExist) {
		path, err = w.isolateFetched(ctx, res, reason)
	}
	if err != nil {
		return err
	}
	res.outcome = violated
	return fmt.Errorf("%s; the new bytes are at %s", reason, path)
}

func (w *worker) isolateFetched(ctx context.Context, res *result, reason string) (path string, err error) {
	body, release, err := w.body(ctx, res)
	if err != nil {
		return "", w.refused(res, err)
	}
	defer release()
	return w.run.cfg.Store.Isolate(res.item.ID, res.item.Checksum, res.item.Checksum, reason, body)
}

// replace makes the bytes that the index names the version's bytes. If they are held
// already, at says where.
func (w *worker) replace(ctx context.Context, res *result, at store.Placement) error {
	others, err := w.others(ctx, &res.item)
	if err != nil {
		return err
	}
	left, err := w.checkHeld(ctx, res, at)
	if err != nil {
		return err
	}
	if left == (store.Placement{}) { // an earlier run may have been interrupted when all was in place
		inPlace := store.Placement{Loose: true}
		sum, err := w.sumOf(ctx, res.item.Key(), inPlace)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		if err != nil || sum != res.item.Checksum {
			return w.replaceFetched(ctx, res, others)
		}
		left = inPlace
	}
	there, err := w.makeWay(ctx, res, others)
	if err == nil && !there && left.Republished != "" {
		err = w.run.cfg.Store.TakePlace(res.item.Key())
	}
	if err != nil {
		return err
	}
	left.Loose, left.Republished = left.Loose || there, ""
	return w.check(ctx, res, left) // and store it where it should be as well
}

// replaceFetched is replace for bytes that are not held.
func (w *worker) replaceFetched(ctx context.Context, res *result, others []catalog.Version) error {
	body, release, err := w.body(ctx, res)
	if err != nil {
		return w.refusedAgain(res, err, others)
	}
	defer release()
	if _, err := w.makeWay(ctx, res, others); err != nil {
		return err
	}
	if err := w.put(ctx, res, body); err != nil {
		return err
	}
	res.outcome, res.size = downloaded, body.Size
	return nil
}

// others returns the rows of the other bytes of a version.
func (w *worker) others(ctx context.Context, e *plan.Item) (others []catalog.Version, err error) {
	rows, err := w.run.cfg.Catalog.BytesOf(ctx, e.ID)
	for _, v := range rows {
		if v.Checksum != e.Checksum {
			others = append(others, v)
		}
	}
	return others, err
}

// makeWay moves the loose files of other bytes out of the way, and updates their rows. It
// hashes each file instead of trusting its row, because an earlier run may have been
// interrupted at any step. It reports whether the bytes of the entry are already in place.
func (w *worker) makeWay(ctx context.Context, res *result, others []catalog.Version) (there bool, err error) {
	for i := range others {
		v := &others[i]
		if err := w.shelve(ctx, v); err != nil {
			return false, err
		}
		if v.Placement == (store.Placement{}) {
			res.dropped = append(res.dropped, v.Key())
			continue
		}
		if res.replaced == (crate.Checksum{}) && v.SupersededAt.IsZero() {
			res.replaced = v.Checksum
		}
		if v.SupersededAt.IsZero() {
			v.SupersededAt = time.Now()
		}
		v.Listed = false
		res.Rows = append(res.Rows, *v)
	}
	inPlace := store.Placement{Loose: true}
	sum, err := w.sumOf(ctx, res.item.Key(), inPlace)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return false, nil
	case err != nil:
		return false, err
	case sum == res.item.Checksum:
		w.run.cfg.Store.Adopt(res.item.ID)
		return true, nil
	}
	reason := &crate.ChecksumError{ID: res.item.ID, Want: res.item.Checksum, Got: sum}
	_, err = w.setAside(res.item.ID, inPlace, reason)
	return false, err
}

// shelve moves the loose file of superseded bytes to republished/, and records the new
// place in the row.
func (w *worker) shelve(ctx context.Context, v *catalog.Version) error {
	if !v.Loose {
		return nil
	}
	sum, err := w.sumOf(ctx, v.Key(), store.Placement{Loose: true})
	if err == nil && sum == v.Checksum {
		err = w.moveAway(ctx, v.Key())
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	v.Republished = v.Checksum.FileKey()
	sum, err = w.sumOf(ctx, v.Key(), v.AsFile())
	if errors.Is(err, fs.ErrNotExist) || err == nil && sum != v.Checksum {
		v.Placement = v.WithoutFile()
		return nil
	}
	return err
}

// moveAway moves hashed bytes to republished/. A different file in that place goes to
// quarantine.
func (w *worker) moveAway(ctx context.Context, key crate.Key) error {
	err := w.run.cfg.Store.MakeWay(key)
	if !errors.Is(err, fs.ErrExist) {
		return err
	}
	there := store.Placement{Loose: true, Republished: key.Checksum.FileKey()}
	good, checkErr := w.checkPlace(ctx, &result{item: plan.Item{ID: key.ID, Checksum: key.Checksum}}, there, io.Discard)
	if good || checkErr != nil {
		return errors.Join(err, checkErr)
	}
	return w.run.cfg.Store.MakeWay(key)
}

// sumOf hashes the bytes at a place.
func (w *worker) sumOf(ctx context.Context, key crate.Key, at store.Placement) (crate.Checksum, error) {
	sum, _, err := store.Hash(ctx, w.run.cfg.Store, key, at, io.Discard)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		err = &unreadableError{fmt.Errorf("reading %s, which is held: %w", key.ID, err)}
	}
	return sum, err
}

// refusedAgain finds out why upstream did not deliver the new bytes. If it serves the
// earlier ones, a cache in between has stale content (crates.io#10887): those bytes are not
// wrong, and later passes ask again and tell caches to revalidate.
func (w *worker) refusedAgain(res *result, err error, others []catalog.Version) error {
	var sent *crate.ChecksumError
	if errors.As(err, &sent) {
		for i := range others {
			if others[i].Checksum == sent.Got {
				return fmt.Errorf("upstream still sends the earlier bytes; a later run asks again: %w", err)
			}
		}
	}
	return w.refused(res, err)
}
