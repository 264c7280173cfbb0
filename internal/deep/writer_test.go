package deep

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"testing"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable/durabletest"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/partfile"
)

// resumable returns a disk with an unfinished segment "s" of these bytes.
func resumable(t testing.TB, b []byte) *durabletest.Mem {
	t.Helper()
	m := durabletest.NewMem()
	f, err := m.Create("s" + PartExt)
	must(t, err)
	_, err = f.Write(b)
	must(t, err)
	must(t, f.Sync())
	must(t, f.Close())
	must(t, m.SyncDir("."))
	return m
}

func count(n *int) func(*Directory) error {
	return func(*Directory) error { *n++; return nil }
}

func TestSummary(t *testing.T) {
	fakeEngine(t)
	b, packs := small(t)
	m := resumable(t, b)
	w, err := Resume(m, "s", func(*Directory) error { return nil })
	must(t, err)
	sum, err := w.Finish()
	must(t, err)
	want := Summary{
		FileSize: int64(len(b)), Checksum: sha256.Sum256(b), Packs: 3, Versions: 6,
		Verbatim: int64(len(packs[1][0].data)), Min: "a", Max: "serde_json",
	}
	for _, all := range packs {
		for _, g := range all {
			want.Size += int64(len(g.data))
		}
	}
	if sum != want {
		t.Errorf("summary\n%+v, want\n%+v", sum, want)
	}
}

// A segment that is torn at any byte, whatever the file system leaves there, is continued
// after its last whole pack and ends like an undisturbed one.
func TestResumeCutsATornTail(t *testing.T) {
	fakeEngine(t)
	whole, packs := small(t)
	at := placements(t, whole)
	var built []*Pack
	for _, all := range packs {
		built = append(built, build(t, all))
	}
	first, step := durabletest.Every(11, nil)
	for cut := first; cut <= len(whole); cut += step {
		for name, tail := range map[string][]byte{"nothing": nil, "zeros": make([]byte, 600), "noise": noise(600)} {
			what := fmt.Sprintf("cut at %d, then %s", cut, name)
			m := resumable(t, append(bytes.Clone(whole[:cut]), tail...))
			held := 0
			w, err := Resume(m, "s", count(&held))
			must(t, err)
			for i, p := range at {
				if whole := p.Offset+p.Size <= int64(cut); whole != (i < held) {
					t.Errorf("%s: %d packs are held", what, held)
				}
			}
			for _, p := range built[held:] {
				_, err := w.Append(p)
				must(t, err)
				must(t, w.Sync())
			}
			_, err = w.Finish()
			must(t, err)
			must(t, w.Publish())
			if got, err := durable.ReadFile(m, "s", 1<<30); err != nil || !bytes.Equal(got, whole) {
				t.Errorf("%s: the segment differs from one that nothing happened to: %v", what, err)
			}
		}
	}
}

func TestResumeNeverCutsWhatIsGood(t *testing.T) {
	fakeEngine(t)
	whole, _ := small(t)
	at := placements(t, whole)
	for n := range at[2].Offset + at[2].Size {
		bad := bytes.Clone(whole)
		bad[n] ^= 0xFF
		i := 0
		for at[i].Offset+at[i].Size <= n {
			i++
		}
		m := resumable(t, bad)
		held := 0
		w, err := Resume(m, "s", count(&held))
		if held != i {
			t.Errorf("pack %d is damaged: %d are held", i, held)
		}
		if i == len(at)-1 {
			if err != nil || w.Summary().FileSize != at[i].Offset {
				t.Errorf("the last pack is damaged: %v", err)
			}
			continue
		}
		var damage *DamageError
		if !errors.As(err, &damage) || damage.Offset != at[i].Offset || damage.End != at[i+1].Offset {
			t.Fatalf("byte %d, in pack %d: %v", n, i, err)
		}
		if got, err := durable.ReadFile(m, "s.part", 1<<30); err != nil || !bytes.Equal(got, bad) {
			t.Errorf("pack %d is damaged, and the file was changed", i)
		}
	}
}

var errInjected = errors.New("injected")

// After a read error nothing is truncated.
func TestResumeCutsNothingOnReadErrors(t *testing.T) {
	fakeEngine(t)
	whole, packs := small(t)
	for n := 1; ; n++ {
		m := resumable(t, whole)
		h := durabletest.FailAt(m, n, errInjected, false, false)
		held := 0
		_, err := Resume(h, "s", count(&held))
		if h.Ops() < n {
			must(t, err)
			return
		}
		got, readErr := durable.ReadFile(m, "s.part", 1<<30)
		must(t, readErr)
		if !errors.Is(err, errInjected) || !bytes.HasPrefix(whole, got) || held < len(packs) && len(got) < len(whole) {
			t.Fatalf("operation %d fails: %v, %d packs, %d of %d bytes left", n, err, held, len(got), len(whole))
		}
	}
}

