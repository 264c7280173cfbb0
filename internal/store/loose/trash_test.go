package loose

import (
	"math/rand/v2"
	"path"
	"testing"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable/durabletest"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/store"
)

// C3: a power cut while crates move to the trash, or to quarantine, leaves each
// either where it was or where it went, also where a disk cannot sync everything
// at once.
func TestC3PowerCutWhileMovingAside(t *testing.T) {
	ids := []crate.ID{serde, log, {Name: "serde_json", Version: "1.0.0"}}
	day := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for what, move := range map[string]func(*Store) error{
		"trash": func(s *Store) error {
			names := make([]string, len(ids))
			for i, id := range ids {
				names[i] = id.LoosePath()
			}
			return s.Trash(names, day)
		},
		"quarantine": func(s *Store) error {
			for _, id := range ids {
				if _, err := s.Quarantine(id, store.Placement{Loose: true}, "damaged"); err != nil {
					return err
				}
			}
			return nil
		},
	} {
		for _, mode := range []Durability{Batch, PerFile} {
			seed := rand.Uint64()
			rnd := rand.New(rand.NewPCG(seed, 3))
			mem := durabletest.NewMem()
			mem.NoSyncAll = mode == PerFile
			s := openStore(t, mem, mode)
			for _, id := range ids {
				put(t, s, id, id.String())
			}
			if _, err := s.Checkpoint(t.Context()); err != nil {
				t.Fatal(err)
			}
			hooked := durabletest.Hook(mem, func(op durabletest.Op) durabletest.Fault {
				for range 20 {
					wreck := mem.Crash(rnd)
					for _, id := range ids {
						if n := copies(t, wreck, ".", id); n != 1 {
							t.Errorf("%s, seed %d, power cut at %v: %d copies of %v", what, seed, op, n, id)
						}
					}
				}
				return durabletest.Fault{}
			})
			if err := move(openStore(t, hooked, mode)); err != nil {
				t.Fatal(err)
			}
			after := mem.Crash(rnd)
			for _, id := range ids {
				if _, err := after.Stat(id.LoosePath()); err == nil || copies(t, after, ".", id) != 1 {
					t.Errorf("%s: %v did not move for good: %v", what, id, err)
				}
			}
		}
	}
}

func openStore(t *testing.T, fsys durable.FS, mode Durability) *Store {
	t.Helper()
	s, err := Open(fsys, mode)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// copies counts the files below dir that have a crate's bytes, as put wrote them.
func copies(t *testing.T, fsys durable.Reader, dir string, id crate.ID) (n int) {
	t.Helper()
	entries, err := fsys.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		name := path.Join(dir, e.Name())
		if e.IsDir() {
			n += copies(t, fsys, name, id)
		} else if data, err := durable.ReadFile(fsys, name, 1<<20); err == nil && string(data) == id.String() {
			n++
		}
	}
	return n
}
