package push

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/root"
)

// Round is the result of a completed round.
type Round struct {
	Commit   string // of the index; empty: the index is not a git repository
	Complete bool   // everything that the index names in the shard is held
	Missing  int64  // versions that it names and that are not held
}

// Round pushes what is left, the index, and sometimes a snapshot of the catalog, and
// records the progress of this writer in the root.
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

// state is what the root must say of the writer.
type state struct {
	Round
	crates, versions, bytes int64
}

func (p *Pusher) state(ctx context.Context, done Round) (state, error) {
	t, err := p.writer.Catalog.Totals(ctx)
	return state{done, t.Crates, t.Versions, t.Bytes}, err
}

// set sets it, with a new time if anything else has changed.
func (s *state) set(w *root.Writer) {
	was := *w
	w.Commit, w.Complete, w.Missing = s.Commit, s.Complete, s.Missing
	w.Crates, w.Versions, w.Bytes = s.crates, s.versions, s.bytes
	if *w != was {
		w.Time = time.Now()
	}
}

// warnLoose warns about crates that are not pushed.
func (p *Pusher) warnLoose(ctx context.Context) error {
	n, err := p.writer.Catalog.LooseAlone(ctx)
	if err == nil && n > 0 {
		p.cfg.Log.Warn("some crates are only loose files, which are not pushed: readers of the bucket do not have them", "crates", n, "out", p.cfg.Dirs.Crates)
	}
	return err
}

// sweep removes objects that were superseded before this round: by now no reader uses a
// root that named them, and no writer uses their names again.
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
