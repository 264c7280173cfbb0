package mirror

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"net/url"
	"path/filepath"
	"strings"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/catalog"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/human"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/runlog"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/store"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/upstream"
)

// batchSize bounds a batch: some 6 MB of results, as many more that wait for the commit to
// end, and the work that is lost if the process is killed.
const batchSize = 8192

// commitAll commits results in batches until r.results is closed: when a batch
// is full, and every Interval.
func (r *run) commitAll(ctx context.Context) error {
	tick := time.NewTicker(r.cfg.Interval)
	defer tick.Stop()
	var batch []*result
	for {
		select {
		case res, ok := <-r.results:
			if !ok {
				return r.commit(ctx, batch)
			}
			if batch = append(batch, res); len(batch) < batchSize {
				continue
			}
		case <-tick.C:
		}
		if err := r.commit(ctx, batch); err != nil {
			return err
		}
		if err := r.checkSpace(); err != nil {
			return err
		}
		clear(batch)
		batch = batch[:0]
	}
}

// commit makes a batch durable and records it, in the only order that loses nothing.
func (r *run) commit(ctx context.Context, batch []*result) error {
	if len(batch) == 0 {
		return nil
	}
	start := time.Now()
	slow := time.AfterFunc(slowDisk, func() {
		r.cfg.Log.Warn("the disk is slow: a commit has not finished yet; nothing is lost, downloads wait for it",
			"versions", len(batch), "since", start.Format(time.TimeOnly))
	})
	defer slow.Stop()
	if err := r.checkpoint(ctx, batch); err != nil {
		return fmt.Errorf("storing crates: %w", err)
	}
	rows, err := r.rows(batch)
	if err != nil {
		return err
	}
	if err := r.cfg.Catalog.Commit(ctx, rows); err != nil {
		return err
	}
	if err := r.cfg.Manifest.Append(r.records(batch)); err != nil {
		return err
	}
	r.count(batch)
	return nil
}

// slowDisk is how long a commit may take before the log says so.
const slowDisk = 10 * time.Second

// checkpoint makes the crates of the batch durable, and turns those that could not get
// their name into failures. The result of a crate may come one batch after the checkpoint
// that refused it.
func (r *run) checkpoint(ctx context.Context, batch []*result) error {
	outcome, err := r.cfg.Store.Checkpoint(ctx)
	if err != nil {
		return err
	}
	r.bundles.finish(outcome.Finished)
	for _, ref := range outcome.Refused {
		r.refused[ref.ID] = ref.Err
	}
	if len(r.refused) == 0 {
		return nil
	}
	for _, res := range batch {
		err := r.refused[res.item.ID]
		switch {
		case err == nil || !res.stored:
		case res.outcome == takenOver:
			res.outcome = bookkeeping // the plan finds what is there
			delete(r.refused, res.item.ID)
		default:
			res.outcome, res.err = failed, fmt.Errorf("storing %s: %w", res.item.ID, err)
			delete(r.refused, res.item.ID)
		}
	}
	return nil
}

// rows returns what the catalog must say after the batch.
func (r *run) rows(batch []*result) (b catalog.Batch, err error) {
	for _, res := range batch {
		if res.stored && res.at.Bundle != "" {
			r.bundles.paid(res.at.Bundle)
		}
		b.Versions = append(b.Versions, res.Rows...)
		b.Removed = append(b.Removed, res.Removed...)
		b.Accepted = append(b.Accepted, res.Accepted...)
		b.Dropped = append(b.Dropped, res.dropped...)
		if len(res.vanished) > 0 {
			b.Vanished = append(b.Vanished, res.vanished...)
			b.At, _ = r.cfg.Source.Revision()
		}
		if res.taken != nil {
			b.Taken = append(b.Taken, *res.taken)
		}
		if res.revision != nil {
			b.Revision = res.revision
		}
		if res.done != nil {
			b.Crates = append(b.Crates, *res.done)
		}
		switch res.outcome {
		case downloaded, verifiedExisting, takenOver:
			b.Versions = append(b.Versions, catalog.Version{
				ID: res.item.ID, Checksum: res.item.Checksum, Size: res.size,
				Placement: res.at, Yanked: res.item.Yanked, Listed: !res.item.Unlisted, VerifiedAt: res.finished,
			})
		case failed, violated, badEntry:
			if res.unnamed {
				break
			}
			b.Missing = append(b.Missing, catalog.Missing{ID: res.item.ID, Reason: human.OneLine(res.err), Since: res.finished, Tried: res.finished})
		case gone:
			if r.cfg.Repair && res.item.Unlisted {
				r.lose(res, &b)
				break
			}
			b.Gone = append(b.Gone, catalog.Gone{
				ID: res.item.ID, Status: res.gone.Evidence.Status, Evidence: evidence(&res.gone.Evidence), Since: res.finished,
			})
		}
		if res.job != nil {
			if err := r.done(res, &b); err != nil {
				return b, err
			}
		}
	}
	b.Bundles = r.bundles.whole()
	return b, nil
}

