// Package mirror is the main job: bring what an index names into a store, prove
// it, and record it.
//
// What the catalog does not know of comes first: bytes that versions had before
// they were published again, and bundles of v1.1.0, whose crates are taken over
// into the store. Then a run has three parts. Planning (package plan) compares
// what the index names with what is held, and writes what must be done to a file.
// Working takes the plan item by item, many at a time: fetch or re-hash, verify,
// store; what upstream did not give is tried again in later passes (pass.go).
// Committing, in one goroutine, turns batches of results into facts, in one order
// and never another:
//
//	verified bytes -> store.Checkpoint (durable, published)
//	               -> catalog rows -> manifest records -> progress
//
// A kill loses at most the items since the last commit, and the next run does those again.
package mirror

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/catalog"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/plan"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/runlog"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/store"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/upstream"
)

// Fetcher is the part of upstream.Client that a run needs.
type Fetcher interface {
	Fetch(ctx context.Context, req upstream.Request) (*upstream.Body, upstream.Stats, error)
}

// Catalog is what a run needs of catalog.Catalog.
type Catalog interface {
	plan.Catalog
	WasGone(ctx context.Context, id crate.ID) (bool, error)
	BytesOf(ctx context.Context, id crate.ID) ([]catalog.Version, error)
	TwicePage(ctx context.Context, after crate.ID, limit int) ([]catalog.Version, error)
	UnlistedTwicePage(ctx context.Context, after crate.ID, limit int) ([]catalog.Version, error)
	Commit(ctx context.Context, b catalog.Batch) error
	AdoptRepublished(ctx context.Context, found []catalog.Version) error
}

// Manifest is what a run needs of runlog.Writer.
type Manifest interface {
	Append(records []runlog.Record) error
}

// Config is a run.
type Config struct {
	plan.Config // what to mirror

	Fetch    Fetcher
	Store    store.Store
	Catalog  Catalog
	Manifest Manifest
	State    durable.FS // where the plan is kept while it is worked on

	URLs       crate.URLTemplate // where crates are
	Guarded    bool              // their host must not be in a private network: the index alone names it
	Out        string            // folder of the loose files, for the paths in the manifest
	BundlesOut string            // folder of the bundles, likewise
	KeepOpen   bool              // the last bundle is not finished: a later run on the same store continues it
	NewsOnly   bool              // what is held is counted, but gets no line in the manifest
	Repair     bool              // a person asked for what is found damaged to be repaired, and is told of it
	// Superseded are bytes that versions had before, with a copy that is reported as damaged
	// or missing.
	Superseded []crate.Key

	Concurrency int                   // fetches at a time; default 128
	Disks       map[string]durable.FS // whose free space is watched, by their names; default: State as Out
	Reserve     int64                 // stop with durable.ErrNoSpace when less is free, bytes; default 64 MiB, negative: never
	Grace       time.Duration         // for items in flight when the run is stopped; default 10 s
	Interval    time.Duration         // between commits; default 1 s
	SecondPass  time.Duration         // after the run, try again what upstream did not give, and a third time after 12 times as long; 0: never

	// Room is called before each item is begun, and waits until there is room to store
	// what will come of it. If nil, there is.
	Room     func(context.Context) error
	Progress *Progress // counts of the run, for others to read; default: not reported
}

func (cfg Config) withDefaults() Config {
	if cfg.Concurrency <= 0 {
		cfg.Concurrency = 128
	}
	if len(cfg.Disks) == 0 {
		cfg.Disks = map[string]durable.FS{cfg.Out: cfg.State}
	}
	if cfg.Reserve == 0 {
		cfg.Reserve = 64 << 20
	}
	if cfg.Grace <= 0 {
		cfg.Grace = 10 * time.Second
	}
	if cfg.Interval <= 0 {
		cfg.Interval = time.Second
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.Progress == nil {
		cfg.Progress = NewProgress()
	}
	cfg.Planned = &cfg.Progress.planned
	return cfg
}

// held is what the source is compared with.
func (cfg *Config) held() plan.Held { return plan.Held{Catalog: cfg.Catalog, Store: cfg.Store} }

// url returns where an item is fetched from.
func (cfg *Config) url(it *plan.Item) string {
	if it.URL != "" {
		return it.URL
	}
	return cfg.URLs.URL(it.ID, it.Checksum)
}

// Run mirrors until all is done, or until ctx is: then no new item is begun,
// those in flight have Config.Grace to end, and what was done is committed.
//
// The summary is valid also with an error. An error means that the run could not continue
// (durable.ErrNoSpace, *upstream.StoppedError, a broken disk or index, ctx's cause); a
// version that could not be mirrored is not an error but counted in the summary, which
// says whether the mirror is complete.
func Run(ctx context.Context, cfg Config) (*Summary, error) {
	cfg = cfg.withDefaults()
	r := &run{
		cfg: cfg, begun: time.Now(), summary: &Summary{}, refused: map[crate.ID]error{}, kept: map[crate.ID]bool{}, bundles: ledger{owed: map[string]int{}},
		pass: &pass{number: 1, last: cfg.SecondPass <= 0},
	}
	cfg.Progress.nextPause.Store(int64(cfg.SecondPass))
	err := r.findRepublished(ctx)
	if err == nil {
		err = r.keepSuperseded(ctx)
	}
	if err == nil {
		err = r.takeOver(ctx)
	}
	if err == nil {
		err = r.tryAgain(ctx, r.committing(ctx, r.planAndWork))
	}
	if err == nil && ctx.Err() == nil {
		err = r.finish(ctx)
	}
	r.summary.finish(cfg.Progress)
	if ctx.Err() != nil && (errors.Is(err, context.Canceled) || err == nil && r.summary.Unattempted > 0) {
		err = context.Cause(ctx) // says more than the error of the worker that met it, if any did
	}
	return r.summary, errors.Join(err, r.settleEvidence(context.WithoutCancel(ctx), err == nil))
}

// run is the state of one Run.
type run struct {
	cfg     Config
	results chan *result
	begun   time.Time
	kept    map[crate.ID]bool  // of whose earlier bytes a copy was bad: whether a good one is left
	summary *Summary           // written by the committer alone while it runs
	refused map[crate.ID]error // by the store, their results yet to come; the committer's
	bundles ledger
	pass    *pass           // under way
	later   *plan.Spool     // what it has put off; nil: nothing. The committer's
	recs    []runlog.Record // room for those of a batch; the committer's
}

// committing does a part of the run with the committer beside it, whose results
// are facts when it returns. Closing r.results ends the committer; a committer
// that fails stops the part.
func (r *run) committing(user context.Context, part func(ctx, user context.Context) error) error {
	r.results = make(chan *result, batchSize) // so that no worker waits while a batch is committed
	ctx, stop := context.WithCancelCause(user)
	defer stop(nil)
	var g errgroup.Group
	g.Go(func() error {
		err := r.commitAll(context.WithoutCancel(user))
		if err != nil {
			stop(err)
			for range r.results { // no worker must wait for a committer that is gone
			}
		}
		return err
	})
	g.Go(func() error {
		defer close(r.results)
		return part(ctx, user)
	})
	return g.Wait()
}

func (r *run) planAndWork(ctx, user context.Context) error {
	todo, err := r.plan(ctx)
	if err != nil {
		return err
	}
	defer todo.Remove()
	return r.work(ctx, user, todo, r.pass)
}

// send hands a result to the committer, whose it is then.
func (r *run) send(ctx context.Context, res *result) error {
	select {
	case r.results <- res:
		return nil
	default: // the channel is full: the wait can be cancelled
	}
	select {
	case r.results <- res:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
