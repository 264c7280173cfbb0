package simreg

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
)

func id(name, version string) crate.ID { return crate.ID{Name: name, Version: version} }

func entryOf(t *testing.T, r *Registry, id crate.ID) string {
	t.Helper()
	line, err := r.Entry(id)
	if err != nil {
		t.Fatal(err)
	}
	return string(line)
}

func bytesOf(t *testing.T, r *Registry, id crate.ID) []byte {
	t.Helper()
	data, err := r.CrateBytes(id)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// The field order is that of struct Crate in crates.io's crates_io_index, as
// it can be seen in every line of the real index.
func TestEntryIsInTheFormOfCratesIO(t *testing.T) {
	r := New(MustParse(`
		Foo-x 1.0.0+b yanked
		  dep zed 1.2
		  dep bar >=1,<3 kind=dev
		  dep bar ^1 optional no-default features=a,b target=cfg(unix)
		  dep http ^1 rename=http1
		  feature std bar/std
		  feature json dep:bar
		  links z
		  rust 1.70
		  pubtime 2026-01-31T12:00:00Z
		plain 0.1.0
	`)...)
	sum := func(id crate.ID) string {
		h := sha256.Sum256(bytesOf(t, r, id))
		return crate.Checksum(h).String()
	}
	want := `{"name":"Foo-x","vers":"1.0.0+b","deps":[` +
		`{"name":"bar","req":"^1","features":["a","b"],"optional":true,"default_features":false,"target":"cfg(unix)","kind":"normal"},` +
		`{"name":"bar","req":">=1,<3","features":[],"optional":false,"default_features":true,"target":null,"kind":"dev"},` +
		`{"name":"http1","req":"^1","features":[],"optional":false,"default_features":true,"target":null,"kind":"normal","package":"http"},` +
		`{"name":"zed","req":"^1.2","features":[],"optional":false,"default_features":true,"target":null,"kind":"normal"}` +
		`],"cksum":"` + sum(id("Foo-x", "1.0.0+b")) + `","features":{"std":["bar/std"]},"features2":{"json":["dep:bar"]},` +
		`"yanked":true,"links":"z","rust_version":"1.70","pubtime":"2026-01-31T12:00:00Z","v":2}`
	if diff := cmp.Diff(want, entryOf(t, r, id("Foo-x", "1.0.0+b"))); diff != "" {
		t.Errorf("entry (-want +got):\n%s", diff)
	}
	want = `{"name":"plain","vers":"0.1.0","deps":[],"cksum":"` + sum(id("plain", "0.1.0")) + `","features":{},"yanked":false}`
	if diff := cmp.Diff(want, entryOf(t, r, id("plain", "0.1.0"))); diff != "" {
		t.Errorf("entry (-want +got):\n%s", diff)
	}
}

func TestCrateFileIsInTheFormOfCargo(t *testing.T) {
	r := New(MustParse("foo-bar 1.0.0\n size 1000\n links z")...)
	data := bytesOf(t, r, id("foo-bar", "1.0.0"))
	zr, err := gzip.NewReader(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	if zr.Name != "foo-bar-1.0.0.crate" {
		t.Errorf("gzip name = %q", zr.Name)
	}
	var names []string
	for tr := tar.NewReader(zr); ; {
		h, err := tr.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, h.Name)
		if h.Format != tar.FormatGNU || h.Mode != 0o644 || h.Uid != 0 || !h.ModTime.Equal(cargoTime) {
			t.Errorf("%s: format %v, mode %o, uid %d, time %v", h.Name, h.Format, h.Mode, h.Uid, h.ModTime)
		}
	}
	want := []string{"foo-bar-1.0.0/Cargo.toml", "foo-bar-1.0.0/build.rs", "foo-bar-1.0.0/noise.bin", "foo-bar-1.0.0/src/lib.rs"}
	if diff := cmp.Diff(want, names); diff != "" {
		t.Errorf("members (-want +got):\n%s", diff)
	}
	if len(data) < 1000 || len(data) > 2000 {
		t.Errorf("1000 bytes of noise make a crate file of %d", len(data))
	}
}

func TestSameSpecificationSameBytes(t *testing.T) {
	a, b := Demo(), Demo()
	for _, id := range a.IDs() {
		if entryOf(t, a, id) != entryOf(t, b, id) { // the checksum included
			t.Fatalf("%s differs between two registries", id)
		}
	}
}

func TestChangesBetweenRuns(t *testing.T) {
	foo, bar := id("foo", "1.0.0"), id("bar", "1.0.0")
	r := New(MustParse("foo 1.0.0\nfoo 1.1.0\nbar 1.0.0")...)
	before, bytesBefore := entryOf(t, r, foo), bytesOf(t, r, foo)

	r.Yank(foo, true)
	if got, want := entryOf(t, r, foo), strings.Replace(before, `"yanked":false`, `"yanked":true`, 1); got != want {
		t.Errorf("after Yank the entry is %s, want %s", got, want)
	}
	r.Yank(foo, false)
	if got := entryOf(t, r, foo); got != before {
		t.Errorf("after unyanking the entry is %s, want %s", got, before)
	}

	r.ReplaceBytes(foo) // A8
	if bytes.Equal(bytesOf(t, r, foo), bytesBefore) {
		t.Error("ReplaceBytes left the bytes as they were")
	}
	if sum, _ := r.Checksum(foo); sum != sha256.Sum256(bytesOf(t, r, foo)) {
		t.Error("after ReplaceBytes the checksum is that of other bytes")
	}

	r.Remove(bar)
	if _, err := r.CrateBytes(bar); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("CrateBytes of a removed version: %v", err)
	}
	if _, err := r.IndexFile("3/b/bar"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("IndexFile of a removed crate: %v", err)
	}
	r.Add(Version{Name: "bar", Version: "2.0.0"})
	want := []crate.ID{id("bar", "2.0.0"), foo, id("foo", "1.1.0")}
	if diff := cmp.Diff(want, r.IDs()); diff != "" {
		t.Errorf("IDs (-want +got):\n%s", diff)
	}
}

func TestWriteIndexAndTree(t *testing.T) {
	r, dir := New(MustParse("foo 1.0.0\nserde 1.0.0\nfoo 1.0.1+x")...), t.TempDir()
	if err := r.WriteIndex(filepath.Join(dir, "index")); err != nil {
		t.Fatal(err)
	}
	if err := r.WriteTree(filepath.Join(dir, "tree")); err != nil {
		t.Fatal(err)
	}
	got := make(map[string]string)
	for _, name := range []string{"index/3/f/foo", "index/config.json", "tree/foo/foo-1.0.1+x.crate"} {
		data, err := os.ReadFile(filepath.Join(dir, filepath.FromSlash(name)))
		if err != nil {
			t.Fatal(err)
		}
		got[name] = string(data)
	}
	want := map[string]string{
		"index/3/f/foo":              entryOf(t, r, id("foo", "1.0.0")) + "\n" + entryOf(t, r, id("foo", "1.0.1+x")) + "\n",
		"index/config.json":          "{\n  \"dl\": \"https://static.crates.io/crates\",\n  \"api\": \"https://crates.io\"\n}\n",
		"tree/foo/foo-1.0.1+x.crate": string(bytesOf(t, r, id("foo", "1.0.1+x"))),
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
}
