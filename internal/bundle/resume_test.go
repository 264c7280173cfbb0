package bundle

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable/durabletest"
)

// resumable returns a disk with an unfinished bundle of these bytes.
func resumable(t *testing.T, b []byte) *durabletest.Mem {
	t.Helper()
	m := durabletest.NewMem()
	f, err := m.Create("b.part")
	must(t, err)
	_, err = f.Write(b)
	must(t, err)
	must(t, f.Sync())
	must(t, f.Close())
	must(t, m.SyncDir("."))
	return m
}

func count(n *int) func(Member) error { return func(Member) error { *n++; return nil } }

// Intact members are never truncated: damage before a whole member is an error, and the
// file stays as it is.
func TestResumeNeverCutsWhatIsGood(t *testing.T) {
	whole, _ := build(t, items())
	at := placements(t, whole)
	for i, p := range at {
		bad := bytes.Clone(whole)
		bad[p.Offset+p.FrameSize/2] ^= 0xFF
		m := resumable(t, bad)
		held := 0
		w, err := Resume(m, "b", count(&held))
		if held != i {
			t.Errorf("member %d is damaged: %d are held", i, held)
		}
		if i == len(at)-1 {
			if err != nil || w.Summary().FileSize != p.Offset {
				t.Errorf("the last member is damaged: %v", err)
			}
			continue
		}
		var damage *DamageError
		if !errors.As(err, &damage) || damage.Offset != p.Offset || damage.End != at[i+1].Offset {
			t.Errorf("member %d is damaged: %v", i, err)
		}
		if got, err := durable.ReadFile(m, "b.part", 1<<30); err != nil || !bytes.Equal(got, bad) {
			t.Errorf("member %d is damaged, and the file was changed", i)
		}
	}
}

// After a read error nothing is truncated.
func TestResumeCutsNothingOnReadErrors(t *testing.T) {
	all := withLarge()
	all = append(all, item{ID: crate.ID{Name: "last", Version: "1.0.0"}, Data: noise(smallContent+5, 6)})
	whole, _ := build(t, all)
	first, step := durabletest.Every(4, nil)
	for n := first + 1; ; n += step {
		m := resumable(t, whole)
		h := durabletest.FailAt(m, n, errInjected, false, false)
		held := 0
		_, err := Resume(h, "b", count(&held))
		if h.Ops() < n {
			must(t, err)
			return
		}
		got, readErr := durable.ReadFile(m, "b.part", 1<<30)
		must(t, readErr)
		if !errors.Is(err, errInjected) || !bytes.HasPrefix(whole, got) || held < len(all) && len(got) < len(whole) {
			t.Fatalf("operation %d fails: %v, %d members, %d of %d bytes left", n, err, held, len(got), len(whole))
		}
	}
}

// nameless does not sync names.
type nameless struct{ durable.FS }

func (nameless) SyncDir(string) error { return nil }

// After a kill the members are only in the system's memory; once Resume has reported them,
// they are on disk.
func TestResumeMakesDurableWhatItTells(t *testing.T) {
	want := items()
	m := durabletest.NewMem()
	w, err := Create(nameless{m}, "b") // as if killed before Create synced the name
	must(t, err)
	for _, it := range want {
		must(t, put(w, it))
	}
	for seed := range uint64(20) {
		killed := m.Kill()
		held := 0
		_, err := Resume(killed, "b", count(&held))
		must(t, err)
		if held != len(want) {
			t.Fatalf("%d members are held, want %d", held, len(want))
		}
		still := 0
		_, err = Resume(killed.Crash(rand.New(rand.NewPCG(seed, 2))), "b", count(&still))
		if err != nil || still != held {
			t.Fatalf("%d members are held after a crash, want %d: %v", still, held, err)
		}
	}
}

func TestResumeCutsATornTail(t *testing.T) {
	want := withLarge()
	whole, _ := build(t, want)
	at := placements(t, whole)
	for _, cut := range []int64{0, 1, at[1].Offset + 20, at[2].Offset + 9, at[2].Offset + 600_000, at[3].Offset, at[3].Offset + 1, int64(len(whole)) - 1} {
		for name, tail := range map[string][]byte{"nothing": nil, "zeros": make([]byte, 5000), "noise": noise(5000, 1)} {
			what := fmt.Sprintf("cut at %d, then %s", cut, name)
			m := resumable(t, append(bytes.Clone(whole[:cut]), tail...))
			held := 0
			w, err := Resume(m, "b", count(&held))
			must(t, err)
			for i, p := range at {
				if whole := p.Offset+p.FrameSize <= cut; whole != (i < held) {
					t.Errorf("%s: %d members are held", what, held)
				}
			}
			for _, it := range want[held:] {
				must(t, put(w, it))
			}
			_, err = w.Finish()
			must(t, err)
			must(t, w.Publish())
			if got, err := durable.ReadFile(m, "b", 1<<30); err != nil || !bytes.Equal(got, whole) {
				t.Errorf("%s: the bundle differs from one that nothing happened to: %v", what, err)
			}
		}
	}
}
