package home

import (
	"context"
	"errors"
	"runtime"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/catalog"
)

// Reader is a mirror opened for reading, without a lock: another process may write it
// meanwhile.
type Reader struct {
	Catalog catalog.Live // each query sees the current state
	Store   *Stores

	closers Closers
}

// OpenReader opens a mirror for reading. Errors: ErrNoCatalog.
func OpenReader(ctx context.Context, d *Dirs) (_ *Reader, err error) {
	r := new(Reader)
	defer func() {
		if err != nil {
			err = errors.Join(err, r.Close())
		}
	}()
	follower, err := catalog.Follow(ctx, d.Catalog())
	if err != nil {
		return nil, err
	}
	r.closers.Add(follower.Close)
	r.Catalog = catalog.Live{Follower: follower}
	if _, err = r.Catalog.Revision(ctx); err != nil {
		return nil, withoutCatalog(err)
	}
	if r.Store, err = OpenStores(d, Limits{Rebuilds: runtime.GOMAXPROCS(0)}); err != nil {
		return nil, err
	}
	r.closers.Add(r.Store.Close)
	if err = r.Store.Check(); err != nil {
		return nil, err
	}
	return r, nil
}

// Close closes the mirror.
func (r *Reader) Close() error { return r.closers.Close() }
