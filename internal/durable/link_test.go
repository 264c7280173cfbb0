package durable_test

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable/durabletest"
)

// A link is to the file that is open, and never replaces a name.
func TestLink(t *testing.T) {
	from, to := t.TempDir(), t.TempDir()
	a, err := durable.Open(from)
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	b, err := durable.Open(to)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	if err := os.WriteFile(filepath.Join(from, "f"), []byte("crate"), 0o644); err != nil {
		t.Fatal(err)
	}
	f, err := a.Open("f")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := durable.Link(f, b, "g"); err != nil {
		t.Fatal(err)
	}
	if err := durable.Link(f, durabletest.Hook(b, func(durabletest.Op) durabletest.Fault { return durabletest.Fault{} }), "h"); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"g", "h"} {
		linked, err := b.Stat(name)
		if err != nil {
			t.Fatal(err)
		}
		if opened, err := f.Stat(); err != nil || !os.SameFile(opened, linked) {
			t.Errorf("%s is another file (%v)", name, err)
		}
	}
	if err := durable.Link(f, b, "g"); !errors.Is(err, fs.ErrExist) {
		t.Errorf("a name that is taken: %v", err)
	}
	if err := durable.Link(f, b, "../g"); !errors.Is(err, fs.ErrInvalid) {
		t.Errorf("a name outside: %v", err)
	}
	if err := durable.Link(f, durabletest.NewMem(), "g"); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("a disk without links: %v", err)
	}
}

// A link to another file system is impossible, which is told apart from a failure.
func TestLinkAcrossFileSystems(t *testing.T) {
	other, err := os.MkdirTemp("/dev/shm", "durable-")
	if err != nil {
		t.Skip("no second file system")
	}
	defer os.RemoveAll(other)
	name := filepath.Join(t.TempDir(), "f")
	if err := os.WriteFile(name, []byte("crate"), 0o644); err != nil {
		t.Fatal(err)
	}
	a, err := durable.Open(filepath.Dir(name))
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	b, err := durable.Open(other)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	f, err := a.Open("f")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := durable.Link(f, b, "f"); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("got %v", err)
	}
	if data, err := io.ReadAll(f); err != nil || string(data) != "crate" {
		t.Errorf("the file reads %q, %v", data, err)
	}
}

// A file of a batch can come from elsewhere: if linked, it is that file, whose bytes are
// synced without opening it for writing; if cloned, it has its bytes. Where neither is
// possible, nothing is changed.
func TestStagedFromElsewhere(t *testing.T) {
	for _, when := range []durable.Durability{durable.Together, durable.PerFile} {
		dir := t.TempDir()
		disk, err := durable.Open(dir)
		if err != nil {
			t.Fatal(err)
		}
		defer disk.Close()
		if err := os.WriteFile(filepath.Join(dir, "source"), []byte("crate"), 0o444); err != nil {
			t.Fatal(err)
		}
		source, err := disk.Open("source")
		if err != nil {
			t.Fatal(err)
		}
		defer source.Close()
		b := durable.NewBatch(disk, "tmp", when)
		if err := b.Clear(); err != nil {
			t.Fatal(err)
		}
		linked, err := b.Create()
		if err == nil {
			err = linked.Link(source)
		}
		if err == nil {
			err = linked.Finish("linked")
		}
		if err != nil {
			t.Fatal(err)
		}
		other, err := b.Create()
		if err != nil {
			t.Fatal(err)
		}
		if err := other.Link(memFile(t)); !errors.Is(err, errors.ErrUnsupported) {
			t.Errorf("a file of another disk: %v", err)
		}
		if err := other.Clone(source); errors.Is(err, errors.ErrUnsupported) {
			_, err = other.Write([]byte("crate"))
			if err != nil {
				t.Errorf("a file that could not be cloned cannot be written to: %v", err)
			}
		} else if err != nil {
			t.Error(err)
		}
		if err := other.Finish("other"); err != nil {
			t.Fatal(err)
		}
		if err := b.Commit(t.Context(), []*durable.Staged{linked, other}, disk.Publish); err != nil || linked.Err != nil || other.Err != nil {
			t.Fatal(err, linked.Err, other.Err)
		}
		same, err := disk.Stat("linked")
		if was, statErr := source.Stat(); err != nil || statErr != nil || !os.SameFile(was, same) {
			t.Errorf("linked is another file (%v)", err)
		}
		if data, err := durable.ReadFile(disk, "other", 10); err != nil || string(data) != "crate" {
			t.Errorf("other is %q, %v", data, err)
		}
		if left, err := os.ReadDir(filepath.Join(dir, "tmp", "1")); err != nil || len(left) > 0 {
			t.Errorf("left behind: %v, %v", left, err)
		}
	}
}

// memFile returns a file of a disk that cannot share bytes.
func memFile(t *testing.T) durable.File {
	f, err := durabletest.NewMem().Create("f")
	if err != nil {
		t.Fatal(err)
	}
	return f
}
