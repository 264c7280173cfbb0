package mirror

import (
	"context"
	"fmt"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/catalog"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/plan"
)

// plan writes a plan to a spool.
func (r *run) plan(ctx context.Context) (*plan.Spool, error) {
	start := time.Now()
	s, err := plan.NewSpool(r.cfg.State, 1)
	if err != nil {
		return nil, fmt.Errorf("planning: %w", err)
	}
	sink := &planSink{run: r, spool: s}
	totals, err := plan.Make(ctx, r.cfg.Config, r.cfg.held(), sink)
	if err == nil {
		err = sink.settleRemovals(ctx)
	}
	if err == nil {
		err = s.Finish()
	}
	rev, _ := r.cfg.Source.Revision() // if the catalog has it, and nothing is new, nothing is committed
	if known, asked := r.cfg.Catalog.Revision(ctx); err == nil && rev.Commit != "" && (asked != nil || known.Commit != rev.Commit) {
		err = r.send(ctx, &result{outcome: bookkeeping, revision: &rev})
	}
	if err != nil {
		s.Remove()
		return nil, fmt.Errorf("planning: %w", err)
	}
	r.cfg.Progress.setPlan(totals)
	r.cfg.Log.Info("planned", "crates", totals.Crates, "unchanged", totals.Unchanged, "versions", totals.Versions,
		"held", totals.Held, "to_check", totals.Check, "to_bundle", totals.ToBundle, "to_fetch", totals.Fetch, "conflicts", totals.Conflicts, "republished", totals.Republished,
		"bad_entries", totals.Bad, "yanked_left_out", totals.Yanked, "took", time.Since(start).Round(time.Millisecond))
	return s, nil
}

// planSink sends items without work to the committer, and the others to the spool.
type planSink struct {
	run     *run
	spool   *plan.Spool
	removed []crate.ID // loose files that are gone, which may not be durable
	waiting []*result  // rows that say so
}

// Held implements plan.Sink. A held version is already recorded: the committer only writes
// its line of the manifest.
func (s *planSink) Held(ctx context.Context, it *plan.Item, size int64) error {
	now := time.Now()
	return s.run.send(ctx, &result{item: *it, outcome: existing, size: size, at: it.At, started: now, finished: now})
}

func (s *planSink) Bad(ctx context.Context, b *plan.BadEntry) error {
	now := time.Now()
	how := badEntry
	if b.Violated {
		how = violated
	}
	return s.run.send(ctx, &result{item: plan.Item{ID: b.ID}, outcome: how, unnamed: b.Unnamed, err: b.Err, started: now, finished: now})
}

func (s *planSink) Group(ctx context.Context, row *catalog.Crate, ch *plan.Changes, items []plan.Item) error {
	if !ch.Empty() || row != nil && len(items) == 0 {
		res := &result{outcome: bookkeeping, Changes: *ch}
		if len(items) == 0 {
			res.done = row
		}
		if err := s.record(ctx, res); err != nil {
			return err
		}
	}
	return s.spool.Add(row, items)
}

// record sends rows to the committer. Rows that lose loose files wait until that is durable,
// or a power cut would bring the files back.
func (s *planSink) record(ctx context.Context, res *result) error {
	if len(res.Unlinked) == 0 {
		return s.run.send(ctx, res)
	}
	s.removed, s.waiting = append(s.removed, res.Unlinked...), append(s.waiting, res)
	if len(s.waiting) < dropped {
		return nil
	}
	return s.settleRemovals(ctx)
}

// settleRemovals makes durable what is removed, and sends the rows that waited for that.
// Nothing is being stored while a plan is made, so no file of this run is removed.
func (s *planSink) settleRemovals(ctx context.Context) error {
	if err := s.run.cfg.Store.RemoveLoose(s.removed); err != nil {
		return err
	}
	for _, res := range s.waiting {
		if err := s.run.send(ctx, res); err != nil {
			return err
		}
	}
	clear(s.waiting)
	s.removed, s.waiting = s.removed[:0], s.waiting[:0]
	return nil
}

func (s *planSink) Vanished(ctx context.Context, paths []string) error {
	return s.run.send(ctx, &result{outcome: bookkeeping, vanished: paths})
}
