package sidecar

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable/durabletest"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/index"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/simreg"
)

var update = flag.Bool("update", false, "rewrite testdata")

func parse(text string) *simreg.Registry { return simreg.New(simreg.MustParse(text)...) }

func golden(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(strings.ReplaceAll(string(want), "\r\n", "\n"), got); diff != "" {
		t.Errorf("%s, rewrite it with -update (-want +got):\n%s", file, diff)
	}
}

func TestGolden(t *testing.T) {
	dir := writeIndex(t, parse(registry))
	disk := mem()
	if s := makeAll(t, disk, dir, "files", nil); s.Written != 7 {
		t.Errorf("%d written, want 7", s.Written)
	}
	var all strings.Builder
	for _, file := range tree(t, disk, ".") {
		all.WriteString("-- " + file + " --\n" + content(t, disk, file))
	}
	golden(t, "files.txt", all.String())
	makeAll(t, disk, dir, "jsonl", nil)
	golden(t, "lines.jsonl", content(t, disk, "x.jsonl"))
}

// decode reads a JSON object; numbers keep their digits.
func decode(t *testing.T, text string) map[string]any {
	t.Helper()
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	var object map[string]any
	if err := d.Decode(&object); err != nil {
		t.Fatalf("%v in %.200s", err, text)
	}
	return object
}

