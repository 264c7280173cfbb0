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

// Options say what of a mirror is packed, and what is kept beside it.
type Options struct {
	Keep        bool          // loose files and bundles stay
	Hot         bool          // the newest version of each crate stays where it is, too
	Shard       crate.Shard   // whose crates are packed
	AtLeast     int           // versions that a crate must have that are not packed
	Workers     int           // packs that are built at a time; 0 = one a core
	MaxDuration time.Duration // after which no pack is begun; 0 = no end
	SegmentSize int64         // a segment is full once it has so many bytes
	KeepOpen    bool          // the next run continues the last segment
	// Watch shows how far the run is until stop is called.
	Watch func(look func() console.State) (stop func())
	Log   *slog.Logger
}

// Mirror holds a mirror as a run does, and packs. The result is nil if that did not
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

// Round packs what a round has brought to a mirror whose stores are open. Bundles
// stay until Mirror frees them.
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

// heldOriginals removes what is in the deep archive too.
type heldOriginals struct {
	store.Remover
	w       *home.Writer
	bundles bundles // nil: there are none
	log     *slog.Logger
}

// minGarbage is which part of a bundle must be in the deep archive alone before the
// rest of it is put into another.
const minGarbage = 0.5

// FreeBundles implements Originals.
func (o heldOriginals) FreeBundles(ctx context.Context) error {
	if o.bundles == nil {
		return nil
	}
	_, err := prune.Compact(ctx, o.w.Catalog, &prune.Bundles{Folder: o.w.Bundles, Store: o.bundles, MinShare: minGarbage, Discard: true}, o.log)
	return err
}
