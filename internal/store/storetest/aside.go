package storetest

import (
	"crypto/sha256"
	"errors"
	"io/fs"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable/durabletest"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/store"
)

func testQuarantine(t *testing.T, open opener) {
	mem := durabletest.NewMem()
	s := open(t, mem)
	if err := mem.MkdirAll("s/er"); err != nil {
		t.Fatal(err)
	}
	for n := 1; n <= 2; n++ { // twice within a second
		if err := durable.WriteFile(mem, id("serde", "1.0.0").LoosePath(), []byte("bad bytes")); err != nil {
			t.Fatal(err)
		}
		path, err := s.Quarantine(id("serde", "1.0.0"), store.Placement{Loose: true}, "hashes to something else")
		if err != nil {
			t.Fatal(err)
		}
		if got, err := durable.ReadFile(mem.Crash(rand.New(rand.NewPCG(1, 2))), path, 100); err != nil || string(got) != "bad bytes" {
			t.Errorf("in quarantine after a power cut: %q, %v", got, err)
		}
		if _, err := s.Stat(id("serde", "1.0.0")); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("Stat after Quarantine: %v, want not exist", err)
		}
		if count, err := s.Quarantined(); err != nil || count != n {
			t.Errorf("Quarantined = %d, %v; want %d", count, err, n)
		}
	}
}

func testIsolate(t *testing.T, open opener) {
	mem := durabletest.NewMem()
	s := open(t, mem)
	want, sum := crate.Checksum{1}, crate.Checksum(sha256.Sum256([]byte("<html>")))
	var paths []string
	for range 2 {
		path, err := s.Isolate(id("serde", "1.0.0"), want, sum, "not the crate", body("<html>"))
		if err != nil {
			t.Fatal(err)
		}
		paths = append(paths, path)
	}
	if count, err := s.Quarantined(); err != nil || count != 1 || paths[0] != paths[1] {
		t.Errorf("Quarantined = %d, %v at %v; want the same file once", count, err, paths)
	}
	if got, err := durable.ReadFile(mem, paths[0], 100); err != nil || string(got) != "<html>" {
		t.Errorf("in quarantine: %q, %v", got, err)
	}
	if path, err := s.Isolated(id("serde", "1.0.0"), sum); err != nil || path != paths[0] {
		t.Errorf("Isolated = %s, %v; want %s", path, err, paths[0])
	}
	if _, err := s.Isolated(id("serde", "1.0.0"), want); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Isolated of what never came: %v", err)
	}
	if err := mem.Remove(paths[0] + ".json"); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Isolated(id("serde", "1.0.0"), sum); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Isolated of what has no note: %v", err)
	}
	if err := durable.WriteFile(mem, paths[0], []byte("changed")); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Isolated(id("serde", "1.0.0"), sum); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Isolated of what has changed: %v", err)
	}
	if _, err := s.Stat(id("serde", "1.0.0")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the crate's name shows something: %v", err)
	}
}

// testIsolateIsCutOff cuts the power at every operation of Isolate: no file must be without
// its note.
func testIsolateIsCutOff(t *testing.T, open opener) { // C3
	mem := durabletest.NewMem()
	rnd := rand.New(rand.NewPCG(1, 1))
	cuts := 0
	armed := false
	s := open(t, durabletest.Hook(mem, func(op durabletest.Op) durabletest.Fault {
		if !armed {
			return durabletest.Fault{}
		}
		cuts++
		for _, disk := range []*durabletest.Mem{mem.Kill(), mem.Crash(rnd)} {
			entries, err := disk.ReadDir("quarantine")
			if err != nil && !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("cut at %v: %v", op, err)
			}
			names := map[string]bool{}
			for _, e := range entries {
				names[e.Name()] = true
			}
			for name := range names {
				if strings.HasSuffix(name, ".came-0102030000000000") && !names[name+".json"] {
					t.Errorf("cut at %v: %s has no note", op, name)
				}
			}
		}
		return durabletest.Fault{}
	}))
	armed = true
	sum := crate.Checksum{1, 2, 3}
	path, err := s.Isolate(id("serde", "1.0.0"), crate.Checksum{1}, sum, "not the crate", body("<html>"))
	if err != nil || cuts < 4 || !strings.HasSuffix(path, ".came-0102030000000000") {
		t.Errorf("%s, %d cuts, %v", path, cuts, err)
	}
	armed = false
	if _, err := mem.Crash(rnd).Stat(path); err != nil {
		t.Errorf("after a power cut: %v", err)
	}
}