// checkFields compares every sidecar, in both forms, with the line of the index.
func checkFields(t *testing.T, dir string) (n int) {
	t.Helper()
	disk := mem()
	makeAll(t, disk, dir, "files", nil)
	makeAll(t, disk, dir, "jsonl", nil)
	lines := strings.Split(strings.TrimSuffix(content(t, disk, "x.jsonl"), "\n"), "\n")
	ix, err := index.Open(context.Background(), dir, index.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer ix.Close()
	for c, err := range ix.Crates(context.Background(), nil) {
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range c.Entries {
			want := decode(t, string(e.Raw))
			want["crate_file"], want["index_path"] = e.FileName(), c.Path
			want["crate_url"] = base + "/" + e.URLPath()
			if diff := cmp.Diff(want, decode(t, content(t, disk, SidecarPath(e.ID)))); diff != "" {
				t.Errorf("%s, file: %s", e.ID, diff)
			}
			if diff := cmp.Diff(want, decode(t, lines[n])); diff != "" {
				t.Errorf("%s, line %d: %s", e.ID, n+1, diff)
			}
			n++
		}
	}
	if n != len(lines) {
		t.Errorf("%d lines for %d versions", len(lines), n)
	}
	return n
}

func TestFieldByField(t *testing.T) {
	if n := checkFields(t, writeIndex(t, simreg.Demo())); n < 300 {
		t.Errorf("only %d versions", n)
	}
}

// TestRealFieldByField is for the files of a real index, if a folder with some
// is given.
func TestRealFieldByField(t *testing.T) {
	dir := os.Getenv("CLONECRATESIO_INDEX_SAMPLE")
	if dir == "" {
		t.Skip("CLONECRATESIO_INDEX_SAMPLE names no folder of index files")
	}
	t.Logf("%d versions", checkFields(t, dir))
}

const sum = `"cksum":"` + "0000000000000000000000000000000000000000000000000000000000000000" + `"`

// Everything that a line may have comes through as it is, and ours once.
func TestStrangeLines(t *testing.T) {
	for _, tt := range []struct{ name, line, jsonl, file string }{
		{"numbers keep their digits, unknown fields stay",
			`{"name":"x","vers":"1.0.0",` + sum + `,"yanked":false,"n":1.50,"big":123456789012345678901234567890,"e":1E400,"neg":-0,"new":{"b":1,"a":[{}]}}`,
			`"n":1.50,"big":123456789012345678901234567890,"e":1E400,"neg":-0,"new":{"b":1,"a":[{}]},"crate_file"`,
			"\"big\": 123456789012345678901234567890,"},
		{"strings keep their escapes, HTML has none",
			`{"name":"x","vers":"1.0.0",` + sum + `,"yanked":false,"links":"<&>\u00e9é\/"}`,
			`"links":"<&>\u00e9é\/","crate_file"`, `"links": "<&>\u00e9é\/",`},
		{"fields of ours are replaced, whatever their spelling",
			`{"crate_file":"evil","name":"x","vers":"1.0.0",` + sum + `,"crate\u005furl":"evil","yanked":false,"index_path":{},"storage":"kept"}`,
			`{"name":"x","vers":"1.0.0",` + sum + `,"yanked":false,"storage":"kept","crate_file":"x-1.0.0.crate","crate_url":"` + base + `/x/x-1.0.0.crate","index_path":"1/x"}`,
			`"crate_file": "x-1.0.0.crate",`},
		{"spaces around, a CR between",
			"  {\"name\":\"x\",\r\"vers\":\"1.0.0\"," + sum + ",\"yanked\":false } ",
			`{"name":"x","vers":"1.0.0",` + sum + `,"yanked":false,"crate_file"`, `"vers": "1.0.0",`},
		{"an unknown field twice",
			`{"name":"x","vers":"1.0.0",` + sum + `,"yanked":false,"x":1,"x":2}`, `"x":1,"x":2,"crate_file"`, `"x": 1,`},
	} {
		dir, disk := writeLines(t, "x", tt.line), mem()
		makeAll(t, disk, dir, "jsonl", nil)
		line := content(t, disk, "x.jsonl")
		if !strings.Contains(line, tt.jsonl) || strings.Count(line, "\n") != 1 || strings.Contains(line, "\r") || strings.Contains(line, "evil") {
			t.Errorf("%s: the line is %s", tt.name, line)
		}
		makeAll(t, disk, dir, "files", nil)
		file := content(t, disk, "x/x-1.0.0.crate.json")
		if !strings.Contains(file, "\n  "+tt.file+"\n") || strings.Contains(file, "evil") {
			t.Errorf("%s: the file is %s", tt.name, file)
		}
	}
}

func TestYankedAndLimit(t *testing.T) {
	dir := writeIndex(t, parse(registry))
	for _, form := range []string{"files", "jsonl", "parquet"} {
		s := makeAll(t, mem(), dir, form, func(c *Config) { c.IncludeYanked = false })
		if s.Written != 6 || s.Yanked != 1 {
			t.Errorf("%s: %d written, %d yanked, want 6 and 1", form, s.Written, s.Yanked)
		}
		if s := makeAll(t, mem(), dir, form, func(c *Config) { c.Limit = 4 }); s.Written != 4 {
			t.Errorf("%s: -limit 4 writes %d", form, s.Written)
		}
	}
	disk := mem()
	makeAll(t, disk, dir, "jsonl", func(c *Config) { c.Limit = 2 })
	if got := content(t, disk, "x.jsonl"); strings.Count(got, "\n") != 2 || !strings.Contains(got, `"ab"`) || !strings.Contains(got, `"qpl"`) {
		t.Errorf("the first two are %s", got)
	}
}

// G11: a second run writes what has changed, and nothing else.
func TestG11StaleSidecars(t *testing.T) {
	reg := parse(registry)
	disk := mem()
	makeAll(t, disk, writeIndex(t, reg), "files", nil)
	created := 0
	counting := durabletest.Hook(disk, func(op durabletest.Op) durabletest.Fault {
		if op.Kind == durabletest.OpCreate || op.Kind == durabletest.OpReplace {
			created++
		}
		return durabletest.Fault{}
	})
	if s := makeAll(t, counting, writeIndex(t, reg), "files", nil); s.Written != 0 || s.Kept != 7 || created != 0 {
		t.Errorf("nothing has changed: %d written, %d kept, %d files created or replaced", s.Written, s.Kept, created)
	}
	id := crate.ID{Name: "ab", Version: "1.0.0"}
	reg.Yank(id, true)
	// Also without yanked versions: a file that is there must not say otherwise.
	s := makeAll(t, counting, writeIndex(t, reg), "files", func(c *Config) { c.IncludeYanked = false })
	if s.Written != 1 || s.Kept != 6 || created != 2 {
		t.Errorf("one has changed: %d written, %d kept, %d created and replaced", s.Written, s.Kept, created)
	}
	if got := content(t, disk, SidecarPath(id)); !strings.Contains(got, `"yanked": true`) {
		t.Errorf("the file says %s", got)
	}
}

// An obstacle to one sidecar costs only that one.
func TestSomethingInTheWay(t *testing.T) {
	dir := writeIndex(t, parse(registry))
	root := t.TempDir()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(os.MkdirAll(filepath.Join(root, "ab", "ab-1.0.0.crate.json", "full"), 0o755))
	must(os.MkdirAll(filepath.Join(root, "qpl"), 0o755))
	must(os.WriteFile(filepath.Join(root, "aim"), []byte("mine"), 0o644))
	if err := os.Symlink("../aim", filepath.Join(root, "qpl", "qpl-0.0.1+5.crate.json")); err != nil {
		t.Skip(err)
	}
	must(os.WriteFile(filepath.Join(root, "I"), []byte("a file where a folder should be"), 0o644))
	fsys, err := durable.Open(root)
	must(err)
	defer fsys.Close()
	s, err := try(t, fsys, dir, "files", nil)
	if err != nil || s.Counts.Problems != 3 || s.Written != 4 {
		t.Fatalf("%v, %+v", err, s)
	}
	all := errors.Join(s.Problems...).Error()
	for _, want := range []string{"ab 1.0.0: ", "qpl 0.0.1+5: ", "Inflector"} {
		if !strings.Contains(all, want) {
			t.Errorf("no %q in %s", want, all)
		}
	}
	if aim, err := os.ReadFile(filepath.Join(root, "aim")); err != nil || string(aim) != "mine" {
		t.Errorf("the link was followed: %q, %v", aim, err)
	}
	for _, form := range []string{"jsonl", "parquet"} {
		name := "x." + form
		must(os.Mkdir(filepath.Join(root, name), 0o755))
		if _, err := try(t, fsys, dir, form, nil); !errors.Is(err, durable.ErrNotRegular) || !strings.Contains(err.Error(), name) {
			t.Errorf("%s is a folder: %v", name, err)
		}
	}
}

// Lines that cannot be used are named; the others are written.
func TestBadIndex(t *testing.T) {
	dir := writeLines(t, "x", `{"name":"x","vers":"1.0.0",`+sum+`,"yanked":false}`, `{"name":"x","vers":`, `{"name":"x","vers":"1.0.1",`+sum+`,"yanked":false}`)
	disk := mem()
	s, err := try(t, disk, dir, "jsonl", nil)
	if err != nil || s.Written != 2 || len(s.Problems) != 1 || !strings.HasPrefix(s.Problems[0].Error(), "1/x:2: ") {
		t.Errorf("%v, %+v", err, s)
	}
	if got := content(t, disk, "x.jsonl"); strings.Count(got, "\n") != 2 {
		t.Errorf("the file is %s", got)
	}
}

// A run that is stopped leaves an older file where it is.
func TestStopped(t *testing.T) {
	dir := writeIndex(t, simreg.Demo())
	for _, form := range []string{"jsonl", "parquet"} {
		disk := mem()
		if err := durable.WriteFile(disk, "x."+form, []byte("old")); err != nil {
			t.Fatal(err)
		}
		stop := errors.New("stop")
		ctx, cancel := context.WithCancelCause(context.Background())
		cancel(stop)
		ix, err := index.Open(context.Background(), dir, index.Options{})
		if err != nil {
			t.Fatal(err)
		}
		out, err := outputs[form](disk)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := Run(ctx, Config{Index: ix, Output: out, URLs: urls(base)}); !errors.Is(err, stop) {
			t.Errorf("%s: %v", form, err)
		}
		ix.Close()
		if got := tree(t, disk, "."); len(got) != 1 || content(t, disk, got[0]) != "old" {
			t.Errorf("%s: the folder has %v", form, got)
		}
	}
}
