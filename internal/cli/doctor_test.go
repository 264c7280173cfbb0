package cli

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/simreg"
)

// The doctor passes a good mirror, and fails a bad one.
func TestDoctorOfAMirror(t *testing.T) {
	needCargo(t)
	t.Setenv("CARGO_NET_RETRY", "0") // it waits ten seconds between tries
	dir := t.TempDir()
	mirrorDemo(t, simreg.Demo(), dir, false)
	code, said := runDoctor("-mirror", dir)
	var checks []string
	for line := range strings.Lines(said) {
		if f := strings.Fields(line); f[0] != "->" {
			checks = append(checks, f[0]+" "+f[1])
		}
	}
	want := []string{"ok mirror", "warning age", "ok cargo", "ok address", "ok config", "ok absent", "ok index",
		"ok crate", "ok plus", "ok yanked", "ok fetch", "ok update", "ok plus", "ok yanked", "ok search", "ok info"}
	if diff := cmp.Diff(want, checks); diff != "" || code != 0 {
		t.Errorf("doctor ends with %d, -want +got:\n%s%s", code, diff, said)
	}

	id := crate.ID{Name: "a", Version: "1.0.0"}
	file := filepath.Join(dir, "crates", filepath.FromSlash(id.LoosePath()))
	if err := os.WriteFile(file, []byte("damaged"), 0o644); err != nil {
		t.Fatal(err)
	}
	code, said = runDoctor("-mirror", dir, "-crate", "a")
	if code != 1 || !strings.Contains(said, "the mirror's copy is damaged\n                  -> clonecratesio verify -repair") {
		t.Errorf("with a damaged crate doctor ends with %d:\n%s", code, said)
	}
}

// If a mirror lacks dependencies of its crates, that is only a warning: it may be intended.
func TestDoctorOfAPartialMirror(t *testing.T) {
	needCargo(t)
	dir := t.TempDir()
	reg := simreg.New(simreg.MustParse("top 1.0.0\n  dep base ^1\nbase 1.0.0\n")...)
	commitIndex(t, reg, dir)
	reg.Remove(crate.ID{Name: "base", Version: "1.0.0"})
	mirrorDemo(t, reg, dir, false)
	code, said := runDoctor("-mirror", dir)
	if code != 0 || !strings.Contains(said, "the mirror holds a part of crates.io") {
		t.Errorf("doctor ends with %d:\n%s", code, said)
	}
}
