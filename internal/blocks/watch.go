package blocks

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
)

// Interval is the time between two looks of a [Watch].
const Interval = 500 * time.Millisecond

// Loader is what a [Watch] reads: a [Store] or a [Source].
type Loader interface {
	Load(ctx context.Context) (*List, error)
	String() string
}

// A Watch follows the blocks of several places. Its methods may be called concurrently,
// Follow once.
type Watch struct {
	changed func()
	log     *slog.Logger
	places  []place
	mu      sync.Mutex // guards the list of each place, which only that place's look changes
	now     atomic.Pointer[[]*List]
}

type place struct {
	Loader
	trouble string // the last error logged
	list    *List
}

// NewWatch reads the blocks of all places, and calls changed after each later change. A
// place that cannot be read keeps its previous list. If a place was never read, NewWatch
// returns an error, unless it is a bucket that is unreachable.
func NewWatch(ctx context.Context, changed func(), log *slog.Logger, from ...Loader) (*Watch, error) {
	w := &Watch{changed: changed, log: log}
	for _, l := range from {
		w.places = append(w.places, place{Loader: l})
	}
	w.now.Store(new([]*List))
	for i := range w.places {
		p := &w.places[i]
		_, remote := p.Loader.(*Source)
		if err := w.look(ctx, p); err != nil && !remote {
			return nil, err
		}
	}
	w.publish()
	return w, nil
}

// Find returns the first block that hides a version, nil for none.
func (w *Watch) Find(key *crate.Key) *Block {
	for _, l := range *w.now.Load() {
		if b := l.Find(key); b != nil {
			return b
		}
	}
	return nil
}

// Any reports whether there are any blocks.
func (w *Watch) Any() bool { return w.Count() > 0 }

// Count returns the number of blocks.
func (w *Watch) Count() (n int) {
	for _, l := range *w.now.Load() {
		n += len(l.Blocks)
	}
	return n
}

// Follow looks for changes until ctx ends. It follows each place separately, so that an
// unresponsive bucket delays no other place.
func (w *Watch) Follow(ctx context.Context) {
	var all sync.WaitGroup
	for i := range w.places {
		all.Go(func() { w.follow(ctx, &w.places[i]) })
	}
	all.Wait()
}

func (w *Watch) follow(ctx context.Context, p *place) {
	tick := time.NewTicker(Interval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		w.lookAt(ctx, p)
	}
}

// Look looks at each place once. It must not be called while Follow runs.
func (w *Watch) Look(ctx context.Context) {
	for i := range w.places {
		w.lookAt(ctx, &w.places[i])
	}
}

func (w *Watch) lookAt(ctx context.Context, p *place) {
	was := p.list
	_ = w.look(ctx, p) // look has logged the error
	if !equal(was, p.list) {
		w.publish()
		w.log.Info("blocks changed", "blocks", w.Count())
	}
}

func equal(a, b *List) bool {
	if a == b || a == nil || b == nil || len(a.Blocks) != len(b.Blocks) {
		return a == b
	}
	for i := range a.Blocks {
		x, y := &a.Blocks[i], &b.Blocks[i]
		if !x.same(y) || x.Reason != y.Reason || x.By != y.By || !x.Since.Equal(y.Since) {
			return false
		}
	}
	return true
}

// look reads a place, and logs an error once.
func (w *Watch) look(ctx context.Context, p *place) error {
	l, err := p.Load(ctx)
	if l != nil {
		w.mu.Lock()
		p.list = l
		w.mu.Unlock()
	}
	if ctx.Err() != nil {
		return err
	}
	text := ""
	if err != nil {
		text = err.Error()
	}
	if text != p.trouble && err != nil {
		w.log.Error("blocks cannot be read; the previous ones stay in force", "from", p.String(), "err", err)
	} else if text != p.trouble {
		w.log.Info("blocks can be read again", "from", p.String())
	}
	p.trouble = text
	return err
}

func (w *Watch) publish() {
	w.mu.Lock()
	defer w.mu.Unlock()
	lists := make([]*List, 0, len(w.places))
	for i := range w.places { // not by value: copying would read the unguarded trouble
		if l := w.places[i].list; l != nil {
			lists = append(lists, l)
		}
	}
	w.now.Store(&lists)
	w.changed()
}
