package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/urfave/cli/v3"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/catalog"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/mirror"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/store/loose"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/verify"
)

// verifyConfig is the flags of verify.
type verifyConfig struct {
	dirs
	maxDuration time.Duration
	restart     bool
	repair      bool
	baseURL     string
	net         netConfig
	log         logConfig
	progress    progressConfig
}

func verifyCommand(a *App) *cli.Command {
	var cfg verifyConfig
	flags := append(cfg.dirs.flags(), cfg.manifestFlag(),
		&cli.DurationFlag{Name: "max-duration", Usage: "stop after so long; the next run goes on from there. 0 = when all is hashed", Destination: &cfg.maxDuration},
		&cli.BoolFlag{Name: "restart", Usage: "begin at the first crate, not where the last run stopped", Destination: &cfg.restart},
		&cli.BoolFlag{Name: "repair", Usage: "fetch anew what is damaged or missing; what is damaged is moved to quarantine first", Destination: &cfg.repair},
		&cli.StringFlag{Name: "crates-base-url", Value: "https://static.crates.io/crates", Usage: "for -repair: crate files are at `URL`/{name}/{name}-{version}.crate", Destination: &cfg.baseURL},
	)
	flags = append(flags, cfg.net.flags()...)
	flags = append(flags, cfg.log.flags()...)
	flags = append(flags, cfg.progress.flags()...)
	return &cli.Command{
		Name:         "verify",
		Usage:        "hash everything that is held, and say what is damaged, missing or unreadable",
		ArgsUsage:    "[-mirror DIR] [-max-duration D] [-repair]",
		Description:  "Reads and needs no lock: a mirror may be written meanwhile. A run that was stopped\nis gone on with by the next one.\n\n" + verifyExitCodes,
		Flags:        flags,
		OnUsageError: onUsageError,
		Action: func(ctx context.Context, cmd *cli.Command) error {
			err := cfg.check(cmd.Args().Slice())
			if err == nil {
				err = a.verify(ctx, &cfg)
			}
			if usage := new(usageError); errors.As(err, &usage) {
				usage.cmd = cmd
			}
			return err
		},
	}
}

const verifyExitCodes = `Exit codes:
   0    everything that is held is what was verified when it came
   3    stopped before all was hashed; nothing wrong was found
   4    something is damaged, missing or unreadable
   and those of download: 1, 2, 10, 130, 143`

func (cfg *verifyConfig) check(args []string) error {
	if len(args) > 0 {
		return usagef("unexpected argument %q", args[0])
	}
	if cfg.maxDuration < 0 {
		return usagef("-max-duration is %v, want 0 (no limit) or more", cfg.maxDuration)
	}
	cfg.fill()
	return errors.Join(checkBaseURL(&cfg.baseURL), cfg.net.check(), cfg.log.check(), cfg.progress.check(), cfg.dirs.check())
}

// verify hashes, and repairs if that is asked for.
func (a *App) verify(ctx context.Context, cfg *verifyConfig) error {
	show := newDisplay(a.Stderr, &cfg.progress)
	log := cfg.log.logger(show)
	cursor, bad, err := a.sweep(ctx, cfg, show, log)
	if err != nil {
		return err
	}
	if cfg.repair && len(bad) > 0 {
		return a.repair(ctx, cfg, bad, show, log)
	}
	switch {
	case len(cursor.Bad) > 0:
		return &integrityError{fmt.Sprintf("%s versions are not what they should be: verify -repair fetches them anew", count(int64(len(cursor.Bad))))}
	case !cursor.Begun.IsZero():
		return &incompleteError{fmt.Sprintf("stopped behind %s: the next run goes on from there", cursor.After)}
	}
	return nil
}

