package reader

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"sync"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/index"
)

// gitCache is the memory of each git for caching objects, in bytes: neighbours in a pack
// have little in common with the next crate.
const gitCache = 32 << 20

// indexes are the current commit of an index, and older ones as long as they have readers.
type indexes struct {
	dir string
	log *slog.Logger

	mu  sync.Mutex // guards now and all uses
	now *pinned
}

// pinned is the index at one commit.
type pinned struct {
	*index.Index
	lookup *index.Lookup
	watch  *index.Watch // only for the goroutine that follows
	uses   int          // by indexes.now and by readers
}

func openIndexes(ctx context.Context, dir string, log *slog.Logger) (*indexes, error) {
	x := &indexes{dir: dir, log: log}
	now, err := x.open(ctx)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w: what is shown are lines of an index; say with -index-dir where it is, or get one: git clone --bare https://github.com/rust-lang/crates.io-index %s", err, dir)
	}
	x.now = now
	return x, err
}

func (x *indexes) open(ctx context.Context) (*pinned, error) {
	ix, err := index.Open(ctx, x.dir, index.Options{Log: x.log, GitCache: gitCache})
	if err != nil {
		return nil, err
	}
	w, err := ix.Watch(ctx)
	if err != nil {
		return nil, errors.Join(err, ix.Close())
	}
	// Its processes end when it is closed, not with the request that opened it.
	lookup := ix.NewLookup(context.WithoutCancel(ctx))
	return &pinned{Index: ix, lookup: lookup, watch: w, uses: 1}, nil
}

// refresh opens the commit that HEAD names, if it may have changed, and reports whether
// lines may change. After an error, the old commit stays current.
func (x *indexes) refresh(ctx context.Context) (changed bool, err error) {
	last := x.now // no other goroutine replaces it
	if !last.watch.Moved() {
		return last.Commit() == "", nil
	}
	next, err := x.open(ctx)
	if err != nil {
		return false, fmt.Errorf("reopening the index: %w", err)
	}
	x.mu.Lock()
	x.now = next
	x.mu.Unlock()
	changed = next.Commit() == "" || next.Commit() != last.Commit()
	if changed {
		x.log.Info("showing another commit of the index", "commit", next.Commit(), "time", next.CommitTime())
	}
	return changed, x.release(last)
}

func (x *indexes) take() *pinned {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.now.uses++
	return x.now
}

// release closes an index once its last reader is done.
func (x *indexes) release(p *pinned) error {
	x.mu.Lock()
	p.uses--
	last := p.uses == 0
	x.mu.Unlock()
	if !last {
		return nil
	}
	return errors.Join(p.lookup.Close(), p.Close())
}

func (x *indexes) crate(ctx context.Context, name string) (*index.Crate, error) {
	p := x.take()
	defer x.done(p)
	return p.lookup.Crate(ctx, name)
}

// done is release for readers.
func (x *indexes) done(p *pinned) {
	if err := x.release(p); err != nil {
		x.log.Warn("closing the previous index", "err", err)
	}
}

// revision returns the current commit.
func (x *indexes) revision() (commit string, made time.Time) {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.now.Commit(), x.now.CommitTime()
}

// close closes the current index, which must have no readers.
func (x *indexes) close() error {
	if x.now == nil {
		return nil
	}
	return x.release(x.now)
}
