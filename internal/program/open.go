package program

import (
	"log/slog"
	"os"
	"path/filepath"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/flags"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/home"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/upstream"
)

// Owner returns what a lock records about this process. It omits the command line, because
// URLs may contain passwords.
func Owner(out string) durable.Owner {
	return durable.Self(filepath.Base(os.Args[0]) + " -out " + out)
}

// HomeConfig returns the configuration for opening the mirror of a run for writing.
func (a *App) HomeConfig(cfg *flags.Run, log *slog.Logger) home.Config {
	size := cfg.BundleSize.Bytes()
	if a.BundleSize > 0 {
		size = a.BundleSize
	}
	return home.Config{
		Dirs: cfg.Home, Owner: Owner(cfg.Home.Crates), Disk: a.Disk, Durability: cfg.Durability.Store(), Log: log,
		NewCatalog: cfg.NewCatalog,
		Bundles: home.BundleConfig{
			Write: cfg.Bundle, KeepLoose: cfg.BundleMode == "add", Shard: cfg.Shard.Shard, Size: size,
			URL: func(id crate.ID, sum crate.Checksum) string { return cfg.Origin.URLs.WithoutUser().URL(id, sum) },
		},
	}
}

// Folder opens a folder for writing and makes it if necessary.
func (a *App) Folder(dir string) (durable.FS, error) { return home.CreateFolder(dir, a.Disk) }

// Upstream makes the client of a run.
func (a *App) Upstream(cfg *flags.Net, allowMissing bool, log *slog.Logger) (*upstream.Client, error) {
	c := cfg.Client(UserAgent(cfg.Contact))
	c.AllowMissing, c.Dial, c.Log = allowMissing, a.Dial, log
	return upstream.New(c)
}

// IndexUpstream makes the client that reads a sparse index.
func (a *App) IndexUpstream(cfg *flags.Net, log *slog.Logger) (*upstream.Client, error) {
	c := cfg.Client(UserAgent(cfg.Contact))
	c.Dial, c.Log = a.Dial, log
	if c.HTTP == "auto" {
		c.HTTP = "best"
	}
	return upstream.New(c)
}
