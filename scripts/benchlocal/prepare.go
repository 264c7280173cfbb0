//go:build linux

package main

import (
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"

	"golang.org/x/sync/errgroup"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/simreg"
	"github.com/APTlantis/Mirror-Rust-Crates/scripts/internal/mirrored"
)

// bench has the folders to measure.
type bench struct{ dir, self string }

func (b *bench) path(name string) string { return filepath.Join(b.dir, name) }

// prepare makes the mirrors in another process, since Linux would count this one's memory
// towards the processes that it starts.
func prepare(dir string) (*bench, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	b := &bench{dir, self}
	if _, err := os.Stat(b.path("bare")); err == nil {
		return b, nil // an earlier run made them
	}
	cmd := exec.Command(self, "-make", dir, "-clonecratesio", *program, "-n", strconv.Itoa(*n), "-median", strconv.Itoa(*median))
	cmd.Stderr = os.Stderr
	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("making mirrors: %w", err)
	}
	source := b.path("loose/" + mirrored.Index)
	if *index != "" {
		source = *index
	}
	if err := os.Symlink(mustAbs(source), b.path("bare")); err != nil {
		return nil, err
	}
	for folder, from := range map[string]string{"plain": b.path("loose/" + mirrored.Index), "checkout": source} {
		if err := unpack(from, b.path(folder)); err != nil {
			return nil, err
		}
	}
	if *index == "" {
		return b, nil
	}
	cmd = exec.Command(self, "-hold", b.path("held"), "-index", *index)
	cmd.Stderr = os.Stderr
	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("making mirrors that hold all of %s: %w", *index, err)
	}
	return b, nil
}

func mustAbs(path string) string {
	if abs, err := filepath.Abs(path); err == nil {
		return abs
	}
	return path
}

func makeMirrors(ctx context.Context, dir string) error {
	reg := simreg.Generate(*n, *median, 1)
	if err := mirrored.Make(ctx, *program, reg, filepath.Join(dir, "loose")); err != nil {
		return err
	}
	return mirrored.Make(ctx, *program, reg, filepath.Join(dir, "bundled"), "-bundle", "-bundle-mode", "only")
}

// readAll reads, and optionally hashes, all files below dir on all processors: the least work
// of a program that checks each of them.
func readAll(dir string, hash bool) error {
	var g errgroup.Group
	g.SetLimit(runtime.NumCPU())
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			g.Go(func() error { return readFile(path, hash) })
		}
		return err
	})
	if err != nil {
		return err
	}
	return g.Wait()
}

func readFile(path string, hash bool) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	to := io.Discard
	if hash {
		to = sha256.New()
	}
	_, err = io.Copy(to, f)
	return err
}
