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
	"github.com/APTlantis/Mirror-Rust-Crates/internal/console"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/flags"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/human"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/plan"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/program"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/verdict"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/verify"
)

// verifyConfig holds the flags of verify.
type verifyConfig struct {
	dirs        flags.Dirs
	store       flags.Store
	maxDuration flags.MaxDuration
	restart     bool
	repair      bool
	deep        string
	shard       flags.Shard
	origin      flags.Origin
	net         flags.Net
	log         flags.Log
	progress    flags.Progress
}

func verifyCommand(a *App) *cli.Command {
	var cfg verifyConfig
	list := append(cfg.dirs.Flags(), cfg.dirs.ManifestFlag(),
		cfg.store.Flag("hash every object that the root of this bucket names, and list the others"),
		cfg.maxDuration.Flag("stop after this long; the next run resumes there. 0 = no limit"),
		&cli.BoolFlag{Name: "restart", Usage: "start at the first crate, not where the last run stopped", Destination: &cfg.restart},
		&cli.BoolFlag{Name: "repair", Usage: "download damaged and missing versions again, after moving damaged files to quarantine", Destination: &cfg.repair},
		&cli.StringFlag{Name: "deep", Value: "crates", Usage: "`crates|tars`: in the deep archive, rebuild and hash each .crate, or hash only the unpacked tars, which is an order of magnitude faster", Destination: &cfg.deep},
		cfg.shard.Flag("hash only"),
		cfg.origin.Flag("for -repair: download crate files from "),
	)
	list = append(list, cfg.net.Flags()...)
	list = append(list, cfg.log.Flags()...)
	list = append(list, cfg.progress.Flags()...)
	return &cli.Command{
		Name:         "verify",
		Usage:        "hash every stored crate, and list what is damaged, missing or unreadable",
		ArgsUsage:    "[-mirror DIR] [-max-duration D] [-deep crates|tars] [-repair]",
		Description:  helpText("verify"),
		Flags:        list,
		OnUsageError: program.OnUsageError,
		Action:       program.Action(cfg.check, func(ctx context.Context) error { return a.verify(ctx, &cfg) }),
	}
}

func (cfg *verifyConfig) check() error {
	if err := cfg.maxDuration.Check(); err != nil {
		return err
	}
	if cfg.deep != "crates" && cfg.deep != "tars" {
		return flags.Usagef("-deep is %q, want crates or tars", cfg.deep)
	}
	cfg.dirs.Fill()
	if cfg.store.URL != "" {
		if cfg.deep != "crates" {
			return flags.Usagef("-store hashes objects whole: -deep is for the folders of a mirror")
		}
		return errors.Join(flags.CheckUpstream(&cfg.origin, &cfg.net), cfg.store.Check(), cfg.log.Check(), cfg.progress.Check())
	}
	return errors.Join(cfg.shard.Check(), flags.CheckUpstream(&cfg.origin, &cfg.net), cfg.log.Check(), cfg.progress.Check(), cfg.dirs.CheckWhole())
}

// verify hashes the mirror, and with -repair repairs it. Errors: a verdict if problems remain.
func (a *App) verify(ctx context.Context, cfg *verifyConfig) error {
	show, log := cfg.progress.Terminal(a.Stderr, &cfg.log)
	if cfg.store.URL != "" {
		return a.verifyStore(ctx, cfg, show, log)
	}
	v, err := a.verification(ctx, cfg, log, func(s *verify.Session) error { return a.sweep(ctx, cfg, s, show, log) })
	if err != nil {
		return err
	}
	if !cfg.repair || len(v.Found) == 0 {
		return v.Verdict()
	}
	repaired := a.repair(ctx, cfg, v, show, log)
	if repaired != nil && !verdict.Is(repaired) {
		return repaired
	}
	if v, err = a.verification(ctx, cfg, log, func(s *verify.Session) error { return s.LookAgain(ctx) }); err != nil {
		return errors.Join(repaired, err)
	}
	return errors.Join(repaired, v.Verdict())
}

func printSweep(w io.Writer, s *verify.Summary, v *verify.Session, totals catalog.Totals) {
	fmt.Fprintf(w, "%s hashed, %s", human.Plural(s.Versions, "version"), human.Size(s.Bytes))
	if v.TarsOnly {
		fmt.Fprint(w, "; of the deep archive the tars alone")
	}
	if !s.Complete {
		fmt.Fprintf(w, "; %s of %s in this sweep", human.Count(v.Cursor.Versions), human.Count(totals.Versions))
	}
	fmt.Fprintln(w)
	for _, k := range []verify.Kind{verify.Damaged, verify.Missing, verify.Unreadable} {
		if n := s.Problems[k]; n > 0 {
			fmt.Fprintf(w, "%12s  %s\n", human.Count(n), k)
		}
	}
}

// repair runs a mirror job over the versions with problems: it hashes them again, moves
// damaged files to quarantine and downloads the versions. Earlier bytes of a version that
// was published again cannot be downloaded; of these, the job keeps the undamaged copies.
func (a *App) repair(ctx context.Context, cfg *verifyConfig, v *verify.Session, show *console.Display, log *slog.Logger) error {
	if err := cfg.net.FitOpenFiles(log); err != nil {
		return err
	}
	if err := cfg.origin.ResolveIn(ctx, cfg.dirs.Index, log); err != nil {
		return err
	}
	run := flags.Run{
		Home: cfg.dirs.Dirs, Origin: cfg.origin, Durability: flags.Batches, Net: cfg.net,
		SecondPass: flags.UsualSecondPass,
	}
	entries, superseded := v.Bad()
	job := run.Job(plan.FromList(entries, nil), log)
	job.IncludeYanked, job.VerifyExisting, job.Repair = true, true, true
	job.Superseded, job.AllowEmpty = superseded, true
	return a.mirror(ctx, &run, job, show)
}

func (a *App) verification(ctx context.Context, cfg *verifyConfig, log *slog.Logger, do func(*verify.Session) error) (*verify.Session, error) {
	owner := durable.Self(filepath.Base(os.Args[0]) + " verify -out " + cfg.dirs.Crates)
	return verify.With(ctx, &cfg.dirs.Dirs, a.Disk, owner, log, do)
}

// sweep hashes the stored crates, and prints each problem at once and a summary at the end.
func (a *App) sweep(ctx context.Context, cfg *verifyConfig, v *verify.Session, show *console.Display, log *slog.Logger) error {
	v.TarsOnly, v.Shard = cfg.deep == "tars", cfg.shard.Shard
	v.Begin(cfg.restart)
	totals, err := v.Catalog.Totals(ctx)
	if err != nil {
		return err
	}
	progress := new(verify.Progress)
	followed := show.Follow(progress.State(v.Cursor.Versions, totals.Versions), log)
	s, err := v.Sweep(ctx, time.Duration(cfg.maxDuration), progress, func(p verify.Problem) error {
		_, err := fmt.Fprintf(a.Stdout, "%s: %s\n", p.Kind, human.Printable(p.Err.Error()))
		return err
	})
	followed()
	printSweep(console.Wrap(a.Stdout), s, v, totals)
	return err
}
