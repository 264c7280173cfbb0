// Package demo is the registry of the demo, and what checks a mirror of it by other
// means than the mirror's own: its bundles are read from end to end by whatever knows
// tar and zstd, and its server is asked as cargo asks.
package demo

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/bundle"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/simreg"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/verdict"
)

const (
	seed  = 2026 // of the faults: every demo meets the same
	share = 0.1  // of the versions, whose first request goes wrong
)

// BundleSize is the size of a bundle of the demo, bytes, so that there are several.
const BundleSize = 128 << 10

// Registry is a registry that is simulated, with faults.
type Registry struct {
	*simreg.Registry
	BaseURL string // of the crate files

	server *simreg.Server
	kinds  []simreg.Kind // of faults
}

// Start starts the registry on the loopback interface.
func Start() (*Registry, error) {
	// StallBody is cut by a watchdog, which the demo sets to a second.
	r := &Registry{Registry: simreg.Demo(), kinds: append(simreg.Brief(), simreg.GzipEncoding, simreg.StallBody)}
	r.Chaos(seed, share, r.kinds...)
	var err error
	if r.server, err = r.Registry.Start(simreg.Options{}); err != nil {
		return nil, err
	}
	r.BaseURL = r.server.BaseURL
	return r, nil
}

// Close stops the registry.
func (r *Registry) Close() { r.server.Close() }

// Dial is a network that is this machine alone.
func Dial(ctx context.Context, network, addr string) (net.Conn, error) {
	return simreg.LoopbackOnly(ctx, network, addr)
}

// PublishIndex makes the index a git repository, as crates.io's is, where
// there is git.
func (r *Registry) PublishIndex(ctx context.Context, dir string) error {
	_, err := exec.LookPath("git")
	if err != nil {
		return r.WriteIndex(dir)
	}
	_, err = r.CommitIndex(ctx, dir, "Demo registry")
	return err
}

// FaultsMet counts the requests that went wrong, by kind.
func (r *Registry) FaultsMet() (total int, list string) {
	var met []string
	for _, k := range r.kinds {
		if n := r.Injected(k); n > 0 {
			total += n
			met = append(met, fmt.Sprintf("%d %s", n, k))
		}
	}
	return total, strings.Join(met, ", ")
}

// CheckBundles reads all bundles as any program would that knows tar and zstd, and
// wants every crate of the registry in one of them.
func (r *Registry) CheckBundles(dir string) (bundles int, err error) {
	names, err := filepath.Glob(filepath.Join(dir, "*"+bundle.Ext))
	if err != nil {
		return 0, err
	}
	found := map[crate.ID]crate.Checksum{}
	for _, name := range names {
		if err := readBundle(name, found); err != nil {
			return 0, fmt.Errorf("reading %s: %w", name, err)
		}
	}
	for _, id := range r.IDs() {
		want, err := r.Checksum(id)
		if err != nil {
			return 0, err
		}
		if got, ok := found[id]; !ok || got != want {
			return 0, verdict.Integrityf("%s: no bundle has it with the checksum that the index names", id)
		}
	}
	return len(names), nil
}

func readBundle(name string, found map[crate.ID]crate.Checksum) error {
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	r, err := bundle.Open(f, info.Size())
	if err != nil {
		return err
	}
	for m, err := range r.Members() {
		if err != nil {
			return err
		}
		found[m.ID] = m.Checksum
	}
	return nil
}
