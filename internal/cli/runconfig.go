package cli

import (
	"errors"
	"log/slog"
	"time"

	"github.com/urfave/cli/v3"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/home"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/mirror"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/plan"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/store/loose"
)

// runConfig is what commands that mirror have in common: where crates come from,
// how they are stored, who is told. The folders have flags of each command's own.
type runConfig struct {
	home              home.Dirs // its index is not used: a source names the crates
	origin            originConfig
	verifyExisting    bool
	allowMissing      bool
	acceptShrink      bool
	acceptRepublished string
	secondPass        time.Duration
	newCatalog        bool // no flag: reindex
	durability        string
	bundle            bool
	bundleMode        string
	bundleSizeGB      int64
	listen            adminAddr
	log               logConfig
	progress          progressConfig
	net               netConfig
}

func (cfg *runConfig) flags() []cli.Flag {
	flags := []cli.Flag{
		cfg.origin.flag("crate files are at "),
		&cli.BoolFlag{Name: "verify-existing", Usage: "hash files that are held again instead of trusting the catalog", Destination: &cfg.verifyExisting},
		&cli.BoolFlag{Name: "allow-missing", Usage: "versions that upstream refuses (403, 404, 410, 451) do not make the run incomplete", Destination: &cfg.allowMissing},
		&cli.BoolFlag{Name: "accept-shrink", Usage: "go on although many crates have vanished from the index, or it is older than the one mirrored last", Destination: &cfg.acceptShrink},
		&cli.StringFlag{Name: "accept-republished", Value: "vanished", Usage: "let a version have other bytes than before, `never|vanished|always`: vanished = if the index was seen without it, or its history shows a day without it; clonecratesio accept does it for one version", Destination: &cfg.acceptRepublished},
		&cli.DurationFlag{Name: "second-pass", Value: defaultSecondPass, Usage: "at the end of the run, wait so long and try once more, over new connections, what upstream did not give; if few versions are left then, a third time after 12 times as long. 0 = never", Destination: &cfg.secondPass},
		&cli.StringFlag{Name: "durability", Value: "batch", Usage: "when bytes are forced to the disk: `file|batch|none`", Destination: &cfg.durability},
		&cli.BoolFlag{Name: "bundle", Usage: "put crates into bundles: .tar.zst files of many crates each; those that are held loose are put there too, not fetched", Destination: &cfg.bundle},
		&cli.StringFlag{Name: "bundle-mode", Value: "only", Usage: "`only|add`: keep the bundled copy alone, or the loose file too", Destination: &cfg.bundleMode},
		bundleSizeFlag(&cfg.bundleSizeGB),
		cfg.listen.cliFlag("listen", ":9090"),
	}
	flags = append(flags, cfg.net.flags()...)
	flags = append(flags, cfg.log.flags()...)
	return append(flags, cfg.progress.flags()...)
}

// defaultSecondPass is long enough for a cache or a machine of a CDN to recover,
// and with the third pass a minute later for most restarts.
const defaultSecondPass = 5 * time.Second

var durabilities = map[string]loose.Durability{"batch": loose.Batch, "file": loose.PerFile, "none": loose.None}

var acceptances = map[string]plan.AcceptRepublished{
	"vanished": plan.AcceptVanished, "never": plan.AcceptNever, "always": plan.AcceptAlways,
}

// check refuses what makes no sense, before anything is touched.
func (cfg *runConfig) check() error {
	if cfg.bundleMode != "only" && cfg.bundleMode != "add" {
		return usagef("-bundle-mode %q is neither only nor add", cfg.bundleMode)
	}
	if err := checkBundleSize(cfg.bundleSizeGB); err != nil {
		return err
	}
	if cfg.secondPass < 0 {
		return usagef("-second-pass is %v, want 0 (never) or more", cfg.secondPass)
	}
	if _, ok := durabilities[cfg.durability]; !ok {
		return usagef("-durability %q is none of file, batch, none", cfg.durability)
	}
	if _, ok := acceptances[cfg.acceptRepublished]; !ok {
		return usagef("-accept-republished %q is none of never, vanished, always", cfg.acceptRepublished)
	}
	return errors.Join(cfg.origin.check(), cfg.net.check(), cfg.origin.checkToken(cfg.net.token), cfg.log.check(), cfg.progress.check())
}

const defaultBundleGB = 8

func bundleSizeFlag(gb *int64) cli.Flag {
	return &cli.Int64Flag{Name: "bundle-size-gb", Value: defaultBundleGB, Usage: "a bundle takes no more once it has `N` GB", Destination: gb}
}

func checkBundleSize(gb int64) error {
	if gb < 1 || gb > maxBundleGB {
		return usagef("-bundle-size-gb is %d, want 1 to %d", gb, maxBundleGB)
	}
	return nil
}

// maxBundleGB is more than any file system or medium takes well in one file.
const maxBundleGB = 1 << 14

// job is a run over what a source names.
func (cfg *runConfig) job(source plan.Source, log *slog.Logger) mirror.Config {
	return mirror.Config{
		Config: plan.Config{
			Source: source, AcceptShrink: cfg.acceptShrink, AcceptRepublished: acceptances[cfg.acceptRepublished],
			Bundle: cfg.bundle, KeepLoose: cfg.bundleMode == "add", VerifyExisting: cfg.verifyExisting, Log: log,
		},
		URLs: cfg.origin.urls, Guarded: cfg.origin.guarded, Out: cfg.home.Crates, BundlesOut: cfg.home.Bundles,
		Concurrency: cfg.net.concurrency, SecondPass: cfg.secondPass,
	}
}
