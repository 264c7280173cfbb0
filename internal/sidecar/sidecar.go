// Package sidecar writes what is known of each published version: a sidecar is
// the line of the index with all its fields, and some of ours. It is also the
// specification of sidecars.
//
// # Fields
//
// What the index says is passed on token by token, whether we know the field or
// not: a number keeps its digits, a string its escapes. To it are added
//
//	crate_file     {name}-{version}.crate
//	crate_url      where upstream has it
//	index_path     the file of the index that the line is from
//	storage, bundle_path, bundle_member
//	               where the crate is stored, according to the manifest of a download
//	manifest       what the Cargo.toml inside the crate says of it, and
//	               unpacked_size and file_count of the crate; or "unreadable",
//	               the reason why nothing is known. Absent: the crate is not held
//
// the last four only if they are asked for and known. Where a line has a field
// of a name that is added, ours takes its place.
//
// # Forms
//
// [Files]: {name}-{version}.crate.json beside where a mirror has the crate file, indented
// by two spaces, with the names of every object sorted: byte for byte what CloneCratesio
// v1.1.0 wrote, so that its files need not be written again. One is written only if its
// content differs. A yanked version that is left out gets none, but one that is there is
// kept up to date.
//
// [JSONL]: one line a version, in the order of the index. The fields of the
// line come first, as they are.
//
// [Parquet]: one row a version, in the order of the index; see [Row].
//
// # Order and memory
//
// One goroutine reads the index and fills batches, many encode them, one takes
// them in the order of the index. There is a fixed number of batches, so memory
// does not depend on the size of the index.
package sidecar

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/index"
)

// An Output is a form of sidecars: [Files], [JSONL] or [Parquet].
type Output interface {
	// has reports whether there is a sidecar that must be kept up to date
	// although its version is left out. It is called by many goroutines.
	has(rec *record) bool
	// encode prepares the records of a batch. It is called by many goroutines
	// at a time; an error ends the run, record.err costs that sidecar.
	encode(b *batch) error
	// write takes the batches in order, from one goroutine.
	write(b *batch, r *run) error
	// finish makes durable, and gives its name to, what was written. With a
	// cause the run did not get to its end: nothing half done may show.
	finish(cause error, r *run) error
	// rows is the number of sidecars that finish takes away with the file that it
	// replaces.
	rows(ctx context.Context) (int64, error)
}

// Config is a run.
type Config struct {
	Index  *index.Index
	Output Output
	Places *Places // from the manifest of a download; nil: none
	Crates *Crates // to read what is inside; nil: not

	URLs          crate.URLTemplate // where upstream has crates
	IncludeYanked bool
	Limit         int64 // at most so many sidecars; 0: all
	AcceptShrink  bool  // also when nothing is there to write, or much less than was
	Concurrency   int   // at most so many batches in work at a time; default 128

	Log      *slog.Logger // default: none
	Progress *Progress    // counts of the run, for others to read; default: not reported
}

func (cfg Config) withDefaults() Config {
	if cfg.Concurrency <= 0 {
		cfg.Concurrency = 128
	}
	if _, files := cfg.Output.(*Files); !files && cfg.Crates == nil {
		// Encoding waits for no disk: more would only take memory.
		cfg.Concurrency = min(cfg.Concurrency, 4*runtime.GOMAXPROCS(0))
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.Progress == nil {
		cfg.Progress = NewProgress()
	}
	return cfg
}

// Run makes the sidecars of an index.
//
// The summary is valid also with an error. An error means that the run could not continue:
// durable.ErrNoSpace, a broken disk or index, ctx's cause; or, as an *index.ShrinkError, that
// an earlier table was kept because this one lacks too much. A version without a sidecar, or
// with an old one, is not an error but in the summary.
func Run(ctx context.Context, cfg Config) (*Summary, error) {
	r := &run{cfg: cfg.withDefaults(), summary: &Summary{}}
	err := r.run(ctx)
	if err == nil {
		err = r.checkExtent(ctx)
	}
	err = errors.Join(err, r.cfg.Output.finish(err, r))
	r.summary.Counts = r.cfg.Progress.Snapshot()
	return r.summary, err
}

// run is the state of one Run.
type run struct {
	cfg     Config
	summary *Summary
	batches sync.Pool
	todo    chan *batch // to be encoded
	queue   chan *batch // all that are under way, in order
}

func (r *run) run(ctx context.Context) error {
	// One more is with write, and one on its way: no worker waits for room in todo.
	r.todo, r.queue = make(chan *batch, r.cfg.Concurrency+2), make(chan *batch, r.cfg.Concurrency)
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		defer close(r.queue)
		defer close(r.todo)
		return r.read(ctx)
	})
	for range r.cfg.Concurrency {
		g.Go(func() error { return r.encode(ctx) })
	}
	g.Go(func() error { return r.write(ctx) })
	return g.Wait()
}

func (r *run) encode(ctx context.Context) error {
	for b := range r.todo {
		if err := context.Cause(ctx); err != nil {
			return err
		}
		for i := range b.records {
			rec := &b.records[i]
			if rec.skip = rec.leftOut && !r.cfg.Output.has(rec); !rec.skip {
				r.cfg.Crates.look(ctx, rec)
			}
		}
		if err := r.cfg.Output.encode(b); err != nil {
			return err
		}
		close(b.done)
	}
	return nil
}

func (r *run) write(ctx context.Context) error {
	for b := range r.queue {
		select {
		case <-b.done:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		if err := r.cfg.Output.write(b, r); err != nil {
			return err
		}
		for _, err := range b.bad {
			r.problem(err)
		}
		for i := range b.records {
			r.account(&b.records[i])
		}
		r.recycle(b)
	}
	return nil
}

// account counts what became of a record beside being written.
func (r *run) account(rec *record) {
	p := r.cfg.Progress
	switch {
	case rec.err != nil:
		r.problem(fmt.Errorf("%s: %w", rec.ID, rec.err))
	case r.cfg.Crates == nil || rec.skip:
	case rec.unreadable != nil:
		p.unreadable.Add(1)
		r.cfg.Log.Warn("the crate cannot be read", "crate", rec.Name, "version", rec.Version, "err", rec.unreadable)
	case rec.said == nil:
		p.notHeld.Add(1)
	}
}

// problem records something that costs a sidecar.
func (r *run) problem(err error) {
	r.cfg.Progress.problems.Add(1)
	r.cfg.Log.Warn("no sidecar, or not a new one", "err", err)
	if len(r.summary.Problems) < maxProblems {
		r.summary.Problems = append(r.summary.Problems, err)
	}
}
