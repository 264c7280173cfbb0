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
	// interval is the time between two checks for another commit.
	interval = time.Minute
	// again is the time after which a plain folder is read again.
	again = 6 * time.Hour
	// gitCache bounds git's cache, in bytes: reading is in no hurry, and must not slow down
	// builds.
	gitCache = 64 << 20
)

// Config configures [NewWatch].
type Config struct {
	Dir string // of the index
	Log *slog.Logger
	// Interval is the time between two checks for another commit. If 0, a minute.
	Interval time.Duration
}

// A Watch keeps the current graph of an index. A nil Watch has none.
type Watch struct {
	cfg   Config
	graph atomic.Pointer[Graph]
}

// NewWatch returns a Watch; call Follow to update it.
func NewWatch(cfg Config) *Watch {
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.Interval == 0 {
		cfg.Interval = interval
	}
	return &Watch{cfg: cfg}
}

// Graph returns the current graph, or nil before the index was read.
func (w *Watch) Graph() *Graph {
	if w == nil {
		return nil
	}
	return w.graph.Load()
}

// Follow updates the graph until ctx ends. It logs errors and tries again.
func (w *Watch) Follow(ctx context.Context) {
	tick := time.NewTicker(w.cfg.Interval)
	defer tick.Stop()
	var f follower
	for {
		if err := f.look(ctx, w); err != nil && ctx.Err() == nil {
			w.cfg.Log.Warn("the graph of dependants is not up to date", "index", w.cfg.Dir, "err", err)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// A follower is the state of Follow between two checks.
type follower struct {
	builder *builder // nil: read the whole index
	commit  string
	read    time.Time // time of that reading
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

// update reads what changed. After an error the builder is unusable.
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
