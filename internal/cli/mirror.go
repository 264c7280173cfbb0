package cli

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/mirror"
)

// mirror runs a job on the folders of cfg, with everything that belongs to it:
// lock, catalog, manifest, client, admin listener, progress, summary.
func (a *App) mirror(ctx context.Context, cfg *downloadConfig, job mirror.Config, show *display) (err error) {
	h, err := a.open(ctx, cfg, job.Log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, h.close()) }()
	client, err := a.upstream(&cfg.net, job.Log)
	if err != nil {
		return err
	}
	defer client.Close()
	stopListening, err := listen(cfg.listen, job.Progress, client, job.Log)
	if err != nil {
		return err
	}
	defer stopListening()

	job.Fetch, job.Store, job.Catalog, job.Manifest, job.State = client, h.store, h.catalog, h.manifest, h.state
	job.Disks = h.disks(cfg)
	defer context.AfterFunc(ctx, func() {
		fmt.Fprintln(show, "stopping: what is in flight may end, 10 s at most; once more stops at once")
	})()
	stop := show.follow(job.Progress, job.Log)
	summary, err := mirror.Run(ctx, job)
	stop()
	logSummary(job.Log, summary, cfg)
	printSummary(a.Stdout, summary, cfg)
	return errors.Join(err, verdict(summary, cfg))
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
		errs = append(errs, &integrityError{fmt.Sprintf("%d versions are not the bytes that the index names", s.Violated)})
	}
	if !s.Complete(cfg.allowMissing) {
		errs = append(errs, &incompleteError{fmt.Sprintf("incomplete: %s of %s versions are missing; run the same command again: it fetches what is missing and nothing else",
			count(s.Missing), count(s.Total()))})
	}
	return errors.Join(errs...)
}
