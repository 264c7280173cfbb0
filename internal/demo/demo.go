// Package demo is the registry of the demo. It also checks a mirror of that registry with
// other means than the mirror's own: it reads the bundles like any program that supports
// tar and zstd, and queries the server like cargo.
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
	seed  = 2026 // of the faults: the same in every demo
	share = 0.1  // of the versions whose first request fails
)

// BundleSize is the size of a bundle of the demo in bytes, so small that there are several.
const BundleSize = 128 << 10

// Registry is a simulated registry with faults.
type Registry struct {
	*simreg.Registry
	BaseURL string // of the crate files

	server *simreg.Server
	kinds  []simreg.Kind // kinds of faults
}

// Start starts the registry on the loopback interface.
func Start() (*Registry, error) {
	// A watchdog ends StallBody; the demo sets it to a second.
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

// Dial connects to this machine only.
func Dial(ctx context.Context, network, addr string) (net.Conn, error) {
	return simreg.LoopbackOnly(ctx, network, addr)
}

// PublishIndex makes the index a git repository, like that of crates.io, if git is
// installed.
func (r *Registry) PublishIndex(ctx context.Context, dir string) error {
	_, err := exec.LookPath("git")
	if err != nil {
		return r.WriteIndex(dir)
	}
	_, err = r.CommitIndex(ctx, dir, "Demo registry")
	return err
}

// FaultsMet returns the number of failed requests, in total and by kind.
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

// CheckBundles reads all bundles like any program that supports tar and zstd, and checks
// that every crate of the registry is in one of them.
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
