package cargotoml

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/cratefile"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable/durabletest"
)

var id = crate.ID{Name: "demo", Version: "1.0.0+x"}

const cargoToml = "demo-1.0.0+x/Cargo.toml"

const text = `
[package]
name = "demo"
version = "1.0.0+x"
edition = "2021"
description = """
Two
lines"""
license = "MIT OR Apache-2.0"
license-file = "LICENSE"
repository = "https://example.com/demo"
homepage = "https://example.com"
documentation = "https://docs.example.com"
categories = ["no-std", "parsing"]
keywords = ["a", "b"]
readme = false
rust-version = 1.0
[dependencies.x]
version = "1"
`

var want = Package{
	Description: "Two\nlines", License: "MIT OR Apache-2.0", LicenseFile: "LICENSE", Repository: "https://example.com/demo",
	Homepage: "https://example.com", Documentation: "https://docs.example.com", Categories: []string{"no-std", "parsing"},
	Keywords: []string{"a", "b"}, Edition: "2021",
}

func file(name, content string) entry {
	return entry{&tar.Header{Name: name, Mode: 0o644, Size: int64(len(content))}, content}
}

type entry struct {
	*tar.Header
	content string
}

// pack makes a crate file.
func pack(t testing.TB, entries ...entry) []byte {
	t.Helper()
	var buf bytes.Buffer
	zw := gzip.NewWriter(&buf)
	tw := tar.NewWriter(zw)
	for _, e := range entries {
		if err := tw.WriteHeader(e.Header); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(tw, e.content); err != nil {
			t.Fatal(err)
		}
	}
	if err := tw.Close(); err != nil {
		t.Fatal(err)
	}
	if err := zw.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

func TestInspect(t *testing.T) {
	data := pack(t,
		file("demo-1.0.0+x/Cargo.lock", "12345"),
		file("other/Cargo.toml", "not this one"),
		entry{&tar.Header{Name: "demo-1.0.0+x/link", Typeflag: tar.TypeSymlink, Linkname: "/etc/passwd"}, ""},
		file(cargoToml, text),
		file("demo-1.0.0+x/sub/Cargo.toml", "nor this"),
		file(cargoToml, "nor another of the same name"),
	)
	got, err := Inspect(bytes.NewReader(data), id, int64(len(data)))
	if err != nil {
		t.Fatal(err)
	}
	files := int64(len("12345") + len("not this one") + len(text) + len("nor this") + len("nor another of the same name"))
	if diff := cmp.Diff(&Contents{want, files, 5}, got); diff != "" {
		t.Error(diff)
	}
	pkg, err := Read(bytes.NewReader(data), id, int64(len(data)))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(&want, pkg); diff != "" {
		t.Error(diff)
	}
}

// Read ignores what follows Cargo.toml, however bad.
func TestReadStopsThere(t *testing.T) {
	data := pack(t, file(cargoToml, text), file("demo-1.0.0+x/big", strings.Repeat("x", 1<<20)))
	cut := data[:len(data)-20]
	if _, err := Read(bytes.NewReader(cut), id, int64(len(cut))); err != nil {
		t.Error(err)
	}
	if _, err := Inspect(bytes.NewReader(cut), id, int64(len(cut))); err == nil || !strings.Contains(err.Error(), "ends too early") {
		t.Errorf("Inspect: %v", err)
	}
}

func TestParse(t *testing.T) {
	old, err := Parse([]byte("[project]\nname = 'old'\nlicense = 'MIT'\n"))
	if err != nil || old.License != "MIT" {
		t.Errorf("[project]: %+v, %v", old, err)
	}
	for in, want := range map[string]string{
		"":                                       "no [package] table",
		"[package]\ndescription = 1\n":           "line 2: toml: ",
		"[package]\n\nname = \n":                 "line 3: toml: ",
		"package = 1":                            "line 1: toml: ",
		"[package]\nkeywords = ['a', 1]":         "line 2: toml: package.keywords is not a list of strings",
		"[package]\nkeywords = 'a'":              "line 2: toml: package.keywords is not a list of strings",
		"[package]\nlicense.workspace = true":    "line 2: toml: package.license is a table",
		"[package]\nlicense = {}":                "line 2: toml: package.license is not a string",
		"[package]\nlicense = ''\nlicense = ''":  "line 3: toml: package.license is there twice",
		"\n[[package]]\nlicense = ''":            "line 2: toml: [[package]] is not a table",
		"[package]\nlicense = '\xff'":            "line 2: toml: ",
		"x = " + strings.Repeat("[", MaxSize-10): "nested more than",
	} {
		if p, err := Parse([]byte(in)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.40q: %+v, %v, want %q", in, p, err, want)
		}
	}
}

func TestParseForms(t *testing.T) {
	want := Package{License: "MIT", Keywords: []string{"a", "b"}}
	for _, in := range []string{
		"[package]\nlicense = 'MIT'\nkeywords = ['a', 'b']\nreadme = false\n",
		"[package]\nlicense = 'MIT'\nkeywords = ['a', 'b']\nreadme.workspace = 1\n",
		"[package]\nlicense = \"M\\u0049T\"\nkeywords = [ # first\n 'a', # second\n 'b', ]\n",
		"package.license = 'MIT'\npackage.keywords = ['a', 'b']\n",
		"package = { license = 'MIT', keywords = ['a', 'b'] }\n",
		"[\"package\"]\n\"license\" = 'MIT'\n'keywords' = ['a', 'b']\n[package.metadata]\nlicense = 1\n[package.metadata.keywords]\n[x]\nlicense = 2",
		"[project]\nlicense = 'BSD'\n[package]\nlicense = 'MIT'\nkeywords = ['a', 'b']\n",
		"[package.metadata]\nx = 1\n[package]\nlicense = 'MIT'\nkeywords = ['a', 'b']\nmetadata2.license.x = 1\n",
	} {
		if got, err := Parse([]byte(in)); err != nil || !cmp.Equal(got, want) {
			t.Errorf("%q: %+v, %v", in, got, err)
		}
	}
}

func TestParseReadme(t *testing.T) {
	p, err := Parse([]byte("[package]\nreadme = 'docs/a.md'\n"))
	if err != nil || p.Readme != "docs/a.md" {
		t.Errorf("%+v, %v", p, err)
	}
}

// G13: the time for a Cargo.toml is proportional to its size, whatever it contains: keys of
// one table (a decoder may compare each with all others), tables, paths, lists.
func TestG13SlowCargoToml(t *testing.T) {
	fill := func(line func(n int) string) []byte {
		var b bytes.Buffer
		for b.WriteString(text); b.Len() < MaxSize-4096; {
			b.WriteString(line(b.Len()))
		}
		return b.Bytes()
	}
	for name, data := range map[string][]byte{
		"keys":          fill(func(n int) string { return fmt.Sprintf("k%x=1\n", n) }),
		"tables":        fill(func(n int) string { return fmt.Sprintf("[k%x]\n", n) }),
		"tables below":  fill(func(n int) string { return fmt.Sprintf("[package.k%x]\n", n) }),
		"lists":         fill(func(n int) string { return "[[y]]\na.b.c=1\n" }),
		"dotted keys":   fill(func(n int) string { return fmt.Sprintf("a.b.k%x=1\n", n) }),
		"long keys":     fill(func(n int) string { return strings.Repeat("a.", 500) + fmt.Sprintf("k%x=1\n", n) }),
		"inline tables": fill(func(n int) string { return fmt.Sprintf("k%x={a=1}\n", n) }),
		"a long path":   []byte(text + "[" + strings.Repeat("a.", MaxSize/2-len(text)) + "a]\n"),
		"an array":      []byte(text + "y=[" + strings.Repeat("1,", MaxSize/2-len(text)) + "]\n"),
		"an inline one": []byte(text + "y={" + string(fill(func(n int) string { return fmt.Sprintf("k%x=1,", n) })[len(text):]) + "z=1}\n"),
		"keys of ours":  append([]byte("[package]\n"), fill(func(n int) string { return fmt.Sprintf("k%x=1\n", n) })[len(text):]...),
	} {
		start := time.Now()
		_, err := Parse(data)
		if took := time.Since(start); err != nil || took > 10*time.Second {
			t.Errorf("%s: %v, after %v", name, err, took)
		}
	}
}

// G10: whatever a crate file contains, reading it takes a bounded time, and the error says
// what is wrong.
func TestG10HostileCrates(t *testing.T) {
	good := pack(t, file(cargoToml, text))
	link := entry{&tar.Header{Name: cargoToml, Typeflag: tar.TypeSymlink, Linkname: "/etc/passwd"}, ""}
	for _, tt := range []struct {
		name string
		data []byte
		want string
	}{
		{"empty, as argo-0.0.1", nil, "the crate file is empty"},
		{"no gzip", []byte("<html><body></body></html>"), "unpacking: gzip: invalid header"},
		{"broken gzip, as forust-0.1.0", append(good[:20:20], bytes.Repeat([]byte{0xff}, 40)...), "unpacking: "},
		{"cut", good[:len(good)/2], "unpacking " + cargoToml + ": the crate file ends too early"},
		{"no tar", zip(t, strings.Repeat("not a tar ", 100)), "unpacking: archive/tar: invalid tar header"},
		{"no entries", pack(t), "there is no " + cargoToml},
		{"no Cargo.toml", pack(t, file("demo-1.0.0+x/src/lib.rs", "")), "there is no " + cargoToml},
		{"in another folder", pack(t, file("demo-1.0.0/Cargo.toml", text)), "there is no " + cargoToml},
		{"a symbolic link", pack(t, link, file(cargoToml, text)), "is not a regular file"},
		{"a large Cargo.toml", pack(t, file(cargoToml, strings.Repeat("#", MaxSize+1))), "has 1048577 bytes, want at most 1048576"},
		{"no TOML", pack(t, file(cargoToml, "<html>")), cargoToml + ": line 1: toml: "},
	} {
		for _, read := range []func(io.Reader, crate.ID, int64) error{
			func(r io.Reader, id crate.ID, n int64) error { _, err := Read(r, id, n); return err },
			func(r io.Reader, id crate.ID, n int64) error { _, err := Inspect(r, id, n); return err },
		} {
			if err := read(bytes.NewReader(tt.data), id, int64(len(tt.data))); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%s: %v, want %q", tt.name, err, tt.want)
			}
		}
	}
}

