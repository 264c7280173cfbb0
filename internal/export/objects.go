package export

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"golang.org/x/sync/errgroup"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/bucket"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
)

// BucketConfig configures [RunBucket]. Fields of Config have the same meaning.
type BucketConfig struct {
	Mirror Mirror
	// To is the bucket of the tree. There must be no other objects below its prefix.
	To bucket.Bucket
	// State is a folder that records what is in the bucket; the caller holds its lock. If
	// it is lost, or another machine has exported to the bucket since, the bucket's own
	// index is read: one request per crate.
	State          durable.FS
	PublicURL      string
	AsOf           string
	Prune          bool
	VerifyExisting bool // read the crate files in the bucket, and replace wrong ones
	AcceptShrink   bool
	Log            *slog.Logger
	Progress       *Progress
}

// Cache headers: crate files never change.
const (
	cacheCrate, typeCrate = "public, max-age=31536000, immutable", "application/gzip"
	cacheIndex, typeIndex = "public, max-age=60", "text/plain; charset=utf-8"
	typeConfig            = "application/json"
)

// requests is how many requests to the bucket run at a time.
const requests = 32

// bucketRun is the state of a RunBucket.
type bucketRun struct {
	BucketConfig
	claim *bucketClaim
	state *objectState
	shown map[string]bool // index paths that the mirror shows; used only by RunBucket's goroutine
}

// RunBucket updates a tree in a bucket from the mirror, in the order that the package
// comment promises: there is no index.git, and each object is durable once it is put. If
// two runs write to a bucket, the one that began first stops.
func RunBucket(ctx context.Context, cfg BucketConfig) (*Summary, error) {
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.Progress == nil {
		cfg.Progress = new(Progress)
	}
	r := &bucketRun{BucketConfig: cfg, shown: map[string]bool{}}
	err := r.all(ctx)
	return cfg.Progress.summary(), err
}

func (r *bucketRun) all(ctx context.Context) error {
	names, err := r.Mirror.Names(ctx)
	if err != nil {
		return err
	}
	if len(names) == 0 {
		return ErrEmpty
	}
	if err := r.open(ctx); err != nil {
		return err
	}
	if err := inBatches(ctx, r.Progress, names, r.batch); err != nil {
		return err
	}
	if len(r.shown) == 0 {
		return ErrEmpty
	}
	if err := r.claim.check(ctx); err != nil {
		return err
	}
	if err := r.config(ctx); err != nil {
		return err
	}
	if err := r.removeStale(ctx); err != nil {
		return err
	}
	if r.Prune {
		if err := r.prune(ctx); err != nil {
			return err
		}
	}
	return r.state.compact()
}

// open claims the bucket for this run, and determines what is in it.
func (r *bucketRun) open(ctx context.Context) (err error) {
	before, err := claimBucket(ctx, r.To, r.AsOf)
	if err != nil {
		return err
	}
	r.claim = before
	if r.state, err = loadState(r.State, before.was); err != nil {
		return err
	}
	if r.state == nil {
		r.Log.Info("no local record of the bucket: reading its index", "bucket", r.To.String())
		if r.state, err = listState(ctx, r.To, r.State); err != nil {
			return err
		}
	}
	return r.state.begin(before.run)
}

// batch exports some crates: crate files, then the lines that name them. It first removes
// records that are about to become wrong.
func (r *bucketRun) batch(ctx context.Context, names []string) error {
	if err := r.claim.check(ctx); err != nil {
		return err
	}
	work := make([]objects, len(names))
	err := each(ctx, len(names), func(ctx context.Context, n int) (err error) {
		work[n], err = r.stage(ctx, names[n])
		r.Progress.done.Add(1)
		return err
	})
	if err != nil {
		return err
	}
	var changed []string
	for _, o := range work {
		if o.changed() {
			changed = append(changed, o.path)
		}
		if o.path != "" {
			r.shown[o.path] = true
		}
	}
	if err := r.state.forget(changed); err != nil {
		return err
	}
	err = each(ctx, len(work), func(ctx context.Context, n int) error { return r.publish(ctx, &work[n]) })
	return errors.Join(err, r.state.remember(work))
}

func each(ctx context.Context, n int, do func(ctx context.Context, n int) error) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(requests)
	for i := range n {
		g.Go(func() error {
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			return do(ctx, i)
		})
	}
	return g.Wait()
}

// config puts config.json, last, as on disk.
func (r *bucketRun) config(ctx context.Context) error {
	body := bucket.Bytes(configJSON(r.PublicURL))
	body.ContentType, body.CacheControl = typeConfig, cacheIndex
	_, equal, err := holds(ctx, r.To, configName, body)
	if err == nil && !equal {
		_, err = r.To.Put(ctx, configName, body, bucket.Always())
	}
	if err != nil {
		return fmt.Errorf("storing config.json: %w", err)
	}
	return nil
}
