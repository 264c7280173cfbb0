// Package sidecar writes metadata of each published version: a sidecar is the version's
// line of the index with all its fields, and some of ours. This comment is the
// specification of sidecars.
//
// # Fields
//
// The fields of the index are copied token by token, whether we know them or not: a number
// keeps its digits, a string its escapes. These are added:
//
//	crate_file     {name}-{version}.crate
//	crate_url      where upstream has it
//	index_path     the index file that has the line
//	storage, bundle_path, bundle_member
//	               where the crate is stored, according to the manifest of a download
//	manifest       what the Cargo.toml inside the crate says of it, and
//	               unpacked_size and file_count of the crate; or "unreadable",
//	               the reason why it cannot be read. Absent: the crate is not held
//
// The last four are added only if they are wanted and known. If a line already has a field
// with one of these names, ours replaces it.
//
// # Output forms
//
// [Files]: {name}-{version}.crate.json beside where a mirror has the crate file, indented
// by two spaces, with the names of every object sorted: byte for byte as CloneCratesio
// v1.1.0 wrote them, so that its files need not be written again. A file is written only if
// its content differs. A yanked version that is left out gets no file, but an existing one
// is kept up to date.
//
// [JSONL]: one line per version, in the order of the index. The fields of the index come
// first, unchanged.
//
// [Parquet]: one row per version, in the order of the index; see [Row].
//
// # Order and memory
//
// One goroutine reads the index and fills batches, many encode them, and one writes them in
// the order of the index. The number of batches is fixed, so memory does not depend on the
// size of the index.
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
	// has reports whether a sidecar exists that must be kept up to date although its
	// version is left out. Many goroutines call it.
	has(rec *record) bool
	// encode prepares the records of a batch. Many goroutines call it at a time. An error
	// ends the run; record.err costs only that sidecar.
	encode(b *batch) error
	// write receives the batches in order, from one goroutine.
	write(b *batch, r *run) error
	// finish makes the output durable and gives it its name. A cause says that the run was
	// interrupted: then no incomplete output may be visible.
	finish(cause error, r *run) error
	// rows returns the number of sidecars that finish removes with the file that it
	// replaces.
	rows(ctx context.Context) (int64, error)
}

// Config configures a run.
type Config struct {
	Index  *index.Index
	Output Output
	Places *Places // from the manifest of a download; nil: none
	Crates *Crates // to read Cargo.toml from; nil: none

	URLs          crate.URLTemplate // where upstream has crates
	IncludeYanked bool
	Limit         int64 // at most so many sidecars; 0: all
	AcceptShrink  bool  // also if there is nothing to write, or much less than before
	Concurrency   int   // maximum number of batches in work at a time; default 128

	Log      *slog.Logger // default: none
	Progress *Progress    // counts of the run, which other goroutines may read; default: not reported
}

func (cfg Config) withDefaults() Config {
	if cfg.Concurrency <= 0 {
		cfg.Concurrency = 128
	}
	if _, files := cfg.Output.(*Files); !files && cfg.Crates == nil {
		// Encoding waits for no disk: more batches would only take memory.
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
// The summary is valid even with an error. An error means that the run could not continue:
// durable.ErrNoSpace, a broken disk or index, or the cause of ctx. An *index.ShrinkError
// means that the run kept the earlier table because the new one lacks too much. A version
// without a sidecar, or with an old one, is not an error; the summary counts it.
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
	queue   chan *batch // all current ones, in order
}

func (r *run) run(ctx context.Context) error {
	// One more batch is in write, and one in between: no worker waits for room in todo.
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

// account counts the outcome of a record, apart from its being written.
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
