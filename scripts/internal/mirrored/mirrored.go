// Package mirrored makes mirrors of simulated registries with the program, for benches.
package mirrored

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/simreg"
)

// Index is the name of the bare repository of the index in a mirror that Make made.
const Index = "crates.io-index.git"

// Make mirrors all of reg into dir, passing the flags in more to the download.
func Make(ctx context.Context, program string, reg *simreg.Registry, dir string, more ...string) error {
	if _, err := reg.CommitIndex(ctx, filepath.Join(dir, Index), "Bench"); err != nil {
		return err
	}
	server, err := reg.Start(simreg.Options{})
	if err != nil {
		return err
	}
	defer server.Close()
	args := append([]string{"download"}, Flags(dir)...)
	args = append(append(args, "-crates-base-url", server.BaseURL), more...)
	if out, err := exec.CommandContext(ctx, program, args...).CombinedOutput(); err != nil {
		return fmt.Errorf("mirroring: %w\n%s", err, out)
	}
	return nil
}

// Flags returns the flags with which "download" runs on such a mirror.
func Flags(dir string) []string {
	return []string{
		"-index-dir", filepath.Join(dir, Index), "-out", filepath.Join(dir, "crates"),
		"-bundles-out", filepath.Join(dir, "bundles"), "-manifest", filepath.Join(dir, "manifest.jsonl"),
		"-include-yanked", "-listen", "",
	}
}
