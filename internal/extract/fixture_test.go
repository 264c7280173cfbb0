package extract

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/bundle"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/bundle/bundletest"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/bundle/lists"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable/durabletest"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/index"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/store/loose"
)

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// item is a crate, true or false.
type item = bundletest.Item

var (
	noise    = bundletest.Noise
	tarball  = bundletest.Tarball
	compress = bundletest.Compress
)

// items are small crates; large adds one that is spilled to a file.
func items() []item {
	return []item{
		{ID: crate.ID{Name: "a", Version: "1.0.0"}, Data: noise(100, 1)},
		{ID: crate.ID{Name: "Serde_json", Version: "1.0.0-rc.1+b"}, Data: noise(700, 2)},
		{ID: crate.ID{Name: "a-bc", Version: "0.0.1"}, Data: nil},
		{ID: crate.ID{Name: "nul", Version: "9.9.9"}, Data: bytes.Repeat([]byte("abc"), 300)},
	}
}

func large() []item {
	return append(items(), item{ID: crate.ID{Name: "large", Version: "1.0.0"}, Data: noise(inMemory+1, 3)})
}

// media is a folder of bundles.
type media struct {
	t   testing.TB
	mem *durabletest.Mem
}

func newMedia(t testing.TB) *media { return &media{t, durabletest.NewMem()} }

func (m *media) write(name string, data []byte) {
	m.t.Helper()
	must(m.t, durable.WriteFile(m.mem, name, data))
}

// manifest writes the manifest of bundle 0.
func (m *media) manifest(items []item) {
	m.t.Helper()
	var lines []byte
	for _, it := range items {
		var err error
		lines, err = lists.AppendManifestLine(lines, lists.ManifestEntry{
			Member: bundle.Member{ID: it.ID, Size: int64(len(it.Data)), Checksum: sha256.Sum256(it.Data)},
		})
		must(m.t, err)
	}
	m.write(lists.ManifestName(bundle.Name{Number: 0}, "a", "z"), lines)
}

// catalog writes the catalog line of bundle 0, whose bytes should be b.
func (m *media) catalog(b []byte, items []item) {
	m.t.Helper()
	must(m.t, lists.AppendCatalog(m.mem, lists.CatalogEntry{
		Manifest: lists.ManifestName(bundle.Name{Number: 0}, "a", "z"),
		Summary:  bundle.Summary{FileSize: int64(len(b)), Checksum: sha256.Sum256(b), Members: len(items), Min: "a", Max: "z"},
	}))
}

// name is bundle 0.
var name = bundle.FileName(0)

// formats make the bytes of a bundle.
var formats = map[string]func(testing.TB, []item) []byte{"ours": ours, "v1.1.0": v110}

func v110(t testing.TB, items []item) []byte { return bundletest.Legacy(t, items) }

func ours(t testing.TB, items []item) []byte {
	t.Helper()
	m := durabletest.NewMem()
	w, err := bundle.Create(m, "b")
	must(t, err)
	for _, it := range items {
		_, err := w.AppendFrom(it.ID, bytes.NewReader(it.Data), int64(len(it.Data)), nil)
		must(t, err)
	}
	_, err = w.Finish()
	must(t, err)
	must(t, w.Publish())
	b, err := durable.ReadFile(m, "b", 1<<30)
	must(t, err)
	return b
}

// indexOf is an index that names items.
func indexOf(t testing.TB, items []item) *index.Index {
	t.Helper()
	dir := t.TempDir()
	for _, it := range items {
		file := filepath.Join(dir, filepath.FromSlash(crate.IndexPath(it.ID.Name)))
		must(t, os.MkdirAll(filepath.Dir(file), 0o755))
		f, err := os.OpenFile(file, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
		must(t, err)
		_, err = fmt.Fprintf(f, "{\"name\":%q,\"vers\":%q,\"deps\":[],\"cksum\":\"%x\",\"features\":{},\"yanked\":false}\n", it.ID.Name, it.ID.Version, sha256.Sum256(it.Data))
		must(t, errors.Join(err, f.Close()))
	}
	ix, err := index.Open(context.Background(), dir, index.Options{})
	must(t, err)
	t.Cleanup(func() { ix.Close() })
	return ix
}

// extractTo runs an extraction of all bundles into out.
func extractTo(t testing.TB, out durable.FS, bundles durable.Reader, cfg Config) (*Summary, error) {
	t.Helper()
	store, err := loose.Open(out, loose.Batch)
	must(t, err)
	names, err := Find(bundles, "*.tar.zst")
	must(t, err)
	cfg.Bundles, cfg.Names, cfg.Store, cfg.Out = bundles, names, store, out
	return Run(context.Background(), cfg)
}

// extracted is extractTo a new folder, which it returns.
func extracted(t testing.TB, m *media, cfg Config) (*Summary, durable.FS) {
	t.Helper()
	out := durabletest.NewMem()
	s, err := extractTo(t, out, m.mem, cfg)
	must(t, err)
	return s, out
}

// held returns the crates under their names in out: "name version" of those
// that are among items, sorted. Any other one fails the test.
func held(t testing.TB, out durable.FS, items []item) (names []string) {
	t.Helper()
	var walk func(dir string)
	walk = func(dir string) {
		entries, err := out.ReadDir(dir)
		must(t, err)
		for _, e := range entries {
			p := path.Join(dir, e.Name())
			switch {
			case p == loose.StateDir || p == "quarantine":
			case e.IsDir():
				walk(p)
			default:
				names = append(names, check(t, out, p, items))
			}
		}
	}
	walk(".")
	slices.Sort(names)
	return names
}

func check(t testing.TB, out durable.FS, p string, items []item) string {
	t.Helper()
	data, err := durable.ReadFile(out, p, 1<<30)
	must(t, err)
	for _, it := range items {
		if it.ID.LoosePath() == p {
			if !bytes.Equal(it.Data, data) {
				t.Fatalf("wrong crate: %s", p)
			}
			return it.ID.String()
		}
	}
	t.Fatalf("wrong crate: %s was never there", p)
	return ""
}

func names(items []item) []string { return slices.Sorted(slices.Values(bundletest.Names(items))) }

func wantHeld(t testing.TB, out durable.FS, all, want []item) {
	t.Helper()
	if diff := cmp.Diff(names(want), held(t, out, all)); diff != "" {
		t.Errorf("held (-want +got):\n%s", diff)
	}
}

// wantProblems compares the kinds that were met, with their numbers, and the
// text of one of them.
func wantProblems(t testing.TB, s *Summary, want map[Kind]int64, text string) {
	t.Helper()
	got := map[Kind]int64{}
	var texts []string
	for _, k := range Kinds() {
		if s.Counts.Problems[k] > 0 {
			got[k] = s.Counts.Problems[k]
		}
	}
	for _, p := range s.Problems {
		texts = append(texts, p.Error())
	}
	if want == nil {
		want = map[Kind]int64{}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("problems (-want +got):\n%s%q", diff, texts)
	}
	if !strings.Contains(strings.Join(texts, "\n"), text) {
		t.Errorf("problems %q, want %q among them", texts, text)
	}
}
