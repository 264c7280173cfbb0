// Package repack moves what a mirror holds, in loose files or bundles, into the deep
// archive (package deep is its format), where versions of a crate share what they have in
// common. What is read from there costs time, so this is for crates that are seldom asked
// for.
//
// # Order
//
// Crates go one after the other by name, each oldest version first, so that a pack
// has what is alike, and runs may end anywhere. For each pack:
//
//  1. Build: each version is read, and compared with the checksum in the catalog;
//     the encoder is found that makes its stream of its tar again.
//  2. Append: the pack goes to the end of the segment that is being written, which is
//     synced.
//  3. Prove: the packs are read back from the disk, and every version is rebuilt
//     and hashed. One that is not what the catalog says ends the run, and nothing of
//     the pack is recorded.
//  4. Record: the catalog names the new place beside the old ones.
//  5. Only then, and unless both shall be kept, loose files are removed. A bundle
//     is removed once the rest of what is in it was put into another one.
//
// A kill or power cut between any two of these loses nothing: each row names a place
// that has the bytes. In the middle of 5 it may also name a loose file that is gone,
// which is no problem to verify as long as the pack is good; the next run completes that. A pack that no row names is
// proved, and recorded, by the next run. A segment is never written to again when it
// has its final name.
//
// # Small packs
//
// New versions come in ones and twos, and a pack of one version is as large as the
// version. So a pack with few versions is put together with those that come, in a new
// pack; what no row names of a segment is garbage. When more than half of a segment is,
// its versions are packed again, and the segment is removed.
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

// Config is a move into the deep archive.
type Config struct {
	Catalog  Catalog
	Segments *Segments
	// Open opens a version as a loose file or in a bundle.
	Open      func(ctx context.Context, key crate.Key, at store.Placement) (store.Content, error)
	Originals Originals   // nil: both are kept
	Shard     crate.Shard // whose crates are packed
	// Hot keeps the newest version of each crate where it is, beside its place in
	// the deep archive.
	Hot bool
	// AtLeast is how many versions of a crate there must be that are not in the
	// deep archive, before they are put there. Fewer wait for others. Default 1.
	AtLeast  int
	Deadline time.Time // when the run ends with what it has done; zero: never
	Workers  int       // packs that are built at a time, one a core; default 1
	Memory   int64     // that building packs may take, in bytes; default 1 GiB
	KeepOpen bool      // the last segment is left for the next run to continue
	Options  deep.Options
	Progress *Progress // nil: not reported
	Log      *slog.Logger
}

// Originals removes what is in the deep archive too.
type Originals interface {
	// RemoveLoose is that of [store.Remover].
	RemoveLoose(ids []crate.ID) error
	// FreeBundles removes bundles that no row of the catalog needs any more, and rewrites
	// those that rows need little of.
	FreeBundles(ctx context.Context) error
}

// errDeadline ends a run that has used up its time.
var errDeadline = errors.New("out of time")

// Run packs what is not in the deep archive. What cannot be read or packed is counted,
// reported and left where it is; all else is packed. Done says how far it came.
//
// Errors: the context's; those of the catalog and of the segments, after which
// nothing more can be written. What was recorded by then stays.
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

// Done is what a run has done.
type Done struct {
	Versions          int64 // packed
	Size              int64 // of their .crates, in bytes
	Packed            int64 // of their packs, in bytes
	Verbatim          map[deep.Reason]int64
	Waiting           int64 // versions that are too few of their crate
	Merged            int64 // versions of small packs that were put together with others
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

	// Of the one goroutine that appends and records.
	pending  []*built // appended, not yet recorded
	waiting  int64    // bytes of pending
	recorded time.Time

	mu   sync.Mutex // guards what others count: done.Failed, done.FailedVersions
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

// pack builds packs with many hands and commits them with one.
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
