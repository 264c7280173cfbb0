package extract

import (
	"context"
	"errors"
	"io/fs"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/bundle"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
)

// lookForLost reports crates of lost bundles that are not in the store.
func (r *run) lookForLost(ctx context.Context) error {
	for _, name := range r.lost {
		v, err := r.pinsOf(ctx, name)
		if err != nil {
			return err
		}
		for _, id := range v.ids() {
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			if err := r.lookFor(ctx, name, id, v[id]); err != nil {
				return err
			}
		}
	}
	return r.checkpoint(context.WithoutCancel(ctx)) // of what was found
}

func (r *run) lookFor(ctx context.Context, lost string, id crate.ID, v *pin) error {
	t := task{bundle: lost, Member: bundle.Member{ID: id}, want: v.sum, yanked: v.yanked, superseded: v.later}
	if v.later && !r.cfg.Superseded {
		return nil // a later bundle has the version
	}
	var err error
	there := nothing
	if t.Size, err = r.stat(ctx, &t); err == nil && v.known {
		there, err = r.look(ctx, &t)
	}
	switch {
	case there == same:
		r.cfg.Progress.kept.Add(1)
	case err == nil, errors.Is(err, fs.ErrNotExist), errors.Is(err, durable.ErrNotRegular):
		r.problem(Problem{Missing, lost, id, errors.New("the manifest names it, but the bundle is not there")})
	default:
		return r.settle(&t, err)
	}
	return nil
}
