package news

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/index"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/index/feed"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/reader"
)

// Mirror is the mirror to watch: a [reader.View].
type Mirror interface {
	Generation() uint64
	Totals() reader.Totals
	Crate(ctx context.Context, name string) (*reader.Crate, error)
}

// Watch looks for versions that a mirror begins to show.
type Watch struct {
	Mirror   Mirror
	Index    string // the folder of its index
	Arrivals *Arrivals
	Feed     *Feed
	Log      *slog.Logger
	Interval time.Duration // between two looks; 0: half a second

	generation uint64
	at         index.Revision // up to which news were read; zero: not yet
	tally      tally
	told       string
}

// watchRest is the minimum pause between looks, as a multiple of the time for a look.
const watchRest = 20

// Follow looks until ctx ends.
func (w *Watch) Follow(ctx context.Context) {
	for ctx.Err() == nil {
		begin := time.Now()
		if err := w.Look(ctx, begin); err != nil && ctx.Err() == nil && err.Error() != w.told {
			w.told = err.Error()
			w.Log.Warn("cannot find what is new in the index", "err", err)
		}
		interval := w.Interval
		if interval == 0 {
			interval = 500 * time.Millisecond
		}
		select {
		case <-ctx.Done():
		case <-time.After(max(interval, watchRest*time.Since(begin))):
		}
	}
}

// Look reads what the index names since the last look, and checks which expected versions
// the mirror shows.
func (w *Watch) Look(ctx context.Context, now time.Time) error {
	generation := w.Mirror.Generation() // read before the news, so that they are never older
	if generation == w.generation && w.tally.exceeding.IsZero() {
		return nil
	}
	shown, first := w.Mirror.Totals(), w.at.Commit == ""
	if w.tally.gap(shown, now) {
		w.Feed.Begin(now)
	}
	if err := w.named(ctx, index.Revision{Commit: shown.Commit, Time: shown.CommitTime}, now); err != nil {
		return err
	}
	for name, keys := range w.Arrivals.Waiting(now) {
		if err := w.shown(ctx, name, keys); err != nil {
			return err
		}
	}
	if first { // what is there already was held before
		w.tally = tally{}
	}
	w.generation = generation
	return nil
}

// named reads what the index names since the last look. The first time, it reads from the
// last recorded day on, so that a mirror of this one that has read everything until then
// sees no gap because of our restart.
func (w *Watch) named(ctx context.Context, to index.Revision, now time.Time) error {
	if to.Commit == "" || to.Commit == w.at.Commit {
		return nil // a plain folder has no history
	}
	ix, err := index.Open(ctx, w.Index, index.Options{Log: w.Log})
	if err != nil {
		return err
	}
	defer ix.Close()
	from, first := w.at, w.at.Commit == ""
	if first {
		if from, err = dayBefore(ctx, ix, now.Add(-feedAge)); err != nil {
			return err
		}
		if from.Commit == "" { // its past is unknown
			from = index.Revision{Commit: to.Commit, Time: now}
		}
		w.Feed.Begin(from.Time)
	}
	whole := true
	err = Between(ctx, ix, from, to, func(v Version) {
		if first {
			v.Published = time.Time{} // not a lag of this process
		}
		whole = w.Arrivals.Expect(v, now) && whole
	})
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err != nil || !whole { // for example, the history was squashed and is gone
		w.Feed.Begin(now)
	}
	w.at = to
	return err
}

// dayBefore returns the last recorded day that ended before a time.
func dayBefore(ctx context.Context, ix *index.Index, before time.Time) (at index.Revision, err error) {
	days, err := ix.Days(ctx)
	for _, d := range days {
		if d.Time.Before(before) && d.Commit != ix.Commit() {
			at = d.Revision
		}
	}
	return at, err
}

// shown checks which versions of a crate are shown.
func (w *Watch) shown(ctx context.Context, name string, keys []crate.Key) error {
	c, err := w.Mirror.Crate(ctx, name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	held := map[crate.Key]bool{}
	for i := range c.Entries {
		held[c.Entries[i].Key()] = c.Entries[i].Held
	}
	for _, key := range keys {
		if held[key] {
			now := time.Now()
			if w.Arrivals.Came(key, now) {
				w.tally.came++
				w.Feed.Add(feed.Item{ID: key.ID, At: now})
			}
		}
	}
	return nil
}
