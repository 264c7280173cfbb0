// Package extract takes crates out of bundles, or out of segments of the deep archive,
// and puts them into a store of loose files: on the far side of an air gap, or where a
// program wants files.
//
// # Where checksums come from
//
// A bundle is untrusted input, and so is everything beside it. No crate gets its name
// before it hashes to the expected checksum:
//
//   - the receiver's own index, where Config.Index is given. This is the only
//     one of the three that an attacker who holds the medium cannot forge;
//   - else the manifest beside the bundle, which finds accidents;
//   - else, with Config.Unverified, the bundle itself: the checksums of its
//     frames, which are only believed once it was read to its end.
//
// What a bundle as a whole should hash to, the catalog in its folder says. It proves no
// crate, but finds what else was changed.
//
// # How it goes
//
// A manifest without its bundle means that the bundle was lost on the way. What it should
// hold is looked for at the end: it may have come by another way.
//
// Bundles are read one after the other, from front to end, as media like it, and
// decoded and hashed by all cores; so is what stands there already looked at, and
// what does not is written. What is there already is compared by hash, so a run that
// was stopped, at any instant, is continued by the same command.
//
// With an index, a bundle's names are taken from its manifest first, because
// they are needed before its members; members that it does not name, which is
// all of them where there is none, are looked up once the bundle was read, and
// come in a second round. So memory is bounded by the members of one bundle, and
// without an index by 24 bytes a line of the manifests.
//
// # Segments
//
// Beside a segment is no manifest. Its directories say of each version what its bytes
// ought to be, and are believed with Config.Unverified alone. Packs are rebuilt by all
// cores, each once, and one whose crates are all there already is only read. A damaged
// pack costs its versions.
package extract

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/bundle"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/bundle/lists"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/index"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/store"
)

// Store is what an extraction needs of a store.
type Store interface {
	store.Writer
	store.Reader
	store.Quarantiner
	store.Republisher
}

// Config is an extraction.
type Config struct {
	Bundles durable.Reader // the folder of the bundles, or of the segments
	Names   []string       // of those in it, as from Find or FindSegments
	Store   Store
	Out     durable.FS // the folder of Store, asked how much space is free
	Catalog Catalog    // receives what is there and proved, which makes Store a mirror; if nil, there is none

	Index      *index.Index // has the checksum of every crate; if nil, manifests do
	Unverified bool         // without an index and a manifest, take what the bundle says of itself
	Superseded bool         // take bytes that versions had before too, to republished/
	Overwrite  bool         // set aside other bytes that stand under a crate's name, instead of leaving them

	Reserve  int64         // stop with durable.ErrNoSpace when less is free, bytes; default 64 MiB, negative: never
	Interval time.Duration // between checkpoints; default 5 s: what a kill undoes is at hand to be done again

	Log      *slog.Logger // default: none
	Progress *Progress    // counts of the run, for others to read; default: not reported
}

func (cfg Config) withDefaults() Config {
	if cfg.Reserve == 0 {
		cfg.Reserve = 64 << 20
	}
	if cfg.Interval <= 0 {
		cfg.Interval = 5 * time.Second
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.Progress == nil {
		cfg.Progress = NewProgress()
	}
	return cfg
}

// Find returns the names in the folder that match a pattern of package path, in the order
// of names, but for manifests and the catalog. Among them are missing bundles that have a
// manifest there.
func Find(bundles durable.Reader, pattern string) ([]string, error) {
	entries, err := bundles.ReadDir(".")
	if err != nil {
		return nil, err
	}
	claims, err := lists.FindClaims(bundles)
	if err != nil {
		return nil, err
	}
	all := claims.Bundles()
	for _, e := range entries {
		if path.Ext(e.Name()) != ".jsonl" {
			all = append(all, e.Name())
		}
	}
	var names []string
	for _, name := range all {
		ok, err := path.Match(pattern, name)
		if err != nil {
			return nil, fmt.Errorf("pattern %q: %w", pattern, err)
		}
		if ok {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return slices.Compact(names), nil
}

// Run extracts until all is done, or until ctx is: then no new member is
// begun, and what was done is made durable.
//
// The summary is valid also with an error. An error means that the run could not
// continue, or did not begin: *NoChecksumsError, durable.ErrNoSpace, a broken disk or
// index, ctx's cause. A member that could not be extracted, or a bundle that is damaged,
// is not an error but in the summary.
func Run(ctx context.Context, cfg Config) (*Summary, error) {
	cfg = cfg.withDefaults()
	r := &run{cfg: cfg, enough: make(chan struct{}, 1)}
	err := r.run(ctx)
	if n, qerr := cfg.Store.Quarantined(); qerr != nil {
		err = errors.Join(err, fmt.Errorf("looking into quarantine: %w", qerr))
	} else {
		r.summary.Quarantined = n
	}
	r.summary.Counts = cfg.Progress.Snapshot()
	return &r.summary, err
}

// run is the state of one Run.
type run struct {
	cfg     Config
	claims  *lists.Claims
	sums    map[bundle.Name]crate.Checksum // of whole bundles, as their catalog has them
	newest  newest                         // without an index: where the version's bytes are
	names   []string                       // of bundles that are there
	lost    []string                       // of those that have a manifest and are not
	stored  atomic.Int64                   // members given to the store
	enough  chan struct{}                  // so many were that a checkpoint is due
	refused int64                          // by the store; checkpoint's
	records records                        // for the catalog
	waiting waiting                        // of segments
	earlier struct {
		mu sync.Mutex
		of map[crate.ID]task // of whose earlier bytes a member was met
	}
	summary Summary // its problems are guarded by problems
	problems
}

// workers is how many members are worked on at a time: creating a file waits
// for the disk now and then.
func workers() int { return 2 * runtime.GOMAXPROCS(0) }

func (r *run) run(ctx context.Context) error {
	if err := r.prepare(ctx); err != nil {
		return err
	}
	if err := r.extract(ctx); err != nil {
		return err
	}
	if err := r.lookForLost(ctx); err != nil {
		return err
	}
	return r.lookForCurrent(ctx)
}

func (r *run) extract(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	done := make(chan struct{})
	g.Go(func() error {
		defer close(done)
		return r.bundles(ctx)
	})
	g.Go(func() error { return r.checkpoints(context.WithoutCancel(ctx), done) })
	return g.Wait()
}

func (r *run) bundles(ctx context.Context) error {
	var before int64
	for _, name := range r.names {
		extractOne := r.bundle
		if isSegment(name) {
			extractOne = r.segment
		}
		size, err := extractOne(ctx, name, before)
		if err != nil {
			return err
		}
		before += size
		r.cfg.Progress.read.Store(before)
		r.cfg.Progress.bundles.Add(1)
	}
	return nil
}
