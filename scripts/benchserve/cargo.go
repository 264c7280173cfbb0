//go:build linux

package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/simreg"
)

// benchCargo has the real cargo fetch a project's dependencies, with an empty home each
// time, from each server by turns.
func benchCargo(ctx context.Context, dir string) error {
	reg := simreg.Generate(12**crates, *median, 3) // of which a version of each crate is a dependency
	loose, static := filepath.Join(dir, "loose"), filepath.Join(dir, "static")
	if err := mirror(ctx, reg, loose); err != nil {
		return err
	}
	needed := newest(reg, *crates)
	if err := writeProject(filepath.Join(dir, "project"), needed); err != nil {
		return err
	}
	for _, secure := range []bool{false, true} {
		if err := cargoRow(ctx, dir, loose, static, secure, len(needed)); err != nil {
			return err
		}
	}
	return nil
}

// cargoRow measures with TLS, or without.
func cargoRow(ctx context.Context, dir, loose, static string, secure bool, n int) error {
	made := filepath.Join(loose, "crates", ".clonecratesio", "tls")
	servers, stop, err := cargoServers(ctx, dir, loose, static, made, secure)
	defer stop()
	if err != nil {
		return err
	}
	took := map[string][]float64{}
	for round := range *rounds + 1 {
		for _, s := range servers {
			seconds, err := fetch(ctx, dir, s, filepath.Join(made, "authority.pem"))
			if err != nil {
				return err
			}
			if round > 0 { // the first warms up
				took[s.name] = append(took[s.name], seconds)
			}
		}
	}
	middle := map[string]float64{}
	fmt.Printf("cargo fetch of %d crates, TLS %v, %s away:", n, secure, *latency)
	for _, s := range servers {
		all := took[s.name]
		slices.Sort(all)
		middle[s.name] = all[len(all)/2]
		fmt.Printf(" %s %.2f s (%.2f to %.2f),", s.name, middle[s.name], all[0], all[len(all)-1])
	}
	fmt.Printf(" %.2f of nginx\n", middle["serve"]/middle["nginx"])
	return nil
}

// cargoServers starts serve and nginx, each behind a line. With TLS, nginx has the
// certificate that serve has made.
func cargoServers(ctx context.Context, dir, loose, static, made string, secure bool) (servers []*server, stop func(), err error) {
	stop = func() {
		for _, s := range servers {
			s.stop()
		}
	}
	near, err := newLine(*latency)
	if err != nil {
		return nil, stop, err
	}
	flags := []string{"-public-url", "http://" + near.Addr().String()}
	if secure {
		flags = []string{"-public-url", "https://" + near.Addr().String(), "-tls-self-signed"}
	}
	port, err := freePort()
	if err != nil {
		return nil, stop, err
	}
	ours, err := serve("serve", loose, append(flags, "-listen", fmt.Sprintf("127.0.0.1:%d", port))...)
	if err != nil {
		return nil, stop, err
	}
	servers = append(servers, ours)
	go near.carryTo(fmt.Sprintf("127.0.0.1:%d", port))
	for from, to := range map[string]string{"certificate.pem": "cert.pem", "certificate.key": "key.pem"} {
		if data, err := os.ReadFile(filepath.Join(made, from)); err == nil {
			if err := os.WriteFile(filepath.Join(dir, to), data, 0o600); err != nil {
				return servers, stop, err
			}
		}
	}
	web, err := nginx(static, secure)
	if err != nil {
		return servers, stop, err
	}
	servers = append(servers, web)
	far, err := newLine(*latency)
	if err != nil {
		return servers, stop, err
	}
	if err := web.behind(far); err != nil {
		return servers, stop, err
	}
	if err := os.RemoveAll(static); err != nil {
		return servers, stop, err
	}
	return servers, stop, export(ctx, loose, static, web.url)
}

// newest are n crates, by one version each that is not yanked.
func newest(reg *simreg.Registry, n int) (some []crate.ID) {
	taken := map[string]bool{}
	for _, id := range reg.IDs() {
		line, _ := reg.Entry(id)
		if len(some) < n && !taken[id.Name] && !strings.Contains(string(line), `"yanked":true`) && !strings.Contains(id.Version, "-") {
			taken[id.Name] = true
			some = append(some, id)
		}
	}
	return some
}

// writeProject makes a package that depends on crates.
func writeProject(dir string, needed []crate.ID) error {
	var text strings.Builder
	text.WriteString("[package]\nname = \"project\"\nversion = \"0.1.0\"\nedition = \"2021\"\n\n[dependencies]\n")
	for _, id := range needed {
		version, _, _ := strings.Cut(id.Version, "+")
		fmt.Fprintf(&text, "%s = \"=%s\"\n", id.Name, version)
	}
	if err := os.MkdirAll(filepath.Join(dir, "src"), 0o700); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, "src", "lib.rs"), nil, 0o600); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "Cargo.toml"), []byte(text.String()), 0o600)
}

// fetch runs cargo once, and returns the seconds that it took.
func fetch(ctx context.Context, dir string, s *server, cainfo string) (float64, error) {
	home := filepath.Join(dir, "home")
	for _, old := range []string{home, filepath.Join(dir, "project", "Cargo.lock")} {
		if err := os.RemoveAll(old); err != nil {
			return 0, err
		}
	}
	if err := os.MkdirAll(home, 0o700); err != nil {
		return 0, err
	}
	config := fmt.Sprintf("[source.crates-io]\nreplace-with = \"mirror\"\n[registries.mirror]\nindex = \"sparse+%s/index/\"\n[http]\ncainfo = %q\n", s.url, cainfo)
	if !strings.HasPrefix(s.url, "https") {
		config, _, _ = strings.Cut(config, "[http]")
	}
	if err := os.WriteFile(filepath.Join(home, "config.toml"), []byte(config), 0o600); err != nil {
		return 0, err
	}
	cmd := exec.CommandContext(ctx, "cargo", "fetch", "--quiet")
	cmd.Dir, cmd.Env = filepath.Join(dir, "project"), append(os.Environ(), "CARGO_HOME="+home)
	began := time.Now()
	if out, err := cmd.CombinedOutput(); err != nil {
		return 0, fmt.Errorf("cargo fetch from %s: %w\n%s", s.name, err, out)
	}
	return time.Since(began).Seconds(), nil
}
