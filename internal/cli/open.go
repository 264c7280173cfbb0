package cli

import (
	"log/slog"
	"os"
	"path/filepath"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/home"
)

// owner is what a lock says of this process. Not the whole command line: URLs may
// have passwords.
func owner(out string) durable.Owner {
	return durable.Self(filepath.Base(os.Args[0]) + " -out " + out)
}

// homeConfig says how the mirror of a run is opened for writing.
func (a *App) homeConfig(cfg *runConfig, log *slog.Logger) home.Config {
	size := cfg.bundleSizeGB << 30
	if a.BundleSize > 0 {
		size = a.BundleSize
	}
	return home.Config{
		Dirs: cfg.home, Owner: owner(cfg.home.Crates), Disk: a.Disk, Durability: durabilities[cfg.durability], Log: log,
		NewCatalog: cfg.newCatalog,
		Bundles: home.BundleConfig{
			Write: cfg.bundle, KeepLoose: cfg.bundleMode == "add", Size: size,
			URL: func(id crate.ID, sum crate.Checksum) string { return cfg.origin.urls.WithoutUser().URL(id, sum) },
		},
	}
}

// folder opens a folder for writing, made if it is not there.
func (a *App) folder(dir string) (durable.FS, error) { return home.CreateFolder(dir, a.Disk) }
