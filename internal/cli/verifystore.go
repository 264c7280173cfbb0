package cli

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/audit"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/console"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/flags"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/follow"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/plan"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/stream"
)

// verifyStore hashes the objects in a bucket, and with -repair replaces damaged bundles.
func (a *App) verifyStore(ctx context.Context, cfg *verifyConfig, show *console.Display, log *slog.Logger) error {
	b, err := cfg.store.Open(ctx, true, log)
	if err != nil {
		return err
	}
	report := audit.Report{Bucket: b, State: cfg.dirs.State(), Restart: cfg.restart, Slice: time.Duration(cfg.maxDuration)}
	bad, err := report.Write(ctx, a.Stdout)
	if !cfg.repair || len(bad) == 0 {
		return err
	}
	if err := a.repairStore(ctx, cfg, bad, show, log); err != nil {
		return err
	}
	report.Restart = true
	_, err = report.Write(ctx, a.Stdout)
	return err
}

// repairStore writes the crates of damaged bundles to new bundles, and then replaces the
// damaged ones in the bucket's root.
func (a *App) repairStore(ctx context.Context, cfg *verifyConfig, bad []string, show *console.Display, log *slog.Logger) error {
	if err := errors.Join(cfg.net.FitOpenFiles(log), cfg.origin.ResolveIn(ctx, cfg.dirs.Index, log)); err != nil {
		return err
	}
	run := flags.Run{
		Home: cfg.dirs.Dirs, Origin: cfg.origin, Durability: flags.Batches, Net: cfg.net, SecondPass: flags.UsualSecondPass,
		Bundle: true, BundleMode: "only", BundleSize: flags.UsualBundleSize,
	}
	session := a.sessionConfig(&run, &stream.Target{File: cfg.dirs.Manifest}, show, log)
	to := flags.Push{Store: cfg.store}
	pusher, err := to.Pusher(ctx, &session.Home)
	if err != nil {
		return err
	}
	session.Push = pusher
	return follow.Open(ctx, &session, func(s *follow.Session) error {
		damage, err := pusher.Damage(ctx, bad)
		if err != nil {
			return err
		}
		job := run.Job(plan.FromList(damage.Entries, nil), log)
		job.IncludeYanked, job.Repair, job.AllowEmpty, job.Superseded = true, true, true, damage.Superseded
		job.Fetch = damage.Fetch(s.Fetch)
		if _, err := s.Run(ctx, job); err != nil {
			return err
		}
		return pusher.Replace(ctx, damage)
	})
}