func zip(t testing.TB, content string) []byte {
	t.Helper()
	var buf bytes.Buffer
	zw := gzip.NewWriter(&buf)
	if _, err := io.WriteString(zw, content); err != nil {
		t.Fatal(err)
	}
	if err := zw.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

// G10: the bombs.
func TestG10Bombs(t *testing.T) {
	if testing.Short() {
		t.Skip("unpacks 512 MB")
	}
	type archive struct {
		name    string
		headers []tar.Header
		want    string
	}
	for _, tt := range durabletest.Sample(1, []archive{
		{"a large file", []tar.Header{{Name: "demo-1.0.0+x/a", Size: cratefile.MaxUnpacked + 1}}, "it unpacks to more than 536870912 bytes"},
		{"a million entries", slices.Repeat([]tar.Header{{Name: "demo-1.0.0+x/a"}}, 10_000), "the archive has more than 500000 entries"},
		{"links alone", slices.Repeat([]tar.Header{{Name: "demo-1.0.0+x/a", Typeflag: tar.TypeSymlink, Linkname: "a"}}, 10_000),
			"the archive has more than 500000 entries"},
	}) {
		// The bound is what the ratio allows, not what arrives.
		if _, err := Inspect(bomb(t, tt.headers), id, 1<<20); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %q", tt.name, err, tt.want)
		}
	}
}

