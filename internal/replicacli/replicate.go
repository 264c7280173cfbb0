// Package replicacli has the command that copies a mirror from another one: its flags, its
// help and its exit codes. Package replicate does the work.
package replicacli

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"

	"github.com/urfave/cli/v3"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/bucket"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/bucket/address"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/console"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/flags"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/gitweb"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/home"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/locate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/peer"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/program"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/push"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/replicate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/root"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/store/overlay"
)

// replicateConfig is the flags of replicate.
type replicateConfig struct {
	from, to, scratch string
	indexURL          string
	log               flags.Log
	progress          flags.Progress
}

//go:embed help/replicate.txt
var help string

// Replicate returns the command.
func Replicate(a *program.App) *cli.Command {
	var cfg replicateConfig
	list := []cli.Flag{
		&cli.StringFlag{Name: "from", Usage: "copy the mirror at `ADDRESS`: https://HOST/replicate/ of a server, s3://BUCKET/PREFIX or file:///FOLDER of a bucket, or a folder", Destination: &cfg.from, Required: true},
		&cli.StringFlag{Name: "to", Usage: "copy to the mirror in the folder `DIR`, or in the bucket s3://BUCKET/PREFIX or file:///FOLDER", Destination: &cfg.to, Required: true},
		&cli.StringFlag{Name: "mirror", Usage: "with -to and a bucket: keep unfinished work in `DIR`", Destination: &cfg.scratch, TakesFile: true},
		&cli.StringFlag{Name: "index-url", Usage: "verify crates against the index from this git `URL`; default: the index here, or the peer's", Destination: &cfg.indexURL},
	}
	list = append(list, cfg.log.Flags()...)
	return &cli.Command{
		Name:         "replicate",
		Usage:        "copy another mirror, whole bundles and segments at a time",
		ArgsUsage:    "-from ADDRESS -to DIR|ADDRESS [-mirror DIR] [-index-url URL]",
		Description:  help,
		Flags:        append(list, cfg.progress.Flags()...),
		OnUsageError: program.OnUsageError,
		Action:       program.Action(cfg.check, func(ctx context.Context) error { return cfg.run(ctx, a) }),
	}
}

// isAddress reports whether a text is the address of a bucket, not a folder.
func isAddress(text string) bool { return strings.Contains(text, "://") }

// check rejects contradicting flags, before anything is touched.
func (cfg *replicateConfig) check() error {
	switch web := strings.HasPrefix(cfg.to, "http://") || strings.HasPrefix(cfg.to, "https://"); {
	case web:
		return flags.Usagef("-to %s: another mirror takes nothing over HTTP; run replicate there, with -from this one", cfg.to)
	case isAddress(cfg.to) && cfg.scratch == "":
		return flags.Usagef("-to a bucket needs -mirror DIR, a folder for what is on its way")
	case !isAddress(cfg.to) && cfg.scratch != "":
		return flags.Usagef("-mirror is for -to a bucket alone")
	}
	return errors.Join(cfg.log.Check(), cfg.progress.Check())
}

// run runs the command.
func (cfg *replicateConfig) run(ctx context.Context, a *program.App) error {
	_, log := cfg.progress.Terminal(a.Stderr, &cfg.log)
	dirs := home.Dirs{Root: cfg.to}
	if isAddress(cfg.to) {
		dirs.Root = cfg.scratch
	}
	dirs.Fill()
	run := flags.Run{Home: dirs, Durability: flags.Batches, Bundle: true, BundleMode: "only", Net: flags.Net{Protocol: "auto"}}
	run.Origin.URLs = crate.CratesIOURLs
	job := replicate.Config{Log: log}
	var err error
	if job.IndexURL, err = flags.LocateIndex(ctx, cfg.indexURL); err != nil {
		return err
	}
	job.Home = a.HomeConfig(&run, log)
	job.Home.Manifest = dirs.Manifest
	if err := cfg.source(ctx, &job, log); err != nil {
		return err
	}
	if isAddress(cfg.to) {
		if err := cfg.destination(ctx, &job, log); err != nil {
			return err
		}
	}
	result, err := replicate.Run(ctx, job)
	if err != nil {
		return err
	}
	result.Print(console.Wrap(a.Stdout))
	return result.Verdict()
}

// source opens the mirror to copy.
func (cfg *replicateConfig) source(ctx context.Context, job *replicate.Config, log *slog.Logger) (err error) {
	if isAddress(cfg.from) {
		job.From, err = address.OpenReader(ctx, cfg.from, address.Options{Log: log})
		if err == nil {
			err = cfg.locate(ctx, job, log)
		}
		job.FromIndex = servedIndex(cfg.from)
		return err
	}
	dirs := home.Dirs{Root: cfg.from}
	dirs.Fill()
	if err := dirs.CheckWhole(); err != nil {
		return err
	}
	job.From = peer.NewFolder(&dirs)
	if _, err := os.Stat(dirs.Index); err == nil {
		job.FromIndex, err = filepath.Abs(dirs.Index)
		return err
	}
	return nil
}

// locate finds what a served mirror offers to peers, if the address names the whole mirror:
// no root is directly there, but one is below.
func (cfg *replicateConfig) locate(ctx context.Context, job *replicate.Config, log *slog.Logger) error {
	if !locate.IsRoot(cfg.from) || strings.HasSuffix(cfg.from, peer.Prefix) {
		return nil
	}
	if _, err := job.From.Head(ctx, root.Name); err == nil || ctx.Err() != nil {
		return ctx.Err()
	}
	below := strings.TrimSuffix(cfg.from, "/") + peer.Prefix
	from, err := address.OpenReader(ctx, below, address.Options{Log: log})
	if err != nil {
		return err
	}
	if _, err := from.Head(ctx, root.Name); err != nil {
		return ctx.Err() // the error will name the given address
	}
	job.From, cfg.from = from, below
	return nil
}

// servedIndex returns the git URL of the index of a mirror served at an address, or "" if
// it is not such an address.
func servedIndex(from string) string {
	base, ok := strings.CutSuffix(from, peer.Prefix)
	if !ok || !strings.HasPrefix(base, "http://") && !strings.HasPrefix(base, "https://") {
		return ""
	}
	return base + gitweb.Prefix + gitweb.IndexName
}

// destination makes the replication push what it copies to a bucket.
func (cfg *replicateConfig) destination(ctx context.Context, job *replicate.Config, log *slog.Logger) error {
	var b bucket.Bucket
	b, err := address.Open(ctx, cfg.to, address.Options{Log: log})
	if err != nil {
		return fmt.Errorf("opening -to: %w", err)
	}
	dirs := &job.Home.Dirs
	dirs.Remote = overlay.New(b)
	owner := program.Owner(dirs.Crates)
	job.Push = push.New(push.Config{Bucket: b, Remote: dirs.Remote, Dirs: *dirs, Owner: fmt.Sprintf("%s, %s", owner.Host, dirs.Crates), Log: log})
	job.Home.Attach, job.Home.Bundles.Number, job.Home.Bundles.SegmentNumber = job.Push.Attach, job.Push.Number, job.Push.SegmentNumber
	return nil
}