// sweep is one run over what is held, from where the last one stopped. It
// returns how far it came and what it found.
func (a *App) sweep(ctx context.Context, cfg *verifyConfig, show *display, log *slog.Logger) (_ *verify.Cursor, bad []mirror.Entry, err error) {
	r, err := openForReading(ctx, cfg.out, cfg.bundles)
	if err != nil {
		return nil, nil, err
	}
	defer r.close()
	state, lock, err := a.openCursor(cfg.out)
	if err != nil {
		return nil, nil, err
	}
	defer func() { err = errors.Join(err, state.Close(), lock.Release()) }()
	cursor, err := verify.ReadCursor(state)
	if err != nil {
		return nil, nil, err
	}
	if cfg.restart || cursor.Begun.IsZero() {
		cursor = verify.Cursor{Begun: time.Now().UTC(), Finished: cursor.Finished}
	}
	totals, err := r.catalog.Totals(ctx)
	if err != nil {
		return nil, nil, err
	}
	var found []crate.ID
	job := verify.Config{
		Catalog: r.catalog, Store: r.store, Again: cursor.Passed(), After: cursor.After, Progress: new(verify.Progress),
		Found: func(p verify.Problem) error {
			if len(found) < verify.MaxBad {
				found = append(found, p.ID)
				bad = append(bad, mirror.Entry{ID: p.ID, Checksum: p.Checksum, Yanked: p.Yanked})
			}
			_, err := fmt.Fprintf(a.Stdout, "%s: %s\n", p.Kind, printable(p.Err.Error()))
			return err
		},
	}
	slice, stop := ctx, func() {}
	if cfg.maxDuration > 0 {
		slice, stop = context.WithTimeoutCause(ctx, cfg.maxDuration, errSliceEnds)
	}
	defer stop()
	followed := show.follow(verifying(job.Progress, cursor.Versions, totals), log)
	s, err := verify.Run(slice, job)
	followed()
	cursor.Advance(s, found, time.Now().UTC())
	printSweep(a.Stdout, s, &cursor, totals)
	if errors.Is(err, errSliceEnds) {
		err = nil
	}
	return &cursor, bad, errors.Join(err, cursor.Write(state))
}

// errSliceEnds: -max-duration is over.
var errSliceEnds = errors.New("-max-duration is over")

// openCursor opens the folder where the cursor is, for one verification at a
// time.
func (a *App) openCursor(out string) (durable.FS, *durable.Lockfile, error) {
	dir := filepath.Join(out, loose.StateDir)
	state, err := a.folder(dir)
	if err != nil {
		return nil, nil, err
	}
	lock, err := durable.Lock(filepath.Join(dir, "verify.lock"), durable.Self(filepath.Base(os.Args[0])+" verify -out "+out))
	if err != nil {
		return nil, nil, errors.Join(err, state.Close())
	}
	return state, lock, nil
}

// verifying is the state of a sweep.
func verifying(p *verify.Progress, before int64, totals catalog.Totals) func() state {
	begun := time.Now()
	return func() state {
		versions, bytes, problems := p.Counts()
		s := state{done: before + versions, total: totals.Versions, processed: versions}
		rate := int64(float64(bytes) / max(time.Since(begun).Seconds(), 0.001))
		s.line = fmt.Sprintf(" %s of %s, %s/s", count(s.done), count(s.total), size(rate))
		if problems > 0 {
			s.line += fmt.Sprintf(", %s bad", count(problems))
		}
		s.attrs = []any{"versions", s.done, "total", s.total, "bytes", bytes, "bad", problems}
		return s
	}
}

func printSweep(w io.Writer, s *verify.Summary, c *verify.Cursor, totals catalog.Totals) {
	fmt.Fprintf(w, "%s versions hashed, %s", count(s.Versions), size(s.Bytes))
	if !s.Complete {
		fmt.Fprintf(w, "; %s of %s in this sweep", count(c.Versions), count(totals.Versions))
	}
	fmt.Fprintln(w)
	for _, k := range []verify.Kind{verify.Damaged, verify.Missing, verify.Unreadable} {
		if n := s.Problems[k]; n > 0 {
			fmt.Fprintf(w, "%12s  %s\n", count(n), k)
		}
	}
}

// repair gives what is bad to the main job, which hashes it once more, sets it
// aside and fetches it.
func (a *App) repair(ctx context.Context, cfg *verifyConfig, bad []mirror.Entry, show *display, log *slog.Logger) error {
	job := mirror.Config{
		Source: mirror.FromList(bad, nil), BaseURL: cfg.baseURL, Out: cfg.out, BundlesOut: cfg.bundles, IncludeYanked: true,
		VerifyExisting: true, Concurrency: cfg.net.concurrency, Log: log,
	}
	return a.mirror(ctx, &runConfig{
		out: cfg.out, bundlesOut: cfg.bundles, manifest: cfg.manifest, baseURL: cfg.baseURL, durability: "batch", net: cfg.net,
	}, job, show)
}
