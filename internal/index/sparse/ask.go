package sparse

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/git"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/index"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/upstream"
)

// wish is a crate to ask for, and what its file must be, if that is known: a version in it,
// or its exact bytes.
type wish struct {
	name, version string
	blob          git.ID
	gone          bool // it should not exist
}

func versionless(names []string) (wishes []wish) {
	for _, name := range names {
		wishes = append(wishes, wish{name: name})
	}
	return wishes
}

// asking is a file to ask for.
type asking struct {
	wish
	path  string
	have  git.ID // what we have; zero: nothing
	val   Validator
	named bool // something names it
}

// newAsking finds out what we have of a crate.
func (l *look) newAsking(w wish) (a asking, err error) {
	a = asking{wish: w, path: crate.IndexPath(w.name), named: l.newsOnly}
	if err := crate.CheckName(w.name); err != nil {
		return a, err
	}
	if a.have, err = l.present.blob(a.path); err == nil {
		a.val, err = l.present.validator(index.File{Path: a.path, Blob: a.have})
	}
	return a, err
}

// wishes yields the requests for some crates.
func (l *look) wishes(list []wish) iter.Seq2[asking, error] {
	return func(yield func(asking, error) bool) {
		for _, w := range list {
			if a, err := l.newAsking(w); !yield(a, err) {
				return
			}
		}
	}
}

// ask requests files, many at a time. A file that cannot be downloaded is not an error.
func (l *look) ask(ctx context.Context, files iter.Seq2[asking, error]) error {
	g, ctx := errgroup.WithContext(ctx)
	todo := make(chan asking)
	g.Go(func() error {
		defer close(todo)
		for a, err := range files {
			if err != nil {
				return err
			}
			select {
			case todo <- a:
			case <-ctx.Done():
				return context.Cause(ctx)
			}
		}
		return nil
	})
	for range l.parallel() {
		g.Go(func() error {
			for a := range todo {
				if err := l.one(ctx, a); err != nil {
					return err
				}
			}
			return nil
		})
	}
	return g.Wait()
}

// one requests a file and takes the answer.
func (l *look) one(ctx context.Context, a asking) error {
	err := l.take(ctx, a)
	switch {
	case err == nil:
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case !isOwnFault(err):
		return err
	default:
		l.tally.failed(a.name, err)
	}
	return nil
}

// isOwnFault reports whether an error affects only one file.
func isOwnFault(err error) bool {
	return errors.As(err, new(*upstream.AskError)) || errors.As(err, new(*ContentError))
}

// closure requests some crates, and their dependencies if those are wanted.
func (l *look) closure(ctx context.Context, level []wish) error {
	for len(level) > 0 {
		var fresh []wish
		var err error
		for _, w := range level {
			if fresh, err = l.addFresh(fresh, w); err != nil {
				return err
			}
		}
		l.follow = l.o.Deps
		err = l.ask(ctx, l.wishes(fresh))
		level, l.follow = versionless(l.tally.takeDeps()), false
		if err != nil {
			return err
		}
	}
	return nil
}

// addFresh adds a wish unless it was added before. If only news is wanted, a dependency
// that we have is not requested.
func (l *look) addFresh(fresh []wish, w wish) ([]wish, error) {
	p := crate.IndexPath(w.name)
	if l.seen[p] {
		return fresh, nil
	}
	l.seen[p] = true
	if l.newsOnly && w.version == "" && w.blob == (git.ID{}) && !w.gone {
		have, err := l.present.blob(p)
		if err != nil || have != (git.ID{}) {
			return fresh, err
		}
	}
	return append(fresh, w), nil
}

// lists requests the crates that the lists name and that we lack.
func (l *look) lists(ctx context.Context) error {
	for _, list := range l.o.Lists {
		made, err := l.list(ctx, list)
		if err != nil {
			return err
		}
		switch {
		case made.IsZero():
			made = l.begun
		case !made.Before(l.begun): // by another clock: it was here before we looked
			made = l.begun.Add(-1)
		}
		l.next.Listed = later(made, l.next.Listed)
	}
	return nil
}

func (l *look) list(ctx context.Context, list List) (made time.Time, err error) {
	err = l.ask(ctx, func(yield func(asking, error) bool) {
		var err error
		made, err = list(ctx, func(name string) error {
			a, err := l.newAsking(wish{name: name})
			if err != nil || a.have != (git.ID{}) || l.seen[a.path] {
				return err
			}
			if !yield(a, nil) {
				return errAborted
			}
			return nil
		})
		if err != nil && !errors.Is(err, errAborted) {
			yield(asking{}, fmt.Errorf("reading the list of crates: %w", err))
		}
	})
	return made, err
}
