package simreg

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable/durabletest"
)

// The real cargo resolves, downloads, verifies and compiles crates of the demo
// with nothing but the simulated registry in place of crates.io.
func TestCargoBuildsFromTheDemo(t *testing.T) {
	durabletest.Seldom(t, 3)
	if testing.Short() {
		t.Skip("cargo compiles 80 crates")
	}
	if _, err := exec.LookPath("cargo"); err != nil {
		t.Skip("no cargo")
	}
	r := Demo()
	s, _ := start(t, r, Options{})
	dir := t.TempDir()
	write(t, dir, "home/config.toml", fmt.Sprintf(`
		[source.crates-io]
		replace-with = "simulated"
		[source.simulated]
		registry = "sparse+%s"
	`, s.IndexURL))
	write(t, dir, "app/Cargo.toml", `
		[package]
		name = "app"
		version = "0.0.0"
		edition = "2021"
		[dependencies]
		willow = { version = "1", features = ["full"] }
		Larch = { version = "0.2", features = ["full"] }
		birch-core = "=0.1.1"
		elm = "=2.0.0-beta.1"
		pine-sys = "=1.1.0"
	`)
	write(t, dir, "app/src/main.rs", `fn main() {
		println!("{}", willow::describe());
		println!("{}", Larch::describe());
		println!("{}", birch_core::describe());
		println!("{}", elm::describe());
		println!("{}", pine_sys::describe());
	}`)
	cmd := exec.CommandContext(t.Context(), "cargo", "run", "--quiet")
	cmd.Dir = filepath.Join(dir, "app")
	for _, kv := range os.Environ() {
		if !strings.HasPrefix(kv, "CARGO_") && !strings.Contains(strings.ToLower(kv), "_proxy=") {
			cmd.Env = append(cmd.Env, kv)
		}
	}
	cmd.Env = append(cmd.Env, "CARGO_HOME="+filepath.Join(dir, "home"), "CARGO_TARGET_DIR="+filepath.Join(dir, "target"))
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("cargo run: %v\n%s", err, &stderr)
	}
	// No requirement can tell versions apart by metadata: cargo takes the last.
	want := `willow 1.1.0 (willow-core 1.1.0, willow_util 1.1.0, willow-io 1.1.0, willow-sys 1.1.0+lib.3.2)
Larch 0.2.0 (Larch-core 0.2.0, Larch_util 0.2.0, Larch-io 0.2.0, Larch-sys 0.2.0)
birch-core 0.1.1 (alder-core 0.1.1)
elm 2.0.0-beta.1 (elm-core 1.1.0, elm_util 1.1.0)
pine-sys 1.1.0+lib.3.2
`
	if diff := cmp.Diff(want, string(out)); diff != "" {
		t.Errorf("what the program says (-want +got):\n%s", diff)
	}
	for _, id := range r.IDs() {
		if n := r.Requests(id); n > 1 {
			t.Errorf("cargo asked %d times for %s", n, id)
		}
	}
}

func write(t *testing.T, dir, name, text string) {
	t.Helper()
	if err := writeFile(filepath.Join(dir, filepath.FromSlash(name)), []byte(text)); err != nil {
		t.Fatal(err)
	}
}
