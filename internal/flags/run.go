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

// Run is what commands that mirror have in common: where crates come from,
// how they are stored, who is notified. The folders have flags of each command's own.
type Run struct {
	Home              home.Dirs // its index is not used: a source names the crates
	Origin            Origin
	VerifyExisting    bool
	newsOnly          bool
	AllowMissing      bool
	AcceptShrink      bool
	acceptRepublished string
	SecondPass        time.Duration
	NewCatalog        bool  // no flag: reindex
	Shard             Shard // its flag is of those commands alone that have one
	Durability        Durability
	Bundle            bool
	BundleMode        string
	BundleSize        BundleSize
	Listen            Listen
	Log               Log
	Progress          Progress
	Net               Net
}

// Flags are the flags.
func (cfg *Run) Flags() []cli.Flag {
	list := []cli.Flag{
		cfg.Origin.Flag("crate files are at "),
		&cli.BoolFlag{Name: "verify-existing", Usage: "hash stored files again instead of trusting the catalog", Destination: &cfg.VerifyExisting},
		&cli.BoolFlag{Name: "news-only", Usage: "write no line into the manifest for a version that was held before, unless -verify-existing hashed it: it then lists what has come and what is missing alone, and a run that finds nothing new leaves the earlier one as it is", Destination: &cfg.newsOnly},
		&cli.BoolFlag{Name: "allow-missing", Usage: "versions that upstream refuses (403, 404, 410, 451) do not make the run incomplete", Destination: &cfg.AllowMissing},
		&cli.BoolFlag{Name: "accept-shrink", Usage: "accept an index from which many crates have vanished, or that is older than the one mirrored last", Destination: &cfg.AcceptShrink},
		&cli.StringFlag{Name: "accept-republished", Value: "vanished", Usage: "let a version have other bytes than before, `never|vanished|always`: vanished = if the index was seen without it, or its history shows a day without it; clonecratesio accept does it for one version", Destination: &cfg.acceptRepublished},
		&cli.DurationFlag{Name: "second-pass", Value: UsualSecondPass, Usage: "at the end of the run, wait so long and try once more, over new connections, what upstream did not give; if few versions are left then, a third time after 12 times as long. 0 = never", Destination: &cfg.SecondPass},
		cfg.Durability.Flag(),
		&cli.BoolFlag{Name: "bundle", Category: Storage, Usage: "store crates in bundles: .tar.zst files of many crates each; stored loose files are moved there too", Destination: &cfg.Bundle},
		&cli.StringFlag{Name: "bundle-mode", Category: Storage, Value: "only", Usage: "`only|add`: keep the bundled copy alone, or the loose file too", Destination: &cfg.BundleMode},
		cfg.BundleSize.Flag(),
		cfg.Listen.Flag("listen", ":9090"),
	}
	list = append(list, cfg.Net.Flags()...)
	list = append(list, cfg.Log.Flags()...)
	return append(list, cfg.Progress.Flags()...)
}

// UsualSecondPass is long enough for a cache or a machine of a CDN to recover,
// and with the third pass a minute later for most restarts.
const UsualSecondPass = 5 * time.Second

var acceptances = map[string]plan.AcceptRepublished{
	"vanished": plan.AcceptVanished, "never": plan.AcceptNever, "always": plan.AcceptAlways,
}

// Check refuses invalid values and combinations, before anything is touched.
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

// Job is a run over what a source names.
func (cfg *Run) Job(source plan.Source, log *slog.Logger) mirror.Config {
	return mirror.Config{
		Config: plan.Config{
			Source: source, Shard: cfg.Shard.Shard, AcceptShrink: cfg.AcceptShrink, AcceptRepublished: acceptances[cfg.acceptRepublished],
			Bundle: cfg.Bundle, KeepLoose: cfg.BundleMode == "add", VerifyExisting: cfg.VerifyExisting, Log: log,
		},
		URLs: cfg.Origin.URLs, Guarded: cfg.Origin.Guarded, Out: cfg.Home.Crates, BundlesOut: cfg.Home.Bundles,
		Concurrency: cfg.Net.Concurrency, SecondPass: cfg.SecondPass, NewsOnly: cfg.newsOnly,
	}
}
