package extract

import (
	"context"
	"fmt"
	"time"
)

// checkpoints makes durable what was stored, every Interval and at the end.
func (r *run) checkpoints(ctx context.Context, done <-chan struct{}) error {
	tick := time.NewTicker(r.cfg.Interval)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			if err := r.checkpoint(ctx); err != nil {
				return err
			}
			if err := r.checkSpace(need{}); err != nil {
				return err
			}
		case <-done:
			return r.checkpoint(ctx)
		}
	}
}

// checkpoint gives their names to all members that were stored before.
func (r *run) checkpoint(ctx context.Context) error {
	stored := r.stored.Load()
	done, err := r.cfg.Store.Checkpoint(ctx)
	if err != nil {
		return fmt.Errorf("storing crates: %w", err)
	}
	for _, ref := range done.Refused {
		r.problem(Problem{Kind: Failed, Bundle: "", ID: ref.ID, Err: ref.Err})
	}
	r.refused += int64(len(done.Refused))
	r.cfg.Progress.extracted.Store(max(0, stored-r.refused))
	return nil
}
