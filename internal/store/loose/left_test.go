package loose

import (
	"crypto/sha256"
	"math/rand/v2"
	"strings"
	"syscall"
	"testing"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable/durabletest"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/store"
)

// proved is a body whose checksum was proved, in a spill or in memory.
func proved(t *testing.T, s *Store, text string, spilled bool) store.Body {
	t.Helper()
	b := store.Body{Data: []byte(text), Size: int64(len(text)), Checksum: sha256.Sum256([]byte(text))}
	if !spilled {
		return b
	}
	sp, err := s.NewSpill()
	if err == nil {
		_, err = sp.Write(b.Data)
	}
	if err != nil {
		t.Fatal(err)
	}
	b.Data, b.Spill = nil, sp
	return b
}

func putProved(t *testing.T, s *Store, id crate.ID, text string, spilled bool) {
	t.Helper()
	if _, err := s.Put(t.Context(), id, proved(t, s, text, spilled)); err != nil {
		t.Fatal(err)
	}
}

// contentOf is what a file has, or "none".
func contentOf(t *testing.T, r durable.Reader, name string) string {
	t.Helper()
	data, err := durable.ReadFile(r, name, 1<<20)
	if err != nil {
		return "none"
	}
	return string(data)
}

// C1: of what waits in tmp/ when the process is killed, the next one keeps every whole
// crate, and nothing else.
func TestC1CratesLeftByAKill(t *testing.T) {
	for what, disk := range map[string]func() *durabletest.Mem{
		"synced as a whole": durabletest.NewMem,
		"file by file":      func() *durabletest.Mem { m := durabletest.NewMem(); m.NoSyncAll = true; return m },
	} {
		t.Run(what, func(t *testing.T) {
			mem := disk()
			s := openBatch(t, mem)
			large, twice, other := crate.ID{Name: "large", Version: "1.0.0"}, crate.ID{Name: "twice", Version: "1.0.0"}, crate.ID{Name: "other", Version: "1.0.0"}
			put(t, s, twice, "there")
			put(t, s, other, "stands there")
			if _, err := s.Checkpoint(t.Context()); err != nil {
				t.Fatal(err)
			}
			putProved(t, s, serde, "one", false)
			putProved(t, s, large, "two", true)
			putProved(t, s, twice, "there", false)
			putProved(t, s, other, "came", false)
			put(t, s, log, "of unknown checksum")
			earlier := proved(t, s, "of before", false)
			if err := s.Keep(crate.Key{ID: log, Checksum: earlier.Checksum}, earlier); err != nil {
				t.Fatal(err)
			}
			cut := proved(t, s, "cut short", false)
			cut.Data, cut.Size = cut.Data[:3], 3
			if _, err := s.Put(t.Context(), log, cut); err != nil {
				t.Fatal(err)
			}

			again := openBatch(t, mem)
			for id, want := range map[crate.ID]string{serde: "one", large: "two", twice: "there", other: "stands there", log: "none"} {
				if got := contentOf(t, mem, id.LoosePath()); got != want {
					t.Errorf("%v: %q, want %q", id, got, want)
				}
			}
			if left := temporary(t, mem); len(left) > 0 {
				t.Errorf("left in tmp/: %v", left)
			}
			rnd := rand.New(rand.NewPCG(1, 2))
			if got := contentOf(t, mem.Crash(rnd), serde.LoosePath()); got != "one" {
				t.Errorf("after a power cut: %q", got)
			}
			putProved(t, again, log, "fetched", false)
			if _, err := again.Checkpoint(t.Context()); err != nil || contentOf(t, mem, log.LoosePath()) != "fetched" {
				t.Errorf("the store that took up crates takes no more: %v", err)
			}
		})
	}
}

// C3: after a power cut nothing but the crate ever shows under its name.
func TestC3CratesLeftByAPowerCut(t *testing.T) {
	seed := rand.Uint64()
	rnd := rand.New(rand.NewPCG(seed, 1))
	mem := durabletest.NewMem()
	s := openBatch(t, mem)
	putProved(t, s, serde, strings.Repeat("a crate ", 1000), false)
	putProved(t, s, log, "another", true)
	for range 200 {
		wreck := mem.Crash(rnd)
		openBatch(t, wreck)
		after := wreck.Crash(rnd) // what Open has named is durable
		for id, whole := range map[crate.ID]string{serde: strings.Repeat("a crate ", 1000), log: "another"} {
			got := contentOf(t, wreck, id.LoosePath())
			if got != "none" && got != whole || contentOf(t, after, id.LoosePath()) != got {
				t.Fatalf("seed %d: %v has %d bytes, %.20q", seed, id, len(got), got)
			}
		}
	}
}

// A name that no file system takes, or that is in use, costs nothing but its being
// known after a kill.
func TestNameOfALeftFileIsAWish(t *testing.T) {
	mem := durabletest.NewMem()
	refused := 0
	s := openBatch(t, durabletest.Hook(mem, func(op durabletest.Op) durabletest.Fault {
		if op.Kind == durabletest.OpCreate && strings.HasSuffix(op.Name, crate.Ext) {
			refused++
			return durabletest.Fault{Err: syscall.ENAMETOOLONG}
		}
		return durabletest.Fault{}
	}))
	putProved(t, s, serde, "one", false)
	if _, err := s.Checkpoint(t.Context()); err != nil || refused == 0 {
		t.Fatalf("%d refused, %v", refused, err)
	}
	if got := contentOf(t, mem, serde.LoosePath()); got != "one" {
		t.Errorf("%q", got)
	}
	if left := temporary(t, mem); len(left) > 0 {
		t.Errorf("left in tmp/: %v", left)
	}
}
