package verify

import (
	"context"

	"golang.org/x/sync/errgroup"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/catalog"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
)

// page is some versions on their way through the workers.
type page struct {
	versions []catalog.Version
	again    []crate.ID // or instead, versions whose rows must still be looked up
	problems []Problem
	err      error
	done     chan struct{}
}

// wait returns once p is checked, or ctx is done. Checks completed before that count, so
// that a stopped run loses no work.
func (p *page) wait(ctx context.Context) error {
	select {
	case <-p.done:
		return p.err
	case <-ctx.Done():
	}
	select {
	case <-p.done:
		return p.err
	default:
		return context.Cause(ctx)
	}
}

// A pipeline checks many pages at a time, and collects them in order.
type pipeline struct {
	cfg   *Config
	check func(context.Context, *page) error
}

func (w pipeline) run(ctx context.Context, list func(ctx context.Context, hand func(*page) error) error, collect func(*page) error) error {
	todo, order := make(chan *page), make(chan *page, 2*w.cfg.Workers)
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		defer close(todo)
		defer close(order)
		return list(ctx, func(p *page) error { return handOut(ctx, p, order, todo) })
	})
	for range w.cfg.Workers {
		g.Go(func() error {
			for p := range todo {
				p.err = w.check(ctx, p)
				close(p.done)
			}
			return nil
		})
	}
	g.Go(func() error {
		for p := range order {
			if err := p.wait(ctx); err != nil {
				return err
			}
			if err := collect(p); err != nil {
				return err
			}
		}
		return nil
	})
	return g.Wait()
}

// handOut sends a page to the consumer that wants them in order, and to the workers.
func handOut(ctx context.Context, p *page, to ...chan<- *page) error {
	p.done = make(chan struct{})
	for _, to := range to {
		select {
		case to <- p:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return nil
}
