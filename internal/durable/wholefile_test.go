package durable_test

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable/durabletest"
)

var errSlow = errors.New("the source broke off")

// C3: at any operation the file is whole, old or new, and new once that was reported, even
// one so large that it is synced while it is written.
func TestC3WholeFileIsWholeAfterPowerCuts(t *testing.T) {
	large := bytes.Repeat([]byte("0123456789abcdef"), 65<<20/16)
	for name, data := range map[string][]byte{"small": []byte("new"), "large": large} {
		t.Run(name, func(t *testing.T) {
			disk := durabletest.NewMem()
			must(t, durable.WriteFile(disk, "table", []byte("old")))
			rnd := rand.New(rand.NewPCG(1, 1))
			var mu sync.Mutex // syncs run during writes
			ops := 0
			hooked := durabletest.Hook(disk, func(op durabletest.Op) durabletest.Fault {
				mu.Lock()
				defer mu.Unlock()
				if ops++; op.Kind != durabletest.OpWrite || ops < 4 {
					wantOneOf(t, op, disk.Crash(rnd), []byte("old"), data)
				}
				return durabletest.Fault{}
			})
			must(t, durable.FillFile(hooked, "table", func(w io.Writer) error {
				for part := data; len(part) > 0; part = part[min(len(part), 1<<20):] {
					if _, err := w.Write(part[:min(len(part), 1<<20)]); err != nil {
						return err
					}
				}
				return nil
			}))
			if ops < 5 {
				t.Errorf("only %d operations", ops)
			}
			wantOneOf(t, "the end", disk.Crash(rnd), data)
		})
	}
}

func wantOneOf(t *testing.T, at any, disk *durabletest.Mem, contents ...[]byte) {
	t.Helper()
	got, err := durable.ReadFile(disk, "table", 1<<30)
	for _, want := range contents {
		if err == nil && bytes.Equal(got, want) {
			return
		}
	}
	t.Errorf("after a power cut at %v the file has %d bytes, %v", at, len(got), err)
}

// C12: wherever the disk fails, the failure is reported, the old file stays, and no other
// file is left.
func TestC12WholeFileFails(t *testing.T) {
	for n := 1; ; n++ {
		disk := durabletest.NewMem()
		must(t, durable.WriteFile(disk, "table", []byte("old")))
		hooked := durabletest.FailAt(disk, n, durable.ErrNoSpace, false, false)
		err := durable.WriteFile(hooked, "table", []byte("new"))
		if hooked.Ops() < n {
			if n < 5 {
				t.Errorf("only %d operations", n)
			}
			return
		}
		if !errors.Is(err, durable.ErrNoSpace) {
			t.Errorf("operation %d fails: %v", n, err)
		}
		wantOneOf(t, n, disk, []byte("old"), []byte("new"))
		if entries, err := disk.ReadDir("."); err != nil || len(entries) != 1 {
			t.Errorf("operation %d fails: left are %v, %v", n, entries, err)
		}
	}
}

// If the source fails, the old file stays; a file that must be new does not replace
// another; and what an earlier run left under a given temporary name is removed.
func TestWholeFileThatIsNotMade(t *testing.T) {
	disk := durabletest.NewMem()
	must(t, durable.WriteFile(disk, "table", []byte("old")))
	err := durable.FillFile(disk, "table", func(w io.Writer) error {
		_, err := w.Write([]byte("ne"))
		return errors.Join(err, errSlow)
	})
	if !errors.Is(err, errSlow) {
		t.Error(err)
	}
	if err := durable.FillNew(disk, "table", func(io.Writer) error { return nil }); !errors.Is(err, fs.ErrExist) {
		t.Error(err)
	}
	must(t, durable.WriteFile(disk, "table.part", []byte("of an earlier run")))
	w, err := durable.CreateWhole(disk, "table", "table.part")
	must(t, err)
	must(t, w.Discard())
	wantOneOf(t, "the end", disk, []byte("old"))
	if entries, err := disk.ReadDir("."); err != nil || len(entries) != 1 {
		t.Errorf("left are %v, %v", entries, err)
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
