package dependants

import (
	"context"
	"log/slog"
	"path"
	"sync/atomic"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/index"
)

const (
	// interval is the time between two looks for another commit.
	interval = time.Minute
	// again is after how long a plain folder is read again.
	again = 6 * time.Hour
	// gitCache is what git may remember: the reading is in no hurry, and beside it there
	// are those who build.
	gitCache = 64 << 20
)

// Config of [NewWatch].
type Config struct {
	Dir string // of the index
	Log *slog.Logger
	// Interval is the time between two looks for another commit. If 0, a minute.
	Interval time.Duration
}

// A Watch has the graph of an index as it is now. A nil Watch has none.
type Watch struct {
	cfg   Config
	graph atomic.Pointer[Graph]
}

// NewWatch returns one whose Follow does the work.
func NewWatch(cfg Config) *Watch {
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.Interval == 0 {
		cfg.Interval = interval
	}
	return &Watch{cfg: cfg}
}

// Graph returns what is known, nil before the index was read.
func (w *Watch) Graph() *Graph {
	if w == nil {
		return nil
	}
	return w.graph.Load()
}

// Follow keeps up with the index until ctx ends. What goes wrong is logged, and tried
// again.
func (w *Watch) Follow(ctx context.Context) {
	tick := time.NewTicker(w.cfg.Interval)
	defer tick.Stop()
	var f follower
	for {
		if err := f.look(ctx, w); err != nil && ctx.Err() == nil {
			w.cfg.Log.Warn("who depends on whom is not up to date", "index", w.cfg.Dir, "err", err)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// A follower is what Follow knows from one look to the next.
type follower struct {
	builder *builder // nil: the whole index must be read
	commit  string
	read    time.Time // when that was
}

func (f *follower) look(ctx context.Context, w *Watch) error {
	x, err := index.Open(ctx, w.cfg.Dir, index.Options{Log: w.cfg.Log, GitCache: gitCache})
	if err != nil {
		return err
	}
	defer x.Close()
	plain := x.Commit() == ""
	if f.builder != nil && (x.Commit() == f.commit && !plain || plain && time.Since(f.read) < again) {
		return nil
	}
	begin := time.Now()
	if f.builder == nil || plain || f.update(ctx, x) != nil {
		f.builder = newBuilder()
		if err := f.builder.read(ctx, x); err != nil {
			f.builder = nil
			return err
		}
	}
	f.commit, f.read = x.Commit(), begin
	w.graph.Store(f.builder.graph())
	w.cfg.Log.Debug("who depends on whom was read", "commit", f.commit, "took", time.Since(begin))
	return ctx.Err()
}

// update reads what has changed. After an error the builder is of no use.
func (f *follower) update(ctx context.Context, x *index.Index) error {
	changed, gone, err := x.Changes(ctx, f.commit, nil)
	if err != nil {
		return err
	}
	for _, file := range gone {
		f.builder.remove(path.Base(file))
	}
	return f.builder.read(ctx, changed)
}

func (b *builder) read(ctx context.Context, x *index.Index) error {
	for c, err := range x.Crates(ctx, nil) {
		if err != nil {
			return err
		}
		b.add(c)
	}
	return nil
}
