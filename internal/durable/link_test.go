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

// A link is to the file that is open, and never takes a name away.
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

// On another file system there is no link, which is told apart from a failure.
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
