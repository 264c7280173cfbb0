package push

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/root"
)

// Round is what a round that came to its end has found.
type Round struct {
	Commit   string // of the index; empty: it has none, being no repository
	Complete bool   // all is held that the index names of the shard
	Missing  int64  // versions that it names and are not held
}

// Round pushes what is left, the index, and from time to time a snapshot of the
// catalog, and has the root say how far this writer is.
func (p *Pusher) Round(ctx context.Context, done Round) error {
	ctx, stop := p.session.Until(ctx)
	defer stop()
	if err := p.persist(ctx); err != nil {
		return err
	}
	if err := p.warnLoose(ctx); err != nil {
		return err
	}
	before := p.session.Root()
	index, err := p.index(ctx, &before.Index, done.Commit)
	if err != nil {
		return fmt.Errorf("pushing the index to %s: %w", p.cfg.Bucket, err)
	}
	snapshot, err := p.snapshot(ctx, before)
	if err != nil {
		return fmt.Errorf("pushing a snapshot of the catalog to %s: %w", p.cfg.Bucket, err)
	}
	state, err := p.state(ctx, done)
	if err != nil {
		return err
	}
	err = p.commit(ctx, func(r *root.Root) error {
		setIndex(r, &before.Index, index)
		if snapshot != nil {
			r.Catalog = snapshot
		}
		r.Superseded = slices.DeleteFunc(r.Superseded, func(key string) bool { return slices.Contains(before.Superseded, key) })
		if index != nil || snapshot != nil {
			r.Supersede(before)
		}
		if w := r.Writers[p.session.Shard()]; done.Commit != "" {
			state.set(&w)
			r.Writers[p.session.Shard()] = w
		}
		return nil
	})
	if err != nil {
		return err
	}
	return p.sweep(ctx, before)
}

// state is what the root is to say of the writer.
type state struct {
	Round
	crates, versions, bytes int64
}

func (p *Pusher) state(ctx context.Context, done Round) (state, error) {
	t, err := p.writer.Catalog.Totals(ctx)
	return state{done, t.Crates, t.Versions, t.Bytes}, err
}

// set enters it, with the time if anything else has changed.
func (s *state) set(w *root.Writer) {
	was := *w
	w.Commit, w.Complete, w.Missing = s.Commit, s.Complete, s.Missing
	w.Crates, w.Versions, w.Bytes = s.crates, s.versions, s.bytes
	if *w != was {
		w.Time = time.Now()
	}
}

// warnLoose says so if there are crates that do not travel.
func (p *Pusher) warnLoose(ctx context.Context) error {
	n, err := p.writer.Catalog.LooseAlone(ctx)
	if err == nil && n > 0 {
		p.cfg.Log.Warn("crates are here as loose files alone, which are not pushed: readers of the bucket do not have them", "crates", n, "out", p.cfg.Dirs.Crates)
	}
	return err
}

// sweep removes objects that the root before this round superseded already: by now no
// reader goes by one that named them, and no writer gives their names again.
func (p *Pusher) sweep(ctx context.Context, before *root.Root) error {
	now := p.session.Root()
	for _, key := range before.Superseded {
		if isNamed(now, key) {
			continue
		}
		if err := p.cfg.Bucket.Remove(ctx, key); err != nil {
			return err
		}
	}
	return nil
}
