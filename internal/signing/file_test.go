package signing

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable/durabletest"
)

// A new key is two files; the private one is readable by its owner alone, and nothing is
// replaced.
func TestNewKey(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "key")
	public, err := NewKey(onDisk, path, "crates.example.org")
	must(t, err)
	if public.Name() != "crates.example.org" || public.Kind() != Note {
		t.Errorf("the key is %s of %s", public.Kind(), public.Name())
	}
	s, err := OpenPrivate(path, nil)
	must(t, err)
	keys, err := OpenPublic(path + ".pub")
	must(t, err)
	for _, key := range []*Verifier{s.Public(), keys[0]} {
		if key.String() != public.String() {
			t.Errorf("the key is %s, want %s", key, public)
		}
	}
	for _, either := range []string{path, path + ".pub", public.String()} {
		if keys, err := PublicOf(either, nil); err != nil || len(keys) != 1 || keys[0].String() != public.String() {
			t.Errorf("PublicOf(%s) = %v, %v", either, keys, err)
		}
	}
	literal, err := OpenPublic(public.String())
	if err != nil || literal[0].String() != public.String() {
		t.Errorf("OpenPublic of the key itself = %v, %v", literal, err)
	}
	before, err := os.ReadFile(path)
	must(t, err)
	if _, err := NewKey(onDisk, path, "x"); !errors.Is(err, fs.ErrExist) {
		t.Errorf("a second key of the same name: %v", err)
	}
	must(t, os.Remove(path))
	if _, err := NewKey(onDisk, path, "x"); !errors.Is(err, fs.ErrExist) || !strings.Contains(err.Error(), "key.pub") {
		t.Errorf("a key beside the public one of another: %v", err)
	}
	must(t, os.WriteFile(path, before, 0o600))
	if _, err := NewKey(onDisk, filepath.Join(dir, "no", "key"), "x"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a key in no folder: %v", err)
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 2 {
		t.Errorf("the folder has %v, %v", entries, err)
	}
}

// The disk fails at any operation: a file that is there is whole, and the public key
// is never there without the private one.
func TestNewKeyOnBrokenDisks(t *testing.T) {
	broken := errors.New("broken")
	for n := 1; ; n++ {
		dir := t.TempDir()
		path := filepath.Join(dir, "key")
		var h *durabletest.Hooked
		_, err := NewKey(func(fsys durable.FS) durable.FS {
			h = durabletest.FailAt(fsys, n, broken, true, false)
			return h
		}, path, "x")
		if h.Ops() < n {
			if err != nil || n < 10 {
				t.Errorf("%d operations, %v", h.Ops(), err)
			}
			break
		}
		if !errors.Is(err, broken) {
			t.Fatalf("operation %d fails: %v", n, err)
		}
		s, privateErr := OpenPrivate(path, nil)
		keys, publicErr := OpenPublic(path + ".pub")
		switch {
		case publicErr == nil && (privateErr != nil || keys[0].String() != s.Public().String()):
			t.Errorf("operation %d fails: a public key without its private one: %v", n, privateErr)
		case privateErr != nil && !errors.Is(privateErr, fs.ErrNotExist):
			t.Errorf("operation %d fails: the private key is not whole: %v", n, privateErr)
		case publicErr != nil && !errors.Is(publicErr, fs.ErrNotExist):
			t.Errorf("operation %d fails: the public key is not whole: %v", n, publicErr)
		}
	}
}

// What is no file of a key's size is refused, and not waited for.
func TestNoKeyFiles(t *testing.T) {
	dir := t.TempDir()
	large := write(t, "large", strings.Repeat("x", maxKeyFile+1), 0o600)
	for path, want := range map[string]string{
		dir:                          "not a regular file",
		filepath.Join(dir, "absent"): "no such file",
		large:                        "more than 65536 bytes: this is not a key",
	} {
		if _, err := OpenPrivate(path, nil); err == nil || !strings.Contains(err.Error(), want) || strings.Count(err.Error(), path) != 1 {
			t.Errorf("OpenPrivate = %v, want %q", err, want)
		}
		if _, err := OpenPublic(path); err == nil || !strings.Contains(err.Error(), want) || strings.Count(err.Error(), path) != 1 {
			t.Errorf("OpenPublic = %v, want %q", err, want)
		}
	}
}
