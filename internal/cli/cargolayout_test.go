package cli

import (
	"io"
	"path/filepath"
	"strings"
	"testing"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable/durabletest"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/program"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/simreg"
)

// The real cargo resolves and unpacks crates from exports in the layouts of other programs,
// without server and network. The exports have a closed part of the registry.
func TestCargoReadsLayouts(t *testing.T) {
	durabletest.Seldom(t, 3)
	needCargo(t)
	dir := t.TempDir()
	mirrorDemo(t, simreg.Demo(), dir, false)
	c := &cargo{t: t, dir: t.TempDir()}
	c.write("wanted", "birch-core@0.1\nalder-sys@=1.1.0\n")
	for _, layout := range []string{"local-registry", "panamax"} {
		var config, stderr strings.Builder
		app := &App{program.App{Stdout: &config, Stderr: &stderr, Dial: simreg.LoopbackOnly}}
		code := app.Run(Root, []string{"clonecratesio", "export", "-mirror", dir, "-static", filepath.Join(c.dir, layout), "-layout", layout,
			"-crates", filepath.Join(c.dir, "wanted"), "-closure"})
		if code != 0 {
			t.Fatalf("%s: export ends with %d:\n%s", layout, code, &stderr)
		}
		_, toml, _ := strings.Cut(config.String(), "[source.crates-io]")
		c.env = []string{"CARGO_HOME=" + filepath.Join(c.dir, layout+"-home")}
		c.write(layout+"-home/config.toml", "[source.crates-io]"+toml)
		c.write(layout+"-app/Cargo.toml", `
			[package]
			name = "app"
			version = "0.0.0"
			edition = "2021"
			[dependencies]
			birch-core = "0.1"
			alder-sys = "=1.1.0"
		`)
		c.write(layout+"-app/src/lib.rs", "")
		if layout == "panamax" { // whose index cargo clones first
			c.run(layout+"-app", "fetch")
		}
		c.run(layout+"-app", "fetch", "--offline")
		unpacked, err := filepath.Glob(filepath.Join(c.dir, layout+"-home", "registry", "src", "*", "alder-sys-1.1.0+lib.3.2", "Cargo.toml"))
		if err != nil || len(unpacked) != 1 {
			t.Errorf("%s: cargo unpacked %q, %v", layout, unpacked, err)
		}
		if lock := c.read(layout + "-app/Cargo.lock"); !strings.Contains(lock, `name = "birch-core"`) {
			t.Errorf("%s: cargo resolved to\n%s", layout, lock)
		}
	}
	var app App
	app.Stdout, app.Stderr = io.Discard, io.Discard
	for _, wrong := range [][]string{
		{"-layout", "vendor"}, {"-layout", "local-registry", "-public-url", "https://x.example"}, {"-layout", "panamax", "-prune"}, {"-layout", "panamax", "-git-index=false"},
	} {
		args := append([]string{"clonecratesio", "export", "-mirror", dir, "-static", filepath.Join(c.dir, "new")}, wrong...)
		if code := app.Run(Root, args); code != 2 {
			t.Errorf("%q ends with %d, want 2", wrong, code)
		}
	}
}
