package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"

	"github.com/urfave/cli/v3"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/attest"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/flags"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/home"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/human"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/program"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/tilelog"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/verdict"
)

// attestConfig holds the flags of attest.
type attestConfig struct {
	dirs    flags.Dirs
	signers flags.Signers
	partial bool
	newKey  bool
	log     flags.Log
}

func attestCommand(a *App) *cli.Command {
	var cfg attestConfig
	list := append(cfg.dirs.Flags(), cfg.dirs.LogDirFlag(),
		&cli.StringFlag{Name: "manifest", Usage: "cover the hash chain of `FILE`, the audit log of the last run. Default: manifest.jsonl in -mirror, or beside -out if only that is given", Destination: &cfg.dirs.Manifest, TakesFile: true},
		&cli.StringSliceFlag{Name: "key", Usage: "sign with the private key in `FILE`, of any kind; may be repeated", Destination: &cfg.signers.Keys, TakesFile: true},
		&cli.StringFlag{Name: "origin", DefaultText: "the name of the first -key", Usage: "name a new log `NAME`; it keeps this name", Destination: &cfg.signers.Origin},
		cfg.signers.Password.Flag(),
		&cli.BoolFlag{Name: "partial", Usage: "sign even if versions that the index names are missing", Destination: &cfg.partial},
		&cli.BoolFlag{Name: "new-key", Usage: "continue a log that another key signed so far", Destination: &cfg.newKey},
	)
	return &cli.Command{
		Name:         "attest",
		Usage:        "sign a statement of what is stored, verified and durable",
		ArgsUsage:    "[-mirror DIR] -key FILE [options]",
		Description:  helpText("attest", "exit-codes"),
		Flags:        append(list, cfg.log.Flags()...),
		OnUsageError: program.OnUsageError,
		Action:       program.Action(cfg.check, func(ctx context.Context) error { return a.attest(ctx, &cfg) }),
	}
}

func (cfg *attestConfig) check() error {
	if len(cfg.signers.Keys) == 0 {
		return flags.Usagef("-key FILE is missing: the private key that signs; clonecratesio key new makes one")
	}
	cfg.dirs.Fill()
	return errors.Join(cfg.signers.Check(), cfg.log.Check(), cfg.dirs.Check())
}

// attest locks the mirror, and signs and prints a statement about it.
func (a *App) attest(ctx context.Context, cfg *attestConfig) (err error) {
	log := cfg.log.Logger(a.Stderr)
	signers, err := cfg.signers.Open(ctx, a.Stderr)
	if err != nil {
		return err
	}
	w, err := home.Hold(a.HomeConfig(&flags.Run{Home: cfg.dirs.Dirs, Durability: flags.Batches}, log))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, w.Close()) }()
	if err := w.OpenKnownCatalog(); err != nil {
		return err
	}
	if err := w.ReadBundles(); err != nil {
		return err
	}
	r, err := a.state(ctx, w, &cfg.dirs.Dirs, signers, log, func(job *attest.Config) { job.Partial, job.NewKeys = cfg.partial, cfg.newKey })
	if err != nil {
		return err
	}
	return printStatement(a.Stdout, r, &cfg.dirs.Dirs)
}

func printStatement(w io.Writer, r *attest.Result, dirs *home.Dirs) error {
	_, err := fmt.Fprintf(w, "%s\n%s, %s of them new: %s\n",
		r.Sentence(), attest.Leaves(r.N), human.Count(r.New), filepath.Join(dirs.Statements, tilelog.CheckpointName))
	return err
}

// state signs a statement about the locked mirror and appends it to the log of statements.
func (a *App) state(ctx context.Context, w *home.Writer, dirs *home.Dirs, by *attest.Signers, log *slog.Logger, options func(*attest.Config)) (*attest.Result, error) {
	ix, err := dirs.OpenIndex(ctx, log)
	if err != nil {
		return nil, err
	}
	defer ix.Close()
	job := attest.Config{Index: ix, Catalog: w.Catalog, Sync: w.SyncAll, Log: log}
	options(&job)
	statements := attest.Log{
		Dir: dirs.Statements, Create: func(dir string) (durable.FS, error) { return home.CreateFolder(dir, a.Disk) },
		Holder: filepath.Base(os.Args[0]) + " -out " + dirs.Crates, Manifest: dirs.Manifest,
	}
	r, err := statements.State(ctx, by, job)
	return r, lackingWords(err)
}

// lackingWords adds to an *attest.IncompleteError which versions are missing and what to do.
func lackingWords(err error) error {
	var lacking *attest.IncompleteError
	if !errors.As(err, &lacking) {
		return attest.DamagedLog(err)
	}
	var names []string
	for _, id := range lacking.Missing {
		if id.Name != "" {
			names = append(names, id.String())
		}
	}
	if int64(len(names)) < lacking.Named-lacking.Held {
		names = append(names, "...")
	}
	return verdict.Incompletef("%v: %s; clonecratesio sync downloads what is missing, -partial states that %d of %d are held",
		err, strings.Join(names, ", "), lacking.Held, lacking.Named)
}
