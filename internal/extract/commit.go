package extract

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
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
	stored, rows := r.stored.Load(), r.recorded()
	done, err := r.cfg.Store.Checkpoint(ctx)
	if err != nil {
		return fmt.Errorf("storing crates: %w", err)
	}
	for _, ref := range done.Refused {
		p := Problem{Kind: Failed, ID: ref.ID, Err: ref.Err}
		if errors.Is(ref.Err, fs.ErrExist) { // from another bundle, or somebody else's
			p.Kind, p.Err = Occupied, errOccupied(ref.ID)
		}
		r.problem(p)
	}
	r.refused += int64(len(done.Refused))
	r.cfg.Progress.extracted.Store(max(0, stored-r.refused))
	return r.adopt(ctx, rows, done.Refused)
}
