package receive

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable/durabletest"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/simreg"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/transfer"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/transfer/send"
)

// TestMedia: volumes come on media of their own; some are damaged or cannot be read.
func TestMedia(t *testing.T) {
	dear(t)
	w := newWorld(t)
	for i := range 45 {
		w.Reg.Add(simreg.Version{Name: fmt.Sprint("large-", i), Version: "1.0.0", Size: 50 << 10})
	}
	w.publish(true)
	medium := filepath.Join(w.dir, "medium")
	_, volumes := w.export(medium, func(cfg *send.Config) { full(cfg); cfg.Volume, cfg.Parity = 1<<20, 10 })
	if len(volumes) < 3 {
		t.Fatalf("%d volumes", len(volumes))
	}
	damaged := filepath.Join(w.dir, "damaged")
	must(t, os.CopyFS(damaged, os.DirFS(volumes[0])))
	bundles, err := filepath.Glob(filepath.Join(damaged, "bundle-*"))
	if err != nil || len(bundles) == 0 {
		t.Fatal(bundles, err)
	}
	largest := slices.MaxFunc(bundles, func(a, b string) int { return cmp.Compare(sizeOf(t, a), sizeOf(t, b)) })
	if sizeOf(t, largest) <= transfer.PieceSize {
		t.Fatalf("bundles of one piece: %v", bundles)
	}
	bundle := filepath.Base(largest)
	spoil(t, largest)
	// each begins with a mirror of its own
	run := func(name string, do func(t *testing.T)) {
		if !*durabletest.Thorough && rand.IntN(2) > 0 {
			return
		}
		w.far = dirsIn(w.dir, "far "+name)
		t.Run(name, do)
	}

	run("one after the other, the first one damaged", func(t *testing.T) {
		for _, v := range append([]string{damaged}, volumes[1:len(volumes)-1]...) {
			if _, err := Run(t.Context(), w.config(v)); !errors.As(err, new(*MissingError)) {
				t.Fatalf("%s: %v", v, err)
			}
		}
		if res := w.take(volumes[len(volumes)-1]); res.Rebuilt != 1 || !res.Same {
			t.Errorf("%+v", res)
		}
		w.wantSame()
		if hasLeft(&w.far) {
			t.Error("something is still staged")
		}
	})
	run("the damaged one last, the parity first", func(t *testing.T) {
		for i := len(volumes) - 1; i > 0; i-- {
			if _, err := Run(t.Context(), w.config(volumes[i])); !errors.As(err, new(*MissingError)) {
				t.Fatalf("%s: %v", volumes[i], err)
			}
		}
		if res := w.take(damaged); res.Rebuilt != 1 {
			t.Errorf("%+v", res)
		}
		w.wantSame()
	})
	run("two copies, each damaged elsewhere", func(t *testing.T) {
		for _, v := range volumes[1:] {
			_, _ = Run(t.Context(), w.config(v))
		}
		must(t, os.RemoveAll(filepath.Join(w.far.Bundles, arriving, filepath.Base(filepath.Dir(volumes[0])), "parity-001.pieces")))
		other := filepath.Join(w.dir, "other")
		must(t, os.CopyFS(other, os.DirFS(volumes[0])))
		data, err := os.ReadFile(filepath.Join(other, bundle))
		must(t, err)
		must(t, os.WriteFile(filepath.Join(other, bundle), data[:len(data)-100], 0o644))
		if res := w.take(damaged, other); res.Rebuilt != 1 {
			t.Errorf("%+v", res)
		}
		w.wantSame()
	})
	run("what was staged is damaged since", func(t *testing.T) {
		_, _ = Run(t.Context(), w.config(volumes[0]))
		spoil(t, filepath.Join(w.far.Bundles, arriving, filepath.Base(filepath.Dir(volumes[0])), bundle))
		if res := w.take(medium); res.Rebuilt != 0 {
			t.Errorf("%+v", res)
		}
		w.wantSame()
	})
	run("a medium that fails, and another one", func(t *testing.T) {
		some := []string{transfer.NoteName, bundle, transfer.IndexName}
		for _, fails := range []string{"", some[rand.IntN(len(some))]} { // "": the folder
			w.far = dirsIn(w.dir, "far of "+fails)
			cfg := w.config(append([]string{filepath.Join(w.dir, "nowhere"), damaged}, volumes...)...)
			cfg.Medium = func(dir string) (durable.FS, error) {
				if dir == damaged && fails == "" {
					return nil, &fs.PathError{Op: "open", Path: dir, Err: syscall.EIO}
				}
				f, err := durable.Open(dir)
				if err == nil && dir == damaged {
					return failing{f, fails}, nil
				}
				return f, err
			}
			if res, err := Run(t.Context(), cfg); err != nil || len(res.Taken) != 1 {
				t.Errorf("%q cannot be read on one medium: %+v, %v", fails, res, err)
			}
		}
		w.wantSame()
	})
	run("nothing there", func(t *testing.T) {
		none := filepath.Join(w.dir, "nowhere")
		_, err := Run(t.Context(), w.config(none))
		if !errors.As(err, new(*NoTransferError)) || !strings.Contains(err.Error(), "nothing was changed: there is no folder "+none+": mount the medium") {
			t.Error(err)
		}
		if _, err := os.Stat(w.far.Root); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("a mirror was made: %v", err)
		}
	})
}

func sizeOf(t *testing.T, name string) int64 {
	t.Helper()
	info, err := os.Stat(name)
	must(t, err)
	return info.Size()
}

// spoil flips a bit of a file, in its first half.
func spoil(t *testing.T, name string) {
	t.Helper()
	data, err := os.ReadFile(name)
	must(t, err)
	data[len(data)/4] ^= 1
	must(t, os.WriteFile(name, data, 0o644))
}

// failing is a medium on which one file cannot be read.
type failing struct {
	durable.FS
	name string
}

func (f failing) Open(name string) (durable.File, error) {
	file, err := f.FS.Open(name)
	if err == nil && name == f.name {
		return unreadable{file}, nil
	}
	return file, err
}

type unreadable struct{ durable.File }

func (unreadable) Read([]byte) (int, error)          { return 0, syscall.EIO }
func (unreadable) ReadAt([]byte, int64) (int, error) { return 0, syscall.EIO }
