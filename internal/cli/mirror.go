package cli

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/console"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/flags"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/follow"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/mirror"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/program"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/runlog"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/stream"
)

// sessionConfig returns the configuration of a session with the mirror in cfg. The runs of
// the session write their audit log to to.
func (a *App) sessionConfig(cfg *flags.Run, to *stream.Target, show *console.Display, log *slog.Logger) follow.SessionConfig {
	act, up := follow.NewActivity(program.Version(), program.ExitCode), a.Upstreams(cfg, log)
	s := follow.SessionConfig{
		Home: a.HomeConfig(cfg, log), Activity: act, Log: log,
		Client: up.First, Origins: up.Set,
		Listen: func() (stop func(), err error) { return cfg.Listen.Serve(adminHandler(act, &cfg.Home, up), log) },
		Watch: func(ctx context.Context, p *mirror.Progress) (stop func()) {
			forget := context.AfterFunc(ctx, func() {
				log.Info("stopping: running downloads have 10 s to finish; a second signal stops immediately")
			})
			done := show.Follow(follow.Progress(p), log)
			return func() { done(); forget() }
		},
	}
	if to.Stream != nil {
		s.Stream = runlog.Stream(to.Stream)
	} else {
		s.Home.Manifest = to.File
	}
	return s
}

// mirror runs a job on the folders of cfg and prints its result. Errors include a verdict.
func (a *App) mirror(ctx context.Context, cfg *flags.Run, job mirror.Config, show *console.Display) (err error) {
	to, err := openManifest(ctx, cfg)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, to.Close()) }()
	session := a.sessionConfig(cfg, &to, show, job.Log)
	defer session.Close()
	var summary *mirror.Summary
	err = follow.Open(ctx, &session, func(s *follow.Session) (err error) {
		if summary, err = s.Run(ctx, job); err != nil { // more important than the verdict
			return err
		}
		return follow.Verdict(summary, &cfg.Home, cfg.AllowMissing)
	})
	a.printRun(summary, cfg, &to, job.Log)
	return err
}

// openManifest opens the audit log if it is a stream, such as a FIFO; a run creates a file.
func openManifest(ctx context.Context, cfg *flags.Run) (to stream.Target, err error) {
	if to, err = stream.OpenTarget(ctx, cfg.Home.Manifest); err != nil {
		err = fmt.Errorf("-manifest: %w", err)
	}
	return to, err
}

// printRun prints the result of a run, if the run completed its plan.
func (a *App) printRun(s *mirror.Summary, cfg *flags.Run, to *stream.Target, log *slog.Logger) {
	if s != nil && s.Plan != nil {
		if !cfg.Log.ForPeople(a.Stderr) { // people read the printed summary instead
			logSummary(log, s, cfg)
		}
		s.Print(console.Wrap(to.Results(a.Stdout, a.Stderr)), where(cfg), cfg.Home.Manifest)
	}
}

// logSummary logs the line "run summary", which scripts written for v1.1.0 parse.
func logSummary(log *slog.Logger, s *mirror.Summary, cfg *flags.Run) {
	log.Info("run summary", "processed", s.Processed(), "ok", s.OK(), "errors", s.Errors(), "downloaded", s.Downloaded,
		"existing", s.Existing, "verified_existing", s.VerifiedExisting, "elapsed", s.Elapsed.String(),
		"rate_per_sec", fmt.Sprintf("%.1f", s.Rate()), "out", cfg.Home.Crates, "manifest", cfg.Home.Manifest)
}

// where returns the names of the folders, or of the bucket, in which a run stores crates.
func where(cfg *flags.Run) string {
	bundles := cfg.Home.Bundles
	if cfg.Home.Remote != nil {
		bundles = cfg.Home.Remote.Bucket().String()
	}
	switch {
	case cfg.Bundle && cfg.BundleMode == "only":
		return bundles
	case cfg.Bundle || cfg.Home.Remote != nil || cfg.Home.HasBundles():
		return cfg.Home.Crates + " and " + bundles
	}
	return cfg.Home.Crates
}
