package sidecar

import (
	"context"
	"io/fs"
	"log/slog"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable/durabletest"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/index"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/simreg"
)

const base = "https://static.example/crates"

// registry has every kind of line: dependencies of all kinds, features of both
// syntaxes, build metadata, upper case, yanked.
const registry = `
	serde 1.0.0
	  dep serde_derive =1.0.0 optional
	  feature default std
	  feature std
	  rust 1.31
	  pubtime 2026-01-31T12:00:00Z
	serde 1.0.1 yanked
	  feature derive dep:serde_derive
	serde_derive 1.0.0
	  dep serde ^1 kind=dev
	Inflector 0.11.4
	  links z
	qpl 0.0.1+5
	ab 1.0.0
	a-bc 0.1.0
`

// mem is a disk in memory.
func mem() *durabletest.Mem { return durabletest.NewMem() }

// writeIndex writes the index of a registry.
func writeIndex(t *testing.T, reg *simreg.Registry) string {
	t.Helper()
	dir := t.TempDir()
	if err := reg.WriteIndex(dir); err != nil {
		t.Fatal(err)
	}
	return dir
}

// writeLines writes an index of one file, the crate's.
func writeLines(t *testing.T, name string, lines ...string) string {
	t.Helper()
	dir := t.TempDir()
	file := filepath.Join(dir, filepath.FromSlash(crate.IndexPath(name)))
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(strings.Join(lines, "\n")+"\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	return dir
}

// outputs are the forms, by name.
var outputs = map[string]func(durable.FS) (Output, error){
	"files":   func(fsys durable.FS) (Output, error) { return NewFiles(fsys) },
	"jsonl":   func(fsys durable.FS) (Output, error) { return NewJSONL(fsys, "x.jsonl") },
	"parquet": func(fsys durable.FS) (Output, error) { return NewParquet(fsys, "x.parquet") },
}

// try runs once.
func try(t *testing.T, fsys durable.FS, dir, form string, change func(*Config)) (*Summary, error) {
	t.Helper()
	ix, err := index.Open(context.Background(), dir, index.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer ix.Close()
	out, err := outputs[form](fsys)
	if err != nil {
		return &Summary{}, err
	}
	cfg := Config{Index: ix, Output: out, URLs: urls(base), IncludeYanked: true, Concurrency: 4}
	if change != nil {
		change(&cfg)
	}
	return Run(context.Background(), cfg)
}

// make runs once and wants no problem.
func makeAll(t *testing.T, fsys durable.FS, dir, form string, change func(*Config)) *Summary {
	t.Helper()
	s, err := try(t, fsys, dir, form, change)
	if err != nil || len(s.Problems) > 0 {
		t.Fatalf("%s: %v, %v", form, err, s.Problems)
	}
	return s
}

// content returns what a file has, "" if there is none.
func content(t *testing.T, fsys durable.Reader, name string) string {
	t.Helper()
	data, err := durable.ReadFile(fsys, name, 1<<30)
	if err != nil {
		return ""
	}
	return string(data)
}

// tree returns all files below a folder, sorted.
func tree(t *testing.T, fsys durable.Reader, dir string) (files []string) {
	t.Helper()
	entries, err := fsys.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		name := path.Join(dir, e.Name())
		if e.Type() == fs.ModeDir {
			files = append(files, tree(t, fsys, name)...)
		} else {
			files = append(files, name)
		}
	}
	slices.Sort(files)
	return files
}

var quiet = slog.New(slog.DiscardHandler)

// urls is where a registry below base has its crates.
func urls(base string) crate.URLTemplate {
	return crate.CargoURLTemplate(base + "/{crate}/{crate}-{version}.crate")
}
