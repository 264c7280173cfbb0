// Package repack moves crates from loose files or bundles into the deep archive (package deep has
// its format), where versions of a crate share their common content. Reading from there takes time,
// so it is for rarely used crates.
//
// # Order
//
// Crates are packed by name, and each from the oldest version on, so that a pack has similar
// content, and a run may end anywhere. For each pack:
//
//  1. Build: read each version and verify it with the checksum in the catalog; find
//     the encoder that makes its stream again from its tar.
//  2. Append: append the pack to the current segment, and sync
//     the segment.
//  3. Verify: read the packs back from the disk, and rebuild and hash every version.
//     One that differs from the catalog ends the run, and nothing of
//     the pack is recorded.
//  4. Record: add the new place to the old ones in the catalog.
//  5. Remove: only then, and unless both are to be kept, remove loose files. A bundle
//     is removed once the rest of its members were copied to another one.
//
// A kill or power failure between two steps loses nothing: each row names a place that has the
// bytes. During step 5 it may also name a loose file that is gone, which verify accepts as long as
// the pack is good; the next run completes that step. The next run also verifies and records packs
// that no row names. A segment with its final name never changes.
//
// # Small packs
//
// New versions come in ones and twos, and a pack with one version is as large as that version. So a
// pack with few versions is merged with new ones into a new pack. Packs that no row names are
// garbage. When more than half of a segment is garbage, its versions are packed again, and the
// segment is removed.
package repack

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/catalog"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/deep"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/store"
)

// Catalog is a [catalog.Catalog].
type Catalog interface {
	Page(ctx context.Context, after crate.ID, limit int) ([]catalog.Version, error)
	Versions(ctx context.Context, name string) ([]catalog.Version, error)
	Segments(ctx context.Context) ([]catalog.Bundle, error)
	PackedBytes(ctx context.Context) (map[string]int64, error)
	Commit(ctx context.Context, b catalog.Batch) error
}

// Config configures a move into the deep archive.
type Config struct {
	Catalog  Catalog
	Segments *Segments
	// Open opens a version as a loose file or in a bundle.
	Open      func(ctx context.Context, key crate.Key, at store.Placement) (store.Content, error)
	Originals Originals   // nil: originals are kept
	Shard     crate.Shard // of the crates to pack
	// Hot keeps the newest version of each crate where it is, in addition to the deep
	// archive.
	Hot bool
	// AtLeast is the minimum number of versions of a crate outside the deep archive before
	// they are packed. Fewer wait for others. Default 1.
	AtLeast  int
	Deadline time.Time // when the run ends with what it has done; zero: never
	Workers  int       // packs built at a time, each on one core; default 1
	Memory   int64     // for building packs, bytes; default 1 GiB
	KeepOpen bool      // leave the last segment for the next run to continue
	Options  deep.Options
	Progress *Progress // nil: not reported
	Log      *slog.Logger
}

// Originals removes copies of what is in the deep archive.
type Originals interface {
	// RemoveLoose is the method of [store.Remover].
	RemoveLoose(ids []crate.ID) error
	// FreeBundles removes bundles that no row of the catalog needs any more, and rewrites
	// those that rows need little of.
	FreeBundles(ctx context.Context) error
}

// errDeadline ends a run at its deadline.
var errDeadline = errors.New("out of time")

// Run packs what is not in the deep archive. Versions that cannot be read or packed are
// counted, reported and left where they are; all others are packed. Done says how far it
// came.
//
// Errors: the context's; those of the catalog and of the segments, after which nothing more
// can be written. What was recorded by then stays.
func Run(ctx context.Context, cfg Config) (Done, error) {
	r := &run{Config: cfg, started: time.Now()}
	r.fill()
	if err := r.adopt(ctx); err != nil {
		return r.done, err
	}
	if err := r.markPublished(ctx); err != nil {
		return r.done, err
	}
	if err := r.findSparse(ctx); err != nil {
		return r.done, err
	}
	err := r.pack(ctx)
	r.done.Duration = time.Since(r.started)
	if r.done.OutOfTime = errors.Is(err, errDeadline); r.done.OutOfTime {
		err = nil
	}
	if err == nil && !r.done.OutOfTime {
		err = r.finish(ctx)
	}
	return r.done, err
}

// Done is the result of a run.
type Done struct {
	Versions          int64 // packed
	Size              int64 // of their .crates, in bytes
	Packed            int64 // of their packs, in bytes
	Verbatim          map[deep.Reason]int64
	Waiting           int64 // versions of crates with too few of them
	Merged            int64 // versions of small packs that were merged with others
	Failed            []Failure
	FailedVersions    int64
	LooseRemoved      int64
	SegmentsRemoved   int64
	OutOfTime         bool
	Duration          time.Duration
	SegmentsPublished int64
}

// Failure is a version that could not be packed.
type Failure struct {
	crate.ID
	Err error
}

// run is a run.
type run struct {
	Config
	started time.Time
	sparse  map[string]bool // segments whose versions are packed again

	// Fields of the one goroutine that appends and records.
	pending  []*built // appended, not recorded yet
	waiting  int64    // bytes of pending
	recorded time.Time

	mu   sync.Mutex // guards done.Failed and done.FailedVersions, which others count
	done Done
}

func (r *run) fill() {
	r.Workers = max(r.Workers, 1)
	r.AtLeast = max(r.AtLeast, 1)
	if r.Memory <= 0 {
		r.Memory = 1 << 30
	}
	if r.Progress == nil {
		r.Progress = new(Progress)
	}
	if r.Log == nil {
		r.Log = slog.New(slog.DiscardHandler)
	}
	r.recorded = r.started
	r.done.Verbatim = map[deep.Reason]int64{}
}

// pack builds packs with many goroutines and commits them with one.
func (r *run) pack(ctx context.Context) error {
	ready := make(chan *built)
	g, gctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		defer close(ready)
		return r.build(gctx, ready)
	})
	g.Go(func() error {
		for b := range ready {
			if err := r.append(gctx, b); err != nil {
				return err
			}
		}
		return nil
	})
	err := g.Wait()
	if err != nil && !errors.Is(err, errDeadline) {
		return err
	}
	return errors.Join(r.record(ctx), err)
}
