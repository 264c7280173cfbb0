// Package extract extracts crates from bundles, or from segments of the deep archive, into
// a store of loose files: on the far side of an air gap, or where a program needs files.
//
// # Where checksums come from
//
// Bundles and the files beside them are untrusted input. A crate gets its name only after
// its bytes were found to have the expected checksum, which comes from:
//
//   - the receiver's own index, where Config.Index is given. This is the only
//     one of the three that an attacker who holds the medium cannot forge;
//   - else the manifest beside the bundle, which finds accidents;
//   - else, with Config.Unverified, the bundle itself: the checksums of its
//     frames, which are only believed once it was read to its end.
//
// The catalog in the folder has the checksum of each bundle as a whole. It proves no crate,
// but reveals other changes.
//
// # How it goes
//
// A manifest without its bundle means that the bundle was lost on the way. At the end, the
// run checks whether its crates arrived otherwise.
//
// Bundles are read one after the other, from beginning to end, which suits removable media.
// All cores decode and hash members, compare existing files by hash, and write missing
// ones. So the same command resumes a run that was stopped at any instant.
//
// With an index, a run first takes the names in a bundle from its manifest, because it
// needs their checksums before it reads the members. Members that no manifest names are
// looked up after the bundle was read, and extracted in a second round. Memory is bounded
// by the members of one bundle and, without an index, by 24 bytes per line of the
// manifests.
//
// # Segments
//
// Segments have no manifests. Their directories have the checksum of each version, which is
// used only with Config.Unverified. All cores rebuild packs, each once; a pack whose crates
// are all stored already is only read. A damaged pack costs only its versions.
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

// Store is the part of a store that an extraction uses.
type Store interface {
	store.Writer
	store.Reader
	store.Quarantiner
	store.Republisher
}

// Config configures an extraction.
type Config struct {
	Bundles durable.Reader // folder of the bundles, or of the segments
	Names   []string       // to extract, as from Find or FindSegments
	Store   Store
	Out     durable.FS // the folder of Store, for its free space
	Catalog Catalog    // records extracted and verified crates, so that Store becomes a mirror; if nil, nothing does

	Index      *index.Index // has the checksum of every crate; if nil, manifests do
	Unverified bool         // without index and manifest, use the checksums in the bundle itself
	Superseded bool         // also extract earlier bytes of versions, to republished/
	Overwrite  bool         // move files with other bytes to quarantine, instead of leaving them

	Reserve  int64         // stop with durable.ErrNoSpace when fewer bytes are free; default 64 MiB, negative: never
	Interval time.Duration // between checkpoints; default 5 s: a kill undoes at most the work since the last one

	Log      *slog.Logger // default: none
	Progress *Progress    // counts the work, for concurrent readers; default: not reported
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

// Find returns the names in the folder that match a pattern of package path, sorted,
// without manifests and the catalog. They include missing bundles that have a manifest
// there.
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

// Run extracts until all is done, or until ctx ends: then it begins no new member, and
// makes durable what was done.
//
// The summary is valid even with an error. An error means that the run could not continue,
// or did not begin: *NoChecksumsError, durable.ErrNoSpace, a broken disk or index, ctx's
// cause. Members that could not be extracted, and damaged bundles, are in the summary
// instead.
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

// run is the state of a Run.
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
	summary Summary // problems guards its problems
	problems
}

// workers returns how many members are processed at a time: creating files waits for the
// disk.
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