// lose removes the row of a version that the index no longer names, so that no later run
// asks for it: upstream refuses it, and no good copy is left for a repair.
func (r *run) lose(res *result, b *catalog.Batch) {
	b.Dropped = append(b.Dropped, res.item.Key())
	r.summary.LostRemoved++
	r.cfg.Log.Error("a version that the index no longer names is lost: no good copy is left, and upstream does not serve it",
		"crate", res.item.Name, "version", res.item.Version, "sha256", res.item.Checksum)
}

// evidence formats an answer of upstream as a line that fits into a database.
func evidence(e *upstream.Evidence) string {
	return fmt.Sprintf("%s; body: %.500q", e.Headers(), e.Body)
}

// records yields the lines of the manifest for the batch: one for each item of the plan.
// Each takes the place of the one before: all at once would take as much as the results.
func (r *run) records(batch []*result) iter.Seq[*runlog.Record] {
	return runlog.Each(batch, func(res *result) (rec runlog.Record, ok bool) {
		if ok = res.outcome < takenOver; ok {
			rec = r.record(res)
		}
		return rec, ok
	})
}

func (r *run) record(res *result) runlog.Record {
	rec := runlog.Record{
		Crate: res.item.Name, Version: res.item.Version, Size: res.size, Retries: res.retries,
		StartedAt: runlog.Time(res.started),
		OK:        res.outcome.ok(), Status: status(res.outcome),
	}
	if rec.FinishedAt = rec.StartedAt; !res.finished.Equal(res.started) { // equal for held versions, which are nearly all
		rec.FinishedAt = runlog.Time(res.finished)
	}
	if res.item.Version != "" && res.outcome != badEntry {
		rec.URL = withoutUser(r.cfg.url(&res.item))
	}
	if res.replaced != (crate.Checksum{}) {
		rec.Replaces = res.replaced.String()
	}
	if rec.OK {
		rec.SHA256 = res.item.Checksum.String()
		r.locate(&rec, res.item.ID, res.at)
	}
	if res.err != nil {
		rec.Error = res.err.Error()
	}
	return rec
}

// withoutUser removes user and password from a URL, because people share logs.
func withoutUser(raw string) string {
	if !strings.Contains(raw, "@") { // true of nearly all URLs, and a run has millions
		return raw
	}
	u, err := url.Parse(raw)
	if err != nil || u.User == nil {
		return raw
	}
	u.User = nil
	return u.String()
}

// locate records where a crate is stored, with paths as the operating system writes them.
func (r *run) locate(rec *runlog.Record, id crate.ID, at store.Placement) {
	if at.Loose {
		rec.Path, rec.Storage = filepath.Join(r.cfg.Out, filepath.FromSlash(id.LoosePath())), runlog.Filesystem
	}
	if at.Bundle != "" {
		rec.BundlePath, rec.BundleMember, rec.Storage = filepath.Join(r.cfg.BundlesOut, at.Bundle), id.LoosePath(), runlog.Bundle
	}
	if at.Loose && at.Bundle != "" {
		rec.Storage = runlog.FilesystemAndBundle
	}
	if rec.Storage == "" && at.Deep.Segment != "" {
		rec.Storage = runlog.Deep
	}
}

func status(o outcome) string {
	switch o {
	case downloaded:
		return runlog.Downloaded
	case existing:
		return runlog.Existing
	case verifiedExisting:
		return runlog.VerifiedExisting
	default:
		return runlog.Error
	}
}

// count updates the counters of progress and metrics.
func (r *run) count(batch []*result) {
	for _, res := range batch {
		switch res.outcome {
		case bookkeeping:
			continue
		case deferred:
			r.cfg.Progress.putOff.Add(1)
			r.cfg.Log.Info("put off", "crate", res.item.Name, "version", res.item.Version, "retries", res.retries, "err", res.err)
			continue
		}
		r.cfg.Progress.count(res.outcome)
		if errors.As(res.err, new(*unreadableError)) && !errors.Is(res.err, durable.ErrEscapes) { // not a fault of the disk
			r.cfg.Progress.unreadable.Add(1)
		}
		if res.outcome.ok() && res.replaced != (crate.Checksum{}) {
			r.cfg.Progress.again.Add(1)
		}
		if res.outcome != takenOver && !res.outcome.ok() {
			level := slog.LevelWarn
			if !r.summary.fail(res.item.ID, res.err) && res.outcome == badEntry { // otherwise the summary or the manifest lists it
				level = slog.LevelDebug
			}
			r.cfg.Log.Log(context.Background(), level, "not mirrored", "crate", res.item.Name, "version", res.item.Version, "retries", res.retries, "err", res.err)
		}
	}
}

// checkSpace stops a run before the disk is too full to record what was done.
func (r *run) checkSpace() error {
	if r.cfg.Reserve < 0 {
		return nil
	}
	for name, disk := range r.cfg.Disks {
		if err := durable.CheckFree(disk, name, 0, 0, r.cfg.Reserve); err != nil {
			return err
		}
	}
	return nil
}
