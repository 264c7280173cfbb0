package cli

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/mirror"
)

// mirror runs a job on the folders of cfg and says what it has come to.
func (a *App) mirror(ctx context.Context, cfg *runConfig, job mirror.Config, show *display) error {
	var summary *mirror.Summary
	err := a.session(ctx, session{cfg: cfg, act: newActivity(), show: show, log: job.Log}, func(s *session) (err error) {
		summary, err = s.run(ctx, job)
		return outcome(summary, err, cfg)
	})
	if summary != nil && summary.Plan != nil { // otherwise it did not get to know what is wanted
		logSummary(job.Log, summary, cfg)
		printSummary(a.Stdout, summary, cfg)
	}
	return err
}

// outcome is what a run came to. Why it could not go on says more than what it
// lacks.
func outcome(s *mirror.Summary, err error, cfg *runConfig) error {
	if err != nil {
		return err
	}
	return verdict(s, cfg)
}

// logSummary is the line that v1.1.0's users have their scripts look for.
func logSummary(log *slog.Logger, s *mirror.Summary, cfg *runConfig) {
	log.Info("run summary", "processed", s.Processed(), "ok", s.OK(), "errors", s.Errors(), "downloaded", s.Downloaded,
		"existing", s.Existing, "verified_existing", s.VerifiedExisting, "elapsed", s.Elapsed.String(),
		"rate_per_sec", fmt.Sprintf("%.1f", s.Rate()), "out", cfg.out, "manifest", cfg.manifest)
}

// verdict is the error that a run deserves which went through to its end.
func verdict(s *mirror.Summary, cfg *runConfig) error {
	return errors.Join(quarantined(s.Quarantined, cfg.out), lacking(s, cfg))
}

// wrongUpstream is how many versions upstream must refuse, with none held, for
// -allow-missing to be no excuse: it is another place, not one that has a part.
const wrongUpstream = 50

// lacking is the verdict on what the mirror should have and has not.
func lacking(s *mirror.Summary, cfg *runConfig) error {
	var errs []error
	if s.Violated > 0 {
		errs = append(errs, &integrityError{fmt.Sprintf("%s not the bytes that the index or a lock file names", plural(s.Violated, "version"))})
	}
	if s.Unreadable > 0 {
		errs = append(errs, &integrityError{fmt.Sprintf("%s cannot be read, and stay where they are: look at the disk; -verify-existing puts what is stored elsewhere too into another bundle", plural(s.Unreadable, "stored crate"))})
	}
	if cfg.allowMissing && s.OK() == 0 && s.Gone >= wrongUpstream {
		errs = append(errs, &incompleteError{fmt.Sprintf("incomplete: upstream has none of the %s versions that it was asked for; look whether -crates-base-url is right", count(s.Gone))})
	} else if !s.Complete(cfg.allowMissing) {
		next := "run the same command again: it fetches what is missing and nothing else"
		if s.Missing == s.BadEntries {
			next = "fix the entries listed above where they come from, then run again"
		}
		errs = append(errs, &incompleteError{fmt.Sprintf("incomplete: %s of %s versions are missing; %s", count(s.Missing), count(s.Total()), next)})
	}
	return errors.Join(errs...)
}
