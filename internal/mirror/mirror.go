// Package mirror does the main job: it downloads what an index names, verifies it, stores
// it and records it.
//
// A run begins with files that are not in the catalog: earlier bytes of versions that were
// published again, and bundles of v1.1.0, whose crates it copies into the store. Then it
// has three parts. Planning (package plan) compares the index with the catalog and writes
// what must be done to a file. Working takes items from the plan, many at a time: it
// downloads or hashes a crate, verifies it and stores it. Later passes try again what
// upstream did not deliver (pass.go). Committing, in one goroutine, records batches of
// results, always in this order:
//
//	verified bytes -> store.Checkpoint (durable, published)
//	               -> catalog rows -> manifest records -> progress
//
// A kill loses at most the items since the last commit; the next run repeats them.
package mirror

import (
	"context"
	"errors"
	"iter"
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

// Fetcher is the part of upstream.Client that a run uses.
type Fetcher interface {
	Fetch(ctx context.Context, req upstream.Request) (*upstream.Body, upstream.Stats, error)
}

// Catalog is the part of catalog.Catalog that a run uses.
type Catalog interface {
	plan.Catalog
	WasGone(ctx context.Context, id crate.ID) (bool, error)
	BytesOf(ctx context.Context, id crate.ID) ([]catalog.Version, error)
	TwicePage(ctx context.Context, after crate.ID, limit int) ([]catalog.Version, error)
	UnlistedTwicePage(ctx context.Context, after crate.ID, limit int) ([]catalog.Version, error)
	Commit(ctx context.Context, b catalog.Batch) error
	AdoptRepublished(ctx context.Context, found []catalog.Version) error
}

// Manifest is the part of runlog.Writer that a run uses.
type Manifest interface {
	Append(records iter.Seq[*runlog.Record]) error
}

// Config configures a run.
type Config struct {
	plan.Config // what to mirror

	Fetch    Fetcher
	Store    store.Store
	Catalog  Catalog
	Manifest Manifest
	State    durable.FS // the plan is stored here while the run works on it

	URLs       crate.URLTemplate // where crates are downloaded from
	Guarded    bool              // their host must not be in a private network: only the index names it
	Out        string            // folder of the loose files, for the paths in the manifest
	BundlesOut string            // folder of the bundles, likewise
	KeepOpen   bool              // do not finish the last bundle: a later run on the same store continues it
	NewsOnly   bool              // count held versions, but write no manifest line for them
	Repair     bool              // a person asked for this repair of damage, and so knows of it
	// Superseded identifies earlier bytes of versions that have a copy reported as damaged
	// or missing.
	Superseded []crate.Key

	Concurrency int                   // downloads at a time; default 128
	Disks       map[string]durable.FS // folders whose free space is watched, by name; default: State as Out
	Reserve     int64                 // stop with durable.ErrNoSpace if fewer bytes are free; default 64 MiB, negative: never
	Grace       time.Duration         // for items in flight when the user stops the run; default 10 s
	Interval    time.Duration         // between commits; default 1 s
	SecondPass  time.Duration         // pause before a second pass over what upstream did not deliver; a third one follows after 12 times as long; 0: never

	// Room is called before each item and waits until there is space for its result. If
	// nil, no item waits.
	Room     func(context.Context) error
	Progress *Progress // counts of the run, which other goroutines may read; default: not reported
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
	if cfg.NewsOnly {
		cfg.Existed = &cfg.Progress.counts[existing]
	}
	return cfg
}

// held returns what the source is compared with.
func (cfg *Config) held() plan.Held { return plan.Held{Catalog: cfg.Catalog, Store: cfg.Store} }

// url returns the URL from which an item is downloaded.
func (cfg *Config) url(it *plan.Item) string {
	if it.URL != "" {
		return it.URL
	}
	return cfg.URLs.URL(it.ID, it.Checksum)
}

// Run mirrors until all is done, or until ctx ends: then it begins no new item, gives the
// items in flight Config.Grace to finish, and commits their results.
//
// The summary is valid even with an error. An error means that the run could not continue:
// durable.ErrNoSpace, *upstream.StoppedError, a broken disk or index, or the cause of ctx.
// A version that could not be mirrored is not an error; the summary counts it and says
// whether the mirror is complete.
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
		err = context.Cause(ctx) // says more than the worker's error, if there was one
	}
	return r.summary, errors.Join(err, r.settleEvidence(context.WithoutCancel(ctx), err == nil))
}

// run is the state of one Run.
type run struct {
	cfg     Config
	results chan *result
	begun   time.Time
	kept    map[crate.ID]bool  // versions with a bad copy of earlier bytes: whether a good copy is left
	summary *Summary           // only the committer writes it while it runs
	refused map[crate.ID]error // refused by the store, results still to come; belongs to the committer
	bundles ledger
	pass    *pass       // the current one
	later   *plan.Spool // items deferred by the pass; nil: none. Belongs to the committer
}

// committing runs a part of the run beside a committer, and returns once its results are
// committed. Closing r.results ends the committer. If the committer fails, the part is
// stopped.
func (r *run) committing(user context.Context, part func(ctx, user context.Context) error) error {
	r.results = make(chan *result, batchSize) // so that no worker waits during a commit
	ctx, stop := context.WithCancelCause(user)
	defer stop(nil)
	var g errgroup.Group
	g.Go(func() error {
		err := r.commitAll(context.WithoutCancel(user))
		if err != nil {
			stop(err)
			for range r.results { // no worker must wait for a committer that has ended
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

// send passes a result to the committer, which then owns it.
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
