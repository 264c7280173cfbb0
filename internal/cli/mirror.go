package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"slices"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/console"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/flags"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/follow"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/home"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/human"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/mirror"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/runlog"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/upstream"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/verdict"
)

// sessionConfig is what is opened for runs; the audit log goes to to.
func (a *App) sessionConfig(cfg *flags.Run, to *target, show *console.Display, log *slog.Logger) follow.SessionConfig {
	act := follow.NewActivity(version())
	s := follow.SessionConfig{
		Home: a.homeConfig(cfg, log), Activity: act, Log: log,
		Client: func() (*upstream.Client, error) { return a.upstream(&cfg.Net, cfg.AllowMissing, log) },
		Listen: func(s *follow.Session) (stop func(), err error) {
			return cfg.Listen.Serve(adminHandler(act, s.Store, s.Client), log)
		},
		Watch: func(ctx context.Context, p *mirror.Progress) (stop func()) {
			forget := context.AfterFunc(ctx, func() {
				fmt.Fprintln(show, "stopping: what is in flight may end, 10 s at most; once more stops at once")
			})
			done := show.Follow(mirroring(p), log)
			return func() { done(); forget() }
		},
	}
	if to.stream != nil {
		s.Stream = runlog.Stream(to.stream)
	} else {
		s.Home.Manifest = to.file
	}
	return s
}

// mirror runs a job on the folders of cfg and says what it has come to.
func (a *App) mirror(ctx context.Context, cfg *flags.Run, job mirror.Config, show *console.Display) (err error) {
	to, err := openManifest(ctx, cfg)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, to.close()) }()
	session := a.sessionConfig(cfg, &to, show, job.Log)
	var summary *mirror.Summary
	err = follow.Open(ctx, &session, func(s *follow.Session) (err error) {
		if summary, err = s.Run(ctx, job); err != nil { // which says more than what the mirror lacks
			return err
		}
		return verdictOf(summary, cfg)
	})
	a.printRun(summary, cfg, &to, job.Log)
	return err
}

// openManifest opens the audit log of a run, if it is a stream.
func openManifest(ctx context.Context, cfg *flags.Run) (to target, err error) {
	if to, err = openTarget(ctx, cfg.Home.Manifest); err != nil {
		err = fmt.Errorf("-manifest: %w", err)
	}
	return to, err
}

// printRun says what a run has come to that got to know what is wanted.
func (a *App) printRun(s *mirror.Summary, cfg *flags.Run, to *target, log *slog.Logger) {
	if s != nil && s.Plan != nil {
		logSummary(log, s, cfg)
		printSummary(to.results(a), s, cfg)
	}
}

// logSummary is the line that v1.1.0's users have their scripts look for.
func logSummary(log *slog.Logger, s *mirror.Summary, cfg *flags.Run) {
	log.Info("run summary", "processed", s.Processed(), "ok", s.OK(), "errors", s.Errors(), "downloaded", s.Downloaded,
		"existing", s.Existing, "verified_existing", s.VerifiedExisting, "elapsed", s.Elapsed.String(),
		"rate_per_sec", fmt.Sprintf("%.1f", s.Rate()), "out", cfg.Home.Crates, "manifest", cfg.Home.Manifest)
}

// verdictOf is the error that a run deserves which went through to its end.
func verdictOf(s *mirror.Summary, cfg *flags.Run) error {
	return errors.Join(quarantined(s.Quarantined, &cfg.Home), repaired(s.Repaired, &cfg.Home), lacking(s, cfg))
}

// repaired is the verdict on damage that is none any more: said once, and no
// alarm in later runs.
func repaired(files int, d *home.Dirs) error {
	if files == 0 {
		return nil
	}
	return verdict.Integrityf("what was damaged is stored again; %s in %s, settled, show what it was", human.Plural(int64(files), "file"), d.Quarantine())
}

// wrongUpstream is how many versions upstream must refuse, with none held, for
// -allow-missing to be no excuse: it is another place, not one that has a part.
const wrongUpstream = 50

// lacking is the verdict on what the mirror should have and has not.
func lacking(s *mirror.Summary, cfg *flags.Run) error {
	var errs []error
	if s.Violated > 0 {
		errs = append(errs, verdict.Integrityf("%s not the bytes that the index or a lock file names", human.Plural(s.Violated, "version")))
	}
	if s.Unreadable > 0 {
		errs = append(errs, verdict.Integrityf("%s cannot be read, and stay where they are: look at the disk; -verify-existing puts what is stored elsewhere too into another bundle", human.Plural(s.Unreadable, "stored crate")))
	}
	if s.Lost > 0 {
		errs = append(errs, verdict.Integrityf("lost: the earlier bytes of %s that were published again, which upstream does not have any more. The versions themselves are held", human.Plural(s.Lost, "version")))
	}
	if s.LostRemoved > 0 {
		errs = append(errs, verdict.Integrityf("lost: %s that the index does not name any more and upstream does not give out: no good copy is left", human.Plural(s.LostRemoved, "version")))
	}
	if cfg.AllowMissing && s.OK() == 0 && s.Gone >= wrongUpstream {
		errs = append(errs, verdict.Incompletef("incomplete: upstream has none of the %s versions that it was asked for; look whether -crates-base-url is right", human.Count(s.Gone)))
	} else if !s.Complete(cfg.AllowMissing) {
		errs = append(errs, verdict.Incompletef("incomplete: %s of %s versions are missing; %s", human.Count(s.Missing), human.Count(s.Total()), next(s)))
	}
	return errors.Join(errs...)
}

// next is what to do about what is missing. The same command helps only where the
// reason may have passed.
func next(s *mirror.Summary) string {
	lasting := slices.ContainsFunc(s.Failures, func(f mirror.Failure) bool { return isLasting(f.Err) })
	switch {
	case s.Missing == s.BadEntries:
		return "fix the entries listed above where they come from, then run again"
	case lasting:
		return "remove the reasons listed above, then run again: that fetches what is missing and nothing else"
	case s.Missing == s.Gone:
		return "upstream does not give them out: -allow-missing goes on without, and every run asks again"
	case s.Failed+s.Unattempted+s.Gone == 0:
		return "upstream or the index names other bytes than before: see the reasons listed above"
	}
	return "run the same command again: it fetches what is missing and nothing else"
}

// isLasting reports whether an error will be the same until somebody acts.
func isLasting(err error) bool {
	return errors.Is(err, durable.ErrEscapes) || errors.Is(err, fs.ErrPermission) || errors.Is(err, durable.ErrNotRegular) ||
		errors.As(err, new(*upstream.RedirectError))
}
