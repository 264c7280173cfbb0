package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/bucket/address"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/export"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/flags"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/reader"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/verdict"
)

// exportTo writes the tree to a bucket.
func (a *App) exportTo(ctx context.Context, cfg *exportConfig) (err error) {
	show, log := cfg.progress.Terminal(a.Stderr, &cfg.log)
	v, err := reader.Open(ctx, reader.Config{Dirs: cfg.dirs.Dirs, Log: log})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, v.Close()) }()
	source, asOf, done, err := cfg.source(ctx, v, log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, done()) }()
	to, err := address.Open(ctx, cfg.transfer.To, address.Options{Log: log})
	if err != nil {
		return err
	}
	state, err := export.OpenState(cfg.stateDir(to.String()), a.Folder, durable.Self(filepath.Base(os.Args[0])+" export -to "+to.String()))
	if err != nil {
		return fmt.Errorf("%w; -state says where else what is in the bucket can be remembered", err)
	}
	defer func() { err = errors.Join(err, state.Close()) }()

	job := export.BucketConfig{
		Mirror: source, AsOf: asOf.Commit, To: to, State: state.Folder, PublicURL: string(cfg.address), Prune: cfg.prune,
		VerifyExisting: cfg.verifyExisting, AcceptShrink: cfg.acceptShrink, Log: log, Progress: new(export.Progress),
	}
	stop := show.Follow(job.Progress.State, log)
	summary, err := export.RunBucket(ctx, job)
	stop()
	switch {
	case errors.Is(err, export.ErrForeign), errors.As(err, new(*export.PointError)):
		return flags.Usagef("-to %s: %w", to, err)
	case errors.Is(err, export.ErrEmpty):
		return verdict.Incompletef("%v; the export stays as it was", err)
	case err != nil:
		return err
	}
	if asOf.Commit != "" {
		fmt.Fprintf(a.Stdout, "as of %s: commit %s\n", cfg.asOf, asOf)
	}
	summary.Print(a.Stdout, to.String())
	fmt.Fprint(a.Stdout, cfg.address.CargoConfig())
	return summary.Verdict()
}

// stateDir returns the folder that remembers which objects are in the bucket at address.
func (cfg *exportConfig) stateDir(address string) string {
	if cfg.state != "" {
		return cfg.state
	}
	return filepath.Join(cfg.dirs.State(), "exports", export.StateName(address))
}
