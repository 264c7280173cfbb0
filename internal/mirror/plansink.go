package mirror

import (
	"context"
	"fmt"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/catalog"
)

// plan plans into a spool.
func (r *run) plan(ctx context.Context) (*spool, error) {
	start := time.Now()
	listing, err := r.cfg.Store.NewListing()
	if err != nil {
		return nil, fmt.Errorf("planning: %w", err)
	}
	s, err := newSpool(r.cfg.State, 1)
	if err != nil {
		return nil, fmt.Errorf("planning: %w", err)
	}
	p := planner{cfg: &r.cfg, catalog: r.cfg.Catalog, listing: listing, sink: &planSink{r, s}}
	plan, err := p.run(ctx)
	if err == nil {
		err = s.finish()
	}
	if err != nil {
		s.remove()
		return nil, fmt.Errorf("planning: %w", err)
	}
	if rev, _ := r.cfg.Source.Revision(); rev.Commit != "" {
		if err := r.send(ctx, &result{outcome: bookkeeping, revision: &rev}); err != nil {
			s.remove()
			return nil, err
		}
	}
	r.cfg.Progress.setPlan(plan)
	r.cfg.Log.Info("planned", "crates", plan.Crates, "unchanged", plan.Unchanged, "versions", plan.Versions,
		"held", plan.Held, "to_check", plan.Check, "to_bundle", plan.ToBundle, "to_fetch", plan.Fetch, "conflicts", plan.Conflicts, "republished", plan.Republished,
		"bad_entries", plan.Bad, "yanked_left_out", plan.Yanked, "took", time.Since(start).Round(time.Millisecond))
	return s, nil
}

// planSink sends what needs no work to the committer and the rest to the spool.
type planSink struct {
	run   *run
	spool *spool
}

func (s *planSink) held(ctx context.Context, e *Entry, v *catalog.Version) error {
	now := time.Now()
	return s.run.send(ctx, &result{entry: *e, outcome: existing, size: v.Size, at: v.Placement, started: now, finished: now})
}

func (s *planSink) bad(ctx context.Context, _ *Group, b *BadEntry) error {
	now := time.Now()
	how := badEntry
	if b.Violated {
		how = violated
	}
	return s.run.send(ctx, &result{entry: Entry{ID: b.ID}, outcome: how, err: b.Err, started: now, finished: now})
}

func (s *planSink) group(ctx context.Context, row *catalog.Crate, ch *changes, items []item) error {
	if !ch.empty() || row != nil && len(items) == 0 {
		res := &result{outcome: bookkeeping, changes: *ch}
		if len(items) == 0 {
			res.done = row
		}
		if err := s.run.send(ctx, res); err != nil {
			return err
		}
	}
	return s.spool.add(row, items)
}

func (s *planSink) vanished(ctx context.Context, paths []string) error {
	return s.run.send(ctx, &result{outcome: bookkeeping, vanished: paths})
}
