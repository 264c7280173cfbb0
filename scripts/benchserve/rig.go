//go:build linux

package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/simreg"
	"github.com/APTlantis/Mirror-Rust-Crates/scripts/internal/mirrored"
)

// The sizes of crates.
const (
	small = "small"
	big   = "large"
)

// rig is a set of mirrors and their servers.
type rig struct {
	dir        string
	registries map[string]*simreg.Registry // by size
	servers    map[string][]*server        // by size: nginx, of loose files, of bundles, bare
}

// prepare makes the mirrors and starts the servers.
func prepare(ctx context.Context, dir string) (_ *rig, err error) {
	b := &rig{dir: dir, servers: map[string][]*server{}, registries: map[string]*simreg.Registry{
		small: simreg.Generate(*versions, *median, 1),
		big:   simreg.Generate(max(50, *versions/10), *large, 2),
	}}
	defer func() {
		if err != nil {
			b.stop()
		}
	}()
	for size, reg := range b.registries {
		if err := b.mirrors(ctx, size, reg); err != nil {
			return nil, err
		}
		web, err := nginx(b.folder(size, "static"), false)
		if err != nil {
			return nil, fmt.Errorf("starting nginx: %w", err)
		}
		b.servers[size] = append(b.servers[size], web)
		for _, kind := range []string{"loose", "bundled"} {
			s, err := serve(kind, b.folder(size, kind))
			if err != nil {
				return nil, fmt.Errorf("starting serve: %w", err)
			}
			b.servers[size] = append(b.servers[size], s)
		}
		least, err := bare(b.folder(size, "static"))
		if err != nil {
			return nil, fmt.Errorf("starting the bare server: %w", err)
		}
		b.servers[size] = append(b.servers[size], least)
	}
	return b, nil
}

func (b *rig) stop() {
	for _, of := range b.servers {
		for _, s := range of {
			s.stop()
		}
	}
}

// mirrors makes a mirror of loose files, one of bundles, and the tree for nginx, unless they
// exist.
func (b *rig) mirrors(ctx context.Context, size string, reg *simreg.Registry) error {
	if _, err := os.Stat(b.folder(size, "static")); err == nil {
		return nil
	}
	if err := mirrored.Make(ctx, *program, reg, b.folder(size, "loose")); err != nil {
		return err
	}
	if err := mirrored.Make(ctx, *program, reg, b.folder(size, "bundled"), "-bundle", "-bundle-mode", "only"); err != nil {
		return err
	}
	return export(ctx, b.folder(size, "loose"), b.folder(size, "static"), "http://localhost")
}

// export makes the tree for nginx, which will serve it at url.
func export(ctx context.Context, mirror, dir, url string) error {
	out, err := exec.CommandContext(ctx, *program, "export", "-mirror", mirror, "-index-dir", filepath.Join(mirror, "crates.io-index.git"),
		"-static", dir, "-public-url", url).CombinedOutput()
	if err != nil {
		return fmt.Errorf("exporting: %w\n%s", err, out)
	}
	return nil
}
