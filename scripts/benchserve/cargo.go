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

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/simreg"
	"github.com/APTlantis/Mirror-Rust-Crates/scripts/internal/line"
	"github.com/APTlantis/Mirror-Rust-Crates/scripts/internal/mirrored"
	"github.com/APTlantis/Mirror-Rust-Crates/scripts/internal/turns"
)

// benchCargo lets the real cargo fetch a project's dependencies from each server by turns,
// each time with an empty home.
func benchCargo(ctx context.Context, dir string) error {
	reg := simreg.Generate(12**crates, *median, 3) // one version of each crate is a dependency
	loose, static := filepath.Join(dir, "loose"), filepath.Join(dir, "static")
	if err := mirrored.Make(ctx, *program, reg, loose); err != nil {
		return err
	}
	if err := writeProject(filepath.Join(dir, "project"), newest(reg, *crates)); err != nil {
		return err
	}
	var rows []*turns.Row
	for _, secure := range []bool{false, true} {
		row, err := cargoRow(ctx, dir, loose, static, secure)
		if err != nil {
			return err
		}
		rows = append(rows, row)
	}
	turns.Table(os.Stdout, rows)
	return nil
}

// cargoRow returns the row with or without TLS.
func cargoRow(ctx context.Context, dir, loose, static string, secure bool) (*turns.Row, error) {
	made := filepath.Join(loose, "crates", ".clonecratesio", "tls")
	servers, stop, err := cargoServers(ctx, dir, loose, static, made, secure)
	defer stop()
	if err != nil {
		return nil, err
	}
	scheme := "HTTP"
	if secure {
		scheme = "HTTPS"
	}
	row := &turns.Row{Name: fmt.Sprintf("%s, %d crates, %s away", scheme, *crates, *latency)}
	for _, s := range servers {
		row.Ways = append(row.Ways, &turns.Way{
			Name:    "from " + s.name,
			Prepare: func() error { return emptyHome(dir, s, filepath.Join(made, "authority.pem")) },
			Run: func(c *turns.Cost) error {
				cmd := exec.CommandContext(ctx, "cargo", "fetch", "--quiet")
				cmd.Dir, cmd.Env = filepath.Join(dir, "project"), append(os.Environ(), "CARGO_HOME="+filepath.Join(dir, "home"))
				return c.Add(cmd)
			},
		})
	}
	slices.Reverse(row.Ways) // nginx comes first
	return row, row.Measure(dir, *rounds)
}

// cargoServers starts serve and nginx, each behind a line. With TLS, nginx uses the
// certificate that serve made.
func cargoServers(ctx context.Context, dir, loose, static, made string, secure bool) (servers []*server, stop func(), err error) {
	stop = func() {
		for _, s := range servers {
			s.stop()
		}
	}
	near, err := line.New(*latency, 0)
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
	go near.CarryTo(fmt.Sprintf("127.0.0.1:%d", port))
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
	far, err := line.New(*latency, 0)
	if err != nil {
		return servers, stop, err
	}
	scheme, address, _ := strings.Cut(web.url, "://")
	go far.CarryTo(address)
	web.url = scheme + "://" + far.Addr().String()
	if err := os.RemoveAll(static); err != nil {
		return servers, stop, err
	}
	return servers, stop, export(ctx, loose, static, web.url)
}

// newest returns one version, which is not yanked, of each of n crates.
func newest(reg *simreg.Registry, n int) (some []crate.ID) {
	taken := map[string]bool{}
	for _, id := range reg.IDs() {
		entry, _ := reg.Entry(id)
		if len(some) < n && !taken[id.Name] && !strings.Contains(string(entry), `"yanked":true`) && !strings.Contains(id.Version, "-") {
			taken[id.Name] = true
			some = append(some, id)
		}
	}
	return some
}

// writeProject writes a package that depends on crates.
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

// emptyHome gives cargo an empty home and removes the project's lock file.
func emptyHome(dir string, s *server, cainfo string) error {
	home := filepath.Join(dir, "home")
	for _, old := range []string{home, filepath.Join(dir, "project", "Cargo.lock")} {
		if err := os.RemoveAll(old); err != nil {
			return err
		}
	}
	if err := os.MkdirAll(home, 0o700); err != nil {
		return err
	}
	config := fmt.Sprintf("[source.crates-io]\nreplace-with = \"mirror\"\n[registries.mirror]\nindex = \"sparse+%s/index/\"\n[http]\ncainfo = %q\n", s.url, cainfo)
	if !strings.HasPrefix(s.url, "https") {
		config, _, _ = strings.Cut(config, "[http]")
	}
	return os.WriteFile(filepath.Join(home, "config.toml"), []byte(config), 0o600)
}
