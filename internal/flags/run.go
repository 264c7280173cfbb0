package flags

import (
	"errors"
	"log/slog"
	"time"

	"github.com/urfave/cli/v3"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/home"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/mirror"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/plan"
)

// Run has the settings that mirroring commands share: where crates come from, how they are
// stored, who is notified. Each command has its own flags for the folders.
type Run struct {
	Home              home.Dirs // without the index: a plan.Source names the crates
	Origin            Origin
	VerifyExisting    bool
	NewsOnly          bool // before Flags: what it is by default
	AllowMissing      bool
	AcceptShrink      bool
	acceptRepublished string
	SecondPass        time.Duration
	NewCatalog        bool  // no flag; reindex sets it
	Shard             Shard // its flag is not in Flags: few commands have it
	Durability        Durability
	Bundle            bool
	BundleMode        string
	BundleSize        BundleSize
	Listen            Listen
	Log               Log
	Progress          Progress
	Net               Net
}

// Flags returns the flags.
func (cfg *Run) Flags() []cli.Flag {
	list := []cli.Flag{
		cfg.Origin.Flag("download crate files from "),
		&cli.BoolFlag{Name: "verify-existing", Usage: "hash stored files again instead of trusting the catalog", Destination: &cfg.VerifyExisting},
		&cli.BoolFlag{Name: "news-only", Usage: "leave versions that were already stored out of the manifest, unless -verify-existing hashed them: it lists only what was downloaded and what is missing. A run that finds nothing new keeps the earlier manifest. sync does so by default; -news-only=false lists all", Value: cfg.NewsOnly, Destination: &cfg.NewsOnly},
		&cli.BoolFlag{Name: "allow-missing", Usage: "do not count versions that upstream refuses (403, 404, 410, 451) as missing", Destination: &cfg.AllowMissing},
		&cli.BoolFlag{Name: "accept-shrink", Usage: "accept an index that lost many crates, or that is older than the last one mirrored", Destination: &cfg.AcceptShrink},
		&cli.StringFlag{Name: "accept-republished", Value: "vanished", Usage: "`never|vanished|always`: when to accept new bytes for a version that is already stored. vanished = if the index, or its history, was without the version in between. For one version, use clonecratesio accept", Destination: &cfg.acceptRepublished},
		&cli.DurationFlag{Name: "second-pass", Value: UsualSecondPass, Usage: "at the end of the run, wait this long and retry failed downloads over new connections; if few are left, wait 12 times as long and try a third time. 0 = never", Destination: &cfg.SecondPass},
		cfg.Durability.Flag(),
		&cli.BoolFlag{Name: "bundle", Category: Storage, Usage: "store crates in bundles, .tar.zst files of many crates each, and move stored loose files there, too", Destination: &cfg.Bundle},
		&cli.StringFlag{Name: "bundle-mode", Category: Storage, Value: "only", Usage: "`only|add`: keep only the bundled copy, or the loose file, too", Destination: &cfg.BundleMode},
		cfg.BundleSize.Flag(),
		cfg.Listen.Flag("listen", ":9090"),
	}
	list = append(list, cfg.Net.Flags()...)
	list = append(list, cfg.Log.Flags()...)
	return append(list, cfg.Progress.Flags()...)
}

// UsualSecondPass is the default of -second-pass. It is long enough for a cache or server of
// a CDN to recover; the third pass, a minute later, is late enough for most restarts.
const UsualSecondPass = 5 * time.Second

var acceptances = map[string]plan.AcceptRepublished{
	"vanished": plan.AcceptVanished, "never": plan.AcceptNever, "always": plan.AcceptAlways,
}

// Check rejects invalid values and combinations, before anything is changed.
func (cfg *Run) Check() error {
	if cfg.BundleMode != "only" && cfg.BundleMode != "add" {
		return Usagef("-bundle-mode %q is neither only nor add", cfg.BundleMode)
	}
	if err := cfg.BundleSize.Check(); err != nil {
		return err
	}
	if err := cfg.Shard.Check(); err != nil {
		return err
	}
	if cfg.SecondPass < 0 {
		return Usagef("-second-pass is %v, want 0 (never) or more", cfg.SecondPass)
	}
	if err := cfg.Durability.Check(); err != nil {
		return err
	}
	if _, ok := acceptances[cfg.acceptRepublished]; !ok {
		return Usagef("-accept-republished %q is none of never, vanished, always", cfg.acceptRepublished)
	}
	return errors.Join(CheckUpstream(&cfg.Origin, &cfg.Net), cfg.Log.Check(), cfg.Progress.Check())
}

// Job returns the configuration of a run that mirrors the versions of source.
func (cfg *Run) Job(source plan.Source, log *slog.Logger) mirror.Config {
	return mirror.Config{
		Config: plan.Config{
			Source: source, Shard: cfg.Shard.Shard, AcceptShrink: cfg.AcceptShrink, AcceptRepublished: acceptances[cfg.acceptRepublished],
			Bundle: cfg.Bundle, KeepLoose: cfg.BundleMode == "add", VerifyExisting: cfg.VerifyExisting, Log: log,
		},
		URLs: cfg.Origin.URLs, Guarded: cfg.Origin.Guarded, Out: cfg.Home.Crates, BundlesOut: cfg.Home.Bundles,
		Concurrency: cfg.Net.Concurrency, SecondPass: cfg.SecondPass, NewsOnly: cfg.NewsOnly,
	}
}