// Packs that Sync has acknowledged survive a power cut; so do those that Resume reports.
func TestSyncedPacksOutliveAPowerCut(t *testing.T) {
	fakeEngine(t)
	packs := []*Pack{build(t, releasesOf("a", 2, 40)), build(t, releasesOf("b", 2, 40)), build(t, releasesOf("c", 2, 40))}
	m := durabletest.NewMem()
	w, err := Create(m, "s")
	must(t, err)
	for synced, p := range packs {
		_, err := w.Append(p)
		must(t, err)
		for seed := range uint64(10) {
			cut := m.Crash(rand.New(rand.NewPCG(seed, 1)))
			held := 0
			_, err := Resume(cut, "s", count(&held))
			if err != nil || held < synced || held > synced+1 {
				t.Fatalf("%d packs are held, want %d: %v", held, synced, err)
			}
			still := 0
			_, err = Resume(cut.Crash(rand.New(rand.NewPCG(seed, 2))), "s", count(&still))
			if err != nil || still != held {
				t.Fatalf("%d packs are held after another cut, want %d: %v", still, held, err)
			}
		}
		must(t, w.Sync())
	}
}

// Whatever operation fails, acknowledged packs are still there, and the Writer accepts no
// more.
func TestWriterIsDeadAfterAnyError(t *testing.T) {
	fakeEngine(t)
	p, q := build(t, releasesOf("a", 2, 40)), build(t, releasesOf("b", 2, 40))
	for n := 1; ; n++ {
		m := durabletest.NewMem()
		h := durabletest.FailAt(m, n, errInjected, false, n%2 == 0)
		acknowledged := 0
		err := func() error {
			w, err := Create(h, "s")
			if err != nil {
				return err
			}
			for _, pack := range []*Pack{p, q} {
				if _, err = w.Append(pack); err == nil {
					err = w.Sync()
				}
				if err != nil {
					if _, again := w.Append(pack); !errors.Is(again, ErrBroken) {
						t.Errorf("operation %d fails: a later Append says %v", n, again)
					}
					return err
				}
				acknowledged++
			}
			if _, err = w.Finish(); err != nil {
				return err
			}
			return w.Publish()
		}()
		if h.Ops() < n {
			must(t, err)
			return
		}
		if !errors.Is(err, errInjected) {
			t.Fatalf("operation %d fails: %v", n, err)
		}
		held := 0
		_, err = Resume(m, "s", count(&held))
		if errors.Is(err, fs.ErrNotExist) { // published, or not created yet
			b, _ := durable.ReadFile(m, "s", 1<<30)
			if b != nil {
				held = len(placements(t, b))
			}
			err = nil
		}
		if err != nil || held < acknowledged {
			t.Errorf("operation %d fails: %d packs of %d are left: %v", n, held, acknowledged, err)
		}
	}
}

func TestPublishReplacesNothing(t *testing.T) {
	fakeEngine(t)
	m := resumable(t, nil)
	must(t, durable.WriteFile(m, "s", []byte("another")))
	w, err := Resume(m, "s", nil)
	must(t, err)
	if err := w.Publish(); !errors.Is(err, partfile.ErrUnfinished) {
		t.Errorf("an unfinished segment: %v", err)
	}
	_, err = w.Finish()
	must(t, err)
	if err := w.Publish(); !errors.Is(err, fs.ErrExist) {
		t.Errorf("the name is taken: %v", err)
	}
	if _, err := Resume(m, "t", nil); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("there is no such segment: %v", err)
	}
}

func TestFileName(t *testing.T) {
	shard := crate.Shard{Index: 3, Of: 8}
	for n, name := range map[Name]string{
		{}: "deep-0000.zst", {Number: 42}: "deep-0042.zst", {Number: 12345}: "deep-12345.zst", {Number: MaxNumber}: "deep-999999999.zst",
		{shard, 42}: "deep-s3of8-0042.zst",
	} {
		if got := n.String(); got != name {
			t.Errorf("%+v is %q", n, got)
		}
		if got, err := ParseFileName(name); err != nil || got != n {
			t.Errorf("ParseFileName(%q) = %+v, %v", name, got, err)
		}
	}
	for _, name := range []string{
		"", "deep-1.zst", "deep-00001.zst", "deep-+001.zst", "deep-0001.zst.part", "deep-9999999999.zst", "bundle-0001.tar.zst",
		"deep-s3of8.zst", "deep-s8of8-0001.zst", "deep-s3of8-1.zst", "deep-s0of1-0001.zst", "deep-3of8-0001.zst", "deep--0001.zst",
	} {
		if n, err := ParseFileName(name); err == nil {
			t.Errorf("ParseFileName(%q) = %+v", name, n)
		}
	}
}
