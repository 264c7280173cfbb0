package repack

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"runtime"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/console"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/home"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/prune"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/store"
)

// Options say what to pack, and what to keep beside it.
type Options struct {
	Keep        bool          // keep loose files and bundles
	Hot         bool          // also keep the newest version of each crate where it is
	Shard       crate.Shard   // of the crates to pack
	AtLeast     int           // minimum number of unpacked versions of a crate
	Workers     int           // packs built at a time; 0 = one per core
	MaxDuration time.Duration // after which no pack is begun; 0 = no limit
	SegmentSize int64         // size of a full segment, bytes
	KeepOpen    bool          // the next run continues the last segment
	// Watch shows the progress of the run until stop is called.
	Watch func(look func() console.State) (stop func())
	Log   *slog.Logger
}

// Mirror opens a mirror as a run does, and packs. The result is nil if packing did not
// begin.
func Mirror(ctx context.Context, mirror home.Config, opt Options) (done *Done, err error) {
	w, err := home.Hold(mirror)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, w.Close()) }()
	if err := w.OpenKnownCatalog(); err != nil {
		return nil, err
	}
	o := heldOriginals{Remover: w.Loose, w: w, log: opt.Log}
	job := opt.config()
	job.Open = w.Loose.Open
	if o.bundles, err = bundlesIfThere(ctx, w, mirror.Dirs.Bundles); err != nil {
		return nil, err
	}
	if o.bundles != nil {
		job.Open = o.bundles.Open
	}
	if !opt.Keep {
		job.Originals = o
	}
	return opt.pack(ctx, w, job)
}

// Round packs what a round has added to a mirror whose stores are open. Bundles stay until
// Mirror frees them.
func Round(ctx context.Context, w *home.Writer, opt Options) (*Done, error) {
	job := opt.config()
	job.Open = w.Store.Open
	if !opt.Keep {
		job.Originals = heldOriginals{Remover: w.Store, w: w, log: opt.Log}
	}
	return opt.pack(ctx, w, job)
}

func (opt *Options) config() Config {
	job := Config{
		Shard: opt.Shard, Hot: opt.Hot, AtLeast: opt.AtLeast, KeepOpen: opt.KeepOpen, Progress: new(Progress), Log: opt.Log,
		Workers: cmp.Or(opt.Workers, runtime.GOMAXPROCS(0)),
	}
	if opt.MaxDuration > 0 {
		job.Deadline = time.Now().Add(opt.MaxDuration)
	}
	return job
}

// pack opens the segments and packs what is not in them.
func (opt *Options) pack(ctx context.Context, w *home.Writer, job Config) (_ *Done, err error) {
	folder, err := w.OpenDeep()
	if err != nil {
		return nil, err
	}
	if job.Segments, err = OpenSegments(ctx, folder, opt.Shard, opt.SegmentSize, w.Catalog, opt.Log); err != nil {
		return nil, err
	}
	job.Segments.number = w.SegmentNumber()
	job.Catalog = w.Catalog
	defer func() { err = errors.Join(err, job.Segments.Close()) }()
	totals, err := w.Catalog.Totals(ctx)
	if err != nil {
		return nil, err
	}
	stop := opt.Watch(job.Progress.State(totals.Versions))
	done, err := Run(ctx, job)
	stop()
	return &done, err
}

func bundlesIfThere(ctx context.Context, w *home.Writer, dir string) (bundles, error) {
	folder, err := home.OpenIfThere(dir)
	if err != nil || folder == nil {
		return nil, err
	}
	if err := folder.Close(); err != nil {
		return nil, err
	}
	return w.OpenBundles(ctx)
}

// bundles is a bundled.Store.
type bundles interface {
	store.Reader
	prune.Store
}

// heldOriginals removes copies of what is in the deep archive.
type heldOriginals struct {
	store.Remover
	w       *home.Writer
	bundles bundles // nil: none
	log     *slog.Logger
}

// minGarbage is the minimum share of a bundle that must be only in the deep archive before
// the rest of it is copied to another bundle.
const minGarbage = 0.5

// FreeBundles implements Originals.
func (o heldOriginals) FreeBundles(ctx context.Context) error {
	if o.bundles == nil {
		return nil
	}
	_, err := prune.Compact(ctx, o.w.Catalog, &prune.Bundles{Folder: o.w.Bundles, Store: o.bundles, MinShare: minGarbage, Discard: true}, o.log)
	return err
}
