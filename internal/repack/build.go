package repack

import (
	"bytes"
	"context"
	"errors"
	"io"
	"iter"
	"time"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sync/semaphore"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/catalog"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/deep"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/store"
)

// built is a pack and the rows of its versions, in its order.
type built struct {
	*deep.Pack
	rows []catalog.Version
	hot  int  // index in rows of the version that also stays where it is; -1: none
	keep bool // all stay
}

// goes reports whether the other copies of row n are removed.
func (b *built) goes(n int) bool { return !b.keep && n != b.hot }

// build makes packs of all crates and sends them.
func (r *run) build(ctx context.Context, ready chan<- *built) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(r.Workers)
	memory := semaphore.NewWeighted(r.Memory)
	for rows, err := range r.crates(ctx) {
		if err != nil {
			return errors.Join(err, g.Wait())
		}
		if r.outOfTime() {
			return errors.Join(errDeadline, g.Wait())
		}
		c := &crateJob{run: r, memory: memory, ready: ready, hot: r.hotOf(rows)}
		chosen, merged := choose(rows, r.AtLeast, r.sparse)
		again := r.held(rows, chosen, c.hot)
		r.count(rows, chosen, merged)
		if len(again) > 0 || len(chosen) > 0 {
			g.Go(func() error { return c.do(ctx, again, chosen) })
		}
	}
	return g.Wait()
}

func (r *run) outOfTime() bool { return !r.Deadline.IsZero() && time.Now().After(r.Deadline) }

// pageSize is the number of rows that are read at a time.
const pageSize = 1024

// crates yields the rows of one name after the other.
func (r *run) crates(ctx context.Context) iter.Seq2[[]catalog.Version, error] {
	return func(yield func([]catalog.Version, error) bool) {
		var rows []catalog.Version
		for after := (crate.ID{}); ; {
			page, err := r.Catalog.Page(ctx, after, pageSize)
			if err != nil {
				yield(nil, err)
				return
			}
			for _, v := range page {
				if !r.Shard.Has(v.Name) {
					continue
				}
				if len(rows) > 0 && rows[0].Name != v.Name {
					if !yield(rows, nil) {
						return
					}
					rows = nil
				}
				rows = append(rows, v)
			}
			if len(page) == 0 {
				break
			}
			after = page[len(page)-1].ID
		}
		if len(rows) > 0 {
			yield(rows, nil)
		}
	}
}

// crateJob packs one crate.
type crateJob struct {
	*run
	memory *semaphore.Weighted
	ready  chan<- *built
	hot    crate.Key // stays where it is; zero: none
}

func (r *run) hotOf(rows []catalog.Version) crate.Key {
	if n := newest(rows); r.Hot && n >= 0 {
		return rows[n].Key()
	}
	return crate.Key{}
}

// do packs the chosen versions, and verifies again those whose other copies will be removed.
func (c *crateJob) do(ctx context.Context, again, chosen []catalog.Version) error {
	for _, rows := range byPack(again) {
		if err := c.send(ctx, &built{rows: rows}); err != nil {
			return err
		}
	}
	sources := make([]source, len(chosen))
	for n, v := range chosen {
		sources[n] = source{Version: v, places: v.Places()}
	}
	for len(sources) > 0 && !c.outOfTime() {
		took, err := c.packSome(ctx, sources[:share(len(sources))])
		if err != nil {
			return err
		}
		sources = sources[took:]
	}
	if len(sources) > 0 {
		return errDeadline
	}
	return nil
}

// share returns how many of n versions go into the next pack, so that the last one is not
// much smaller than the others.
func share(n int) int {
	packs := (n + deep.MaxVersions - 1) / deep.MaxVersions
	return (n + packs - 1) / packs
}

// packSome builds a pack and returns how many of the sources are done: they are in it, or
// cannot be packed.
func (c *crateJob) packSome(ctx context.Context, sources []source) (done int, err error) {
	cost := min(costOf(sources), c.Memory)
	if err := c.memory.Acquire(ctx, cost); err != nil {
		return 0, err
	}
	defer c.memory.Release(cost)
	options := c.Options
	left := map[int]bool{} // out
	options.Failed = func(n int, err error) (again bool) {
		if again = sources[n].next(); !again {
			c.fail(sources[n].ID, err)
			left[n] = true
		}
		return again
	}
	p, err := deep.Build(ctx, c.opened(ctx, sources), options)
	switch {
	case ctx.Err() != nil:
		return 0, context.Cause(ctx)
	case errors.Is(err, deep.ErrNothing):
		return len(sources), nil
	case err != nil:
		return 0, err
	}
	b := &built{Pack: p}
	for n := range p.Took {
		if !left[n] {
			b.rows = append(b.rows, sources[n].Version)
		}
	}
	return p.Took, c.send(ctx, b)
}

// source is a version to pack, and the places to read it from, to be tried in order.
type source struct {
	catalog.Version
	places []store.Placement
}

// next drops the place that was tried last, and reports whether there is another.
func (s *source) next() bool {
	s.places = s.places[1:]
	return len(s.places) > 0
}

// opened returns the sources in the form for deep.Build.
func (c *crateJob) opened(ctx context.Context, sources []source) []deep.Source {
	list := make([]deep.Source, len(sources))
	for n := range sources {
		s := &sources[n]
		list[n] = deep.Source{Key: s.Key(), Open: func() (io.ReadCloser, error) { return c.read(ctx, s) }}
	}
	return list
}

func (c *crateJob) read(ctx context.Context, s *source) (io.ReadCloser, error) {
	at := s.places[0]
	if at.Deep.Segment == "" {
		return c.Open(ctx, s.Key(), at)
	}
	data, err := c.Segments.Read(ctx, s.Key(), at.Deep)
	return io.NopCloser(bytes.NewReader(data)), err
}

// perByte is the memory for building a pack, per byte of its .crates: the distinct content
// of their tars, three times.
const perByte = 7

// costOf estimates the memory for packing, in bytes.
func costOf(sources []source) int64 {
	cost := int64(64 << 20) // for the encoders, and a tar
	for n := range sources {
		cost += perByte * sources[n].Size
	}
	return cost
}

// send passes on a pack.
func (c *crateJob) send(ctx context.Context, b *built) error {
	b.hot = -1
	for n := range b.rows {
		if b.rows[n].Key() == c.hot {
			b.hot = n
		}
	}
	select {
	case c.ready <- b:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
