// Package mirrored makes mirrors of simulated registries with the program, for others to
// measure.
package mirrored

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/simreg"
)

// Index is the bare repository of the index in a mirror that Make has made.
const Index = "crates.io-index.git"

// Make makes a mirror of all of reg in dir, with more flags for the download if there are
// any.
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

// Flags are those with which "download" runs on such a mirror.
func Flags(dir string) []string {
	return []string{
		"-index-dir", filepath.Join(dir, Index), "-out", filepath.Join(dir, "crates"),
		"-bundles-out", filepath.Join(dir, "bundles"), "-manifest", filepath.Join(dir, "manifest.jsonl"),
		"-include-yanked", "-listen", "",
	}
}
