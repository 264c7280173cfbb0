package search

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/cargotoml"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/dependants"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/index"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/reader"
)

// A mirror is what its crates say of themselves, by name.
type mirror struct {
	reader.Mirror
	abouts   map[string]cargotoml.Package
	versions map[string]int // number of the newest; 0: 1
	asked    []string
	broken   string
}

func (m *mirror) Search(query string, offset, limit int) (names []string, total int) {
	for name := range m.abouts {
		if strings.Contains(fold(name), fold(query)) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names[min(offset, len(names)):min(offset+limit, len(names))], len(names)
}

func (m *mirror) Holds(name string) bool { _, ok := m.abouts[name]; return ok }

func (m *mirror) Names(context.Context) (names []string, err error) {
	for name := range m.abouts {
		names = append(names, name)
	}
	return names, nil
}

func (m *mirror) Crate(_ context.Context, name string) (*reader.Crate, error) {
	if !m.Holds(name) {
		return nil, fs.ErrNotExist
	}
	n := m.versions[name]
	return &reader.Crate{Name: name, Entries: []reader.Entry{{
		Entry: index.Entry{ID: crate.ID{Name: name, Version: fmt.Sprintf("1.0.%d", n)}, Checksum: crate.Checksum{byte(n + 1)}}, Held: true,
	}}}, nil
}

func (m *mirror) About(_ context.Context, key crate.Key) (cargotoml.Package, error) {
	m.asked = append(m.asked, key.Name)
	if key.Name == m.broken {
		return cargotoml.Package{}, errors.New("the disk does not answer")
	}
	return m.abouts[key.Name], nil
}

func newMirror() *mirror {
	return &mirror{versions: map[string]int{}, abouts: map[string]cargotoml.Package{
		"json":        {Description: "Old and rarely used"},
		"serde_json":  {Description: "A JSON serialization file format", Keywords: []string{"json", "serde"}},
		"json5":       {Description: "A Rust JSON5 serializer"},
		"sonic-json":  {},
		"abcjsonxyz":  {},
		"simd-thing":  {Description: "Parses JSON  with\nvector instructions", Categories: []string{"parsing"}},
		"unrelated":   {Description: "Nothing of the kind"},
		"Needs-Serde": {},
	}}
}

// watch knows that n crates need each.
func watch(t *testing.T, used map[string]int) *dependants.Watch {
	t.Helper()
	dir := t.TempDir()
	n := 0
	for name, times := range used {
		for range times {
			who := fmt.Sprintf("user%d", n)
			n++
			file := filepath.Join(dir, filepath.FromSlash(crate.IndexPath(who)))
			line := fmt.Sprintf(`{"name":%q,"vers":"1.0.0","deps":[{"name":%q,"req":"^1","features":[],"optional":false,"default_features":true,"target":null,"kind":"normal"}],"cksum":"%064x","features":{},"yanked":false}`+"\n", who, name, n)
			if err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o755), os.WriteFile(file, []byte(line), 0o644)); err != nil {
				t.Fatal(err)
			}
		}
	}
	w := dependants.NewWatch(dependants.Config{Dir: dir})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); w.Follow(ctx) }()
	for w.Graph() == nil {
		time.Sleep(time.Millisecond)
	}
	cancel()
	<-done
	return w
}