// bomb returns a gzipped archive that repeats headers. The first block of deflate refers to
// nothing before it, so it is compressed only once.
func bomb(t *testing.T, headers []tar.Header) io.Reader {
	t.Helper()
	var packed bytes.Buffer
	zw := gzip.NewWriter(&packed)
	tw := tar.NewWriter(zw)
	for i := range headers {
		if err := tw.WriteHeader(&headers[i]); err != nil {
			t.Fatal(err)
		}
	}
	if err := zw.Flush(); err != nil {
		t.Fatal(err)
	}
	const gzipHeader = 10
	head, body := packed.Bytes()[:gzipHeader], packed.Bytes()[gzipHeader:]
	return io.MultiReader(bytes.NewReader(head), &repeated{body, 0})
}

// repeated repeats bytes.
type repeated struct {
	b  []byte
	at int
}

func (r *repeated) Read(p []byte) (int, error) {
	n := copy(p, r.b[r.at:])
	r.at = (r.at + n) % len(r.b)
	return n, nil
}

func FuzzInspect(f *testing.F) {
	for _, seed := range [][]byte{
		pack(f, file(cargoToml, text)), pack(f, file(cargoToml, "[package]\n[package]\n")), zip(f, "x"), nil,
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := Inspect(bytes.NewReader(data), id, int64(len(data)))
		if (c == nil) == (err == nil) {
			t.Fatalf("%v, %v", c, err)
		}
		if err == nil && (c.FileCount < 1 || c.UnpackedSize < 0) {
			t.Fatalf("%+v", c)
		}
	})
}

func FuzzParse(f *testing.F) {
	for _, seed := range []string{text, "[project]\n", "package.license = 'x'", "[[package]]", "a.b.c = {d = [[1]]}", "package = {license = [1]}", "[[\"packag\\u0065\"]]"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		if _, err := Parse(text); err != nil && err.Error() == "" {
			t.Fatal("an error that says nothing")
		}
	})
}

// TestReal reads the .crate files of a folder, if one is given.
func TestReal(t *testing.T) {
	dir := os.Getenv("CLONECRATESIO_CRATES")
	if dir == "" {
		t.Skip("CLONECRATESIO_CRATES names no folder of crate files")
	}
	files, err := filepath.Glob(filepath.Join(dir, "*"+crate.Ext))
	if err != nil || len(files) == 0 {
		t.Fatalf("no crate files in %s: %v", dir, err)
	}
	for _, name := range files {
		id, err := crate.ParseFileName(filepath.Base(name))
		if err != nil {
			t.Error(err)
			continue
		}
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if c, err := Inspect(bytes.NewReader(data), id, int64(len(data))); err != nil {
			t.Errorf("%s: %v", id, err)
		} else {
			t.Logf("%s: %d files, %d bytes, %.60q", id, c.FileCount, c.UnpackedSize, c.Description)
		}
	}
}
