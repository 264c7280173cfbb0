package cli

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/catalog"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/mirror"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/runstate"
)

// mirror runs a job on the folders of cfg. A catalog that turns out to be
// damaged on the way is set aside, and the run made again without it.
func (a *App) mirror(ctx context.Context, cfg *downloadConfig, job mirror.Config, show *display) error {
	summary, err := a.mirrorOnce(ctx, cfg, job, show)
	if errors.Is(err, catalog.ErrDamaged) {
		if err := setCatalogAside(catalogPath(cfg.out), job.Log, err); err != nil {
			return err
		}
		job.Progress = mirror.NewProgress()
		summary, err = a.mirrorOnce(ctx, cfg, job, show)
	}
	if summary != nil {
		logSummary(job.Log, summary, cfg)
		printSummary(a.Stdout, summary, cfg)
	}
	return outcome(summary, err, cfg)
}

// outcome is what a run came to. Why it could not go on says more than what it
// lacks.
func outcome(s *mirror.Summary, err error, cfg *downloadConfig) error {
	if err != nil {
		return err
	}
	return verdict(s, cfg)
}

// mirrorOnce runs a job with everything that belongs to it: locks, catalog,
// manifest, client, admin listener, progress. The summary is nil if the run did
// not begin.
func (a *App) mirrorOnce(ctx context.Context, cfg *downloadConfig, job mirror.Config, show *display) (summary *mirror.Summary, err error) {
	h, err := a.open(ctx, cfg, job.Log)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, h.close()) }()
	client, err := a.upstream(&cfg.net, job.Log)
	if err != nil {
		return nil, err
	}
	defer client.Close()
	stopListening, err := listen(cfg.listen, job.Progress, client, job.Log)
	if err != nil {
		return nil, err
	}
	defer stopListening()

	if job.Fetch == nil {
		job.Fetch = client
	}
	job.Store, job.Catalog, job.Manifest, job.State = h.store, h.catalog, h.manifest, h.state
	job.Disks = h.disks(cfg)
	if h.bundles != nil {
		job.OldBundles = h.bundles
	}
	defer context.AfterFunc(ctx, func() {
		fmt.Fprintln(show, "stopping: what is in flight may end, 10 s at most; once more stops at once")
	})()
	stop := show.follow(mirroring(job.Progress), job.Log)
	defer stop()
	told := tell(h.state, func() runstate.State { return runState(job.Progress.Snapshot(), client.Status()) }, job.Log)
	summary, err = mirror.Run(ctx, job)
	told(outcome(summary, err, cfg))
	return summary, err
}

// logSummary is the line that v1.1.0's users have their scripts look for.
func logSummary(log *slog.Logger, s *mirror.Summary, cfg *downloadConfig) {
	log.Info("run summary", "processed", s.Processed(), "ok", s.OK(), "errors", s.Errors(), "downloaded", s.Downloaded,
		"existing", s.Existing, "verified_existing", s.VerifiedExisting, "elapsed", s.Elapsed.String(),
		"rate_per_sec", fmt.Sprintf("%.1f", s.Rate()), "out", cfg.out, "manifest", cfg.manifest)
}

// verdict is the error that a run deserves which went through to its end.
func verdict(s *mirror.Summary, cfg *downloadConfig) error {
	var errs []error
	if s.Quarantined > 0 {
		errs = append(errs, &integrityError{fmt.Sprintf("%d files are in %s, each with a note beside it: look at them, then remove them",
			s.Quarantined, filepath.Join(cfg.out, "quarantine"))})
	} else if s.Violated > 0 {
		errs = append(errs, &integrityError{fmt.Sprintf("%d versions are not the bytes that the index or a lock file names", s.Violated)})
	}
	if !s.Complete(cfg.allowMissing) {
		errs = append(errs, &incompleteError{fmt.Sprintf("incomplete: %s of %s versions are missing; run the same command again: it fetches what is missing and nothing else",
			count(s.Missing), count(s.Total()))})
	}
	return errors.Join(errs...)
}
