package sparse

import (
	"context"
	"errors"
	"iter"
	"path"

	"golang.org/x/sync/errgroup"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/index"
)

// each yields the files that we have and that are not excluded.
func (p *present) each(ctx context.Context, leaveOut func(path string) bool) iter.Seq2[asking, error] {
	return func(yield func(asking, error) bool) {
		if p.head.Commit == "" {
			return
		}
		ctx, stop := context.WithCancel(ctx)
		g, ctx := errgroup.WithContext(ctx)
		listed := make(chan here, askedAhead)
		g.Go(func() error {
			defer close(listed)
			return p.list(ctx, leaveOut, listed)
		})
		more := true
		for h := range listed {
			a := asking{wish: wish{name: path.Base(h.Path)}, path: h.Path, have: h.Blob}
			var err error
			if h.asked && more {
				a.val, err = p.known.answer(&h.File)
			}
			if more = more && yield(a, err); !more {
				stop() // the rest is drained, so that no sender waits for us
			}
		}
		err := g.Wait()
		stop()
		if err != nil && more {
			yield(asking{}, err)
		}
	}
}

// here is a file that we have; asked says that git was asked for its validator.
type here struct {
	index.File
	asked bool
}

// askedAhead is the number of files listed ahead, and askedTogether the number of
// validators requested from git at a time.
const askedAhead, askedTogether = 1024, 64

// list lists what we have, and requests the validators from git, which answers in that
// order.
func (p *present) list(ctx context.Context, leaveOut func(path string) bool, to chan<- here) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	var g errgroup.Group
	validated := make(chan known, askedAhead)
	g.Go(func() error {
		defer close(validated)
		if !p.remembered {
			return nil
		}
		return eachKnown(ctx, p.repo, func(k known) bool {
			select {
			case validated <- k:
				return true
			case <-ctx.Done():
				return false
			}
		})
	})
	var group []here
	var objects []string
	hand := func() (err error) {
		if len(objects) > 0 {
			err = p.known.ask(objects...)
		}
		for _, h := range group {
			select {
			case to <- h:
			case <-ctx.Done():
				return context.Cause(ctx)
			}
		}
		group, objects = group[:0], objects[:0]
		return err
	}
	var failed error
	var next known
	err := p.eachHere(ctx, func(f index.File) bool {
		if crate.CheckName(path.Base(f.Path)) != nil || leaveOut(f.Path) {
			return true
		}
		for next.path < f.Path {
			var ok bool
			if next, ok = <-validated; !ok {
				next.path = "\xff" // behind all paths
			}
		}
		h := here{f, next.path == f.Path}
		if h.asked {
			objects = append(objects, next.object)
		}
		if group = append(group, h); len(group) == askedTogether {
			failed = hand()
		}
		return failed == nil
	})
	if err == nil && failed == nil {
		failed = hand()
	}
	if err != nil || failed != nil {
		stop()
	}
	for range validated { // git ends by itself; killing it would be an error
	}
	return errors.Join(err, failed, g.Wait())
}

// eachHere calls fn for the files of HEAD until it returns false.
func (p *present) eachHere(ctx context.Context, fn func(index.File) bool) (err error) {
	ix, err := index.Open(ctx, p.repo.Dir, index.Options{Log: p.log})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, ix.Close()) }()
	more := true
	for _, err := range ix.Crates(ctx, func(f index.File) bool {
		more = more && fn(f)
		return false // read nothing
	}) {
		if err != nil && more {
			return err
		}
	}
	return nil
}