func openTexts(t *testing.T, m *mirror, dir string, rank func(string) int) *Texts {
	t.Helper()
	folder, err := durable.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { folder.Close() })
	texts, err := OpenTexts(Config{Folder: folder, File: "texts.jsonl", Names: m.Names, Mirror: m, Rank: rank, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	return texts
}

func TestSearch(t *testing.T) {
	m, needs := newMirror(), watch(t, map[string]int{"serde_json": 20, "json5": 3, "simd-thing": 2})
	texts := openTexts(t, m, t.TempDir(), func(string) int { return 0 })
	for name := range m.abouts {
		texts.read(t.Context(), name)
	}
	for query, want := range map[string][]string{
		"json":           {"json", "serde_json", "json5", "sonic-json", "simd-thing", "abcjsonxyz"},
		"JSON":           {"json", "serde_json", "json5", "sonic-json", "simd-thing", "abcjsonxyz"},
		"serde-json":     {"serde_json"},
		"json format":    {"serde_json"},
		"vector parsing": {"simd-thing"},
		"with vector":    {"simd-thing"},
		"nothing here":   nil,

		"keyword:json":                {"serde_json"},
		"keyword:JSON serialization":  {"serde_json"},
		"keyword:json vector":         nil,
		"keyword:jso":                 nil,
		"keyword:parsing":             nil,
		"keyword:":                    nil,
		"category:parsing":            {"simd-thing"},
		"category:json":               nil,
		"category:parsing keyword:no": nil,
		"serde":                       {"serde_json", "Needs-Serde"},
	} {
		got, total := New(m, needs, texts).Search(query, 0, 100)
		if diff := cmp.Diff(want, got); diff != "" || total != len(want) {
			t.Errorf("%q: %d in all\n%s", query, total, diff)
		}
	}
	got, total := New(m, needs, texts).Search("json", 2, 2)
	if diff := cmp.Diff([]string{"json5", "sonic-json"}, got); diff != "" || total != 6 {
		t.Errorf("a page of %d\n%s", total, diff)
	}
	if got, total := New(m, needs, texts).Search("json", 99, 2); got != nil || total != 6 {
		t.Errorf("beyond the end: %q, %d", got, total)
	}
	got, _ = New(m, nil, nil).Search("json", 0, 100)
	if diff := cmp.Diff([]string{"json", "json5", "serde_json", "sonic-json", "abcjsonxyz"}, got); diff != "" {
		t.Errorf("without anything known\n%s", diff)
	}
	if got, _ := New(m, nil, nil).Search("keyword:json", 0, 100); got != nil {
		t.Errorf("without descriptions: %q", got)
	}
	delete(m.abouts, "simd-thing")
	if got, _ := New(m, needs, texts).Search("vector", 0, 100); got != nil {
		t.Errorf("%q is found and not held", got)
	}
}

// However many are found, the best come first, and no more than are wanted are kept.
func TestBestOfMany(t *testing.T) {
	b := best{most: 10}
	for n := range 10_000 {
		b.add(fmt.Sprintf("%s%d", strings.Repeat("x", n%100), n), inside)
	}
	b.add("it", exact)
	if list := b.list(); len(list) != 10 || list[0].name != "it" || list[1].name != "0" || cap(b.hits) > 200 {
		t.Errorf("%d of %d: %v", len(list), cap(b.hits), list)
	}
}

// What was read is kept in the file; what has another newest version is read again, and so
// is what a damaged line was about. What cannot be read is tried again.
func TestTextsAreKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, dir := newMirror(), t.TempDir()
		m.broken = "json5"
		rank := func(name string) int { return map[string]int{"serde_json": 2, "simd-thing": 1}[name] }
		follow := func(texts *Texts) {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			done := make(chan struct{})
			go func() { defer close(done); texts.Follow(ctx) }()
			time.Sleep(time.Hour)
			cancel()
			<-done
		}
		texts := openTexts(t, m, dir, rank)
		follow(texts)
		if got := m.asked[:2]; got[0] != "serde_json" || got[1] != "simd-thing" {
			t.Errorf("what is wanted most is not read first: %q", m.asked)
		}
		if texts.Len() != len(m.abouts)-1 {
			t.Errorf("%d of %d are known", texts.Len(), len(m.abouts))
		}
		file := filepath.Join(dir, "texts.jsonl")
		data, err := os.ReadFile(file)
		if err != nil || !strings.Contains(string(data), `"text":"\tparsing\nparses json with vector instructions"`) {
			t.Fatalf("%v\n%s", err, data)
		}
		lines := strings.SplitAfter(string(data), "\n")
		for i, line := range lines {
			if strings.Contains(line, `"name":"unrelated"`) {
				lines[i] = "{torn\n"
			}
			if strings.Contains(line, `"name":"simd-thing"`) { // as it was before keywords had their place
				lines[i] = strings.Replace(line, `"text":"\t`, `"text":"`, 1)
			}
		}
		if err := os.WriteFile(file, []byte(strings.Join(lines, "")+`{"name":"../x","text":"y"}`+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
		m.asked, m.broken = nil, ""
		m.versions["json"]++
		follow(openTexts(t, m, dir, rank))
		slices.Sort(m.asked)
		if diff := cmp.Diff([]string{"json", "json5", "simd-thing", "unrelated"}, m.asked); diff != "" {
			t.Error(diff)
		}
	})
}

// A stranger's description is cut, and is no bad UTF-8.
func TestTextIsBounded(t *testing.T) {
	p := cargotoml.Package{Description: strings.Repeat("Ü\xff ", 1000), Keywords: slices.Repeat([]string{strings.Repeat("k", 100)}, 100)}
	text := textOf(&p)
	if len(text) > maxText || !strings.Contains(text, "\nü ü") {
		t.Errorf("%d bytes: %q", len(text), text)
	}
}

var measure = flag.Bool("measure", false, "measure a search in 200,000 descriptions")

// TestMeasure: go test ./internal/search -run TestMeasure -v -measure
func TestMeasure(t *testing.T) {
	if !*measure {
		t.Skip("only with -measure")
	}
	m := &mirror{abouts: map[string]cargotoml.Package{}}
	var before, after runtime.MemStats
	for n := range 200_000 {
		m.abouts[fmt.Sprintf("crate-number-%d", n)] = cargotoml.Package{}
	}
	runtime.GC()
	runtime.ReadMemStats(&before)
	texts := openTexts(t, m, t.TempDir(), func(string) int { return 0 })
	for name := range m.abouts {
		texts.put(doc{name, crate.Checksum{1}, strings.Clone(fmt.Sprintf("async runtime parser\na library for things that have the number %x, and words of a usual length about them", len(name)))})
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	for _, words := range [][]string{{"nowhere"}, {"library", "zzz"}, {"library"}} {
		begin := time.Now()
		found := texts.find(words)
		t.Logf("%q: %d in %v; %d MB", words, len(found), time.Since(begin), (after.HeapAlloc-before.HeapAlloc)>>20)
	}
}
