package lists

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/bundle"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable/durabletest"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/jsonl"
)

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// errInjected is an error of a disk.
var errInjected = errors.New("injected")

const someSum = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

func parsedSum(t testing.TB) crate.Checksum {
	t.Helper()
	sum, err := crate.ParseChecksum(someSum)
	must(t, err)
	return sum
}

func TestManifestLine(t *testing.T) {
	want := ManifestEntry{
		Member: bundle.Member{
			ID: crate.ID{Name: "Serde_json", Version: "1.0.0+b"}, Size: 77, Checksum: parsedSum(t),
			Placement: bundle.Placement{Offset: 1000, FrameSize: 600},
		},
		Bundle: bundle.Name{Number: 12},
		URL:    "https://static.crates.io/crates/Serde_json/Serde_json-1.0.0%2Bb.crate",
	}
	line, err := AppendManifestLine(nil, want)
	must(t, err)
	const golden = `{"url":"https://static.crates.io/crates/Serde_json/Serde_json-1.0.0%2Bb.crate",` +
		`"crate":"Serde_json","version":"1.0.0+b","bundle_path":"bundle-0012.tar.zst",` +
		`"bundle_member":"S/er/Serde_json-1.0.0+b.crate","size":77,"sha256":"` + someSum + `","offset":1000,"frame_size":600}` + "\n"
	if string(line) != golden {
		t.Errorf("line is\n%swant\n%s", line, golden)
	}
	for got, err := range ReadManifest(strings.NewReader(string(line))) {
		if diff := cmp.Diff(want, got); diff != "" || err != nil {
			t.Errorf("%v, entry (-want +got):\n%s", err, diff)
		}
	}
}

func manifestOf(path, member string) string {
	return fmt.Sprintf(`{"bundle_member":%q,"bundle_path":%q,"crate":"serde","sha256":"%s","size":77,"url":"u"}`, member, path, someSum)
}

// Paths of v1.1.0 are relative to any folder, on any system.
func TestE8ManifestOfV110(t *testing.T) {
	const member = "s/er/serde-1.0.0.crate"
	want := ManifestEntry{
		Member: bundle.Member{ID: crate.ID{Name: "serde", Version: "1.0.0"}, Size: 77, Checksum: parsedSum(t)}, Bundle: bundle.Name{Number: 3}, URL: "u",
	}
	for _, p := range []string{
		"bundles/bundle-0003.tar.zst", `D:\Rust-Crates\bundles\bundle-0003.tar.zst`, "/abs/bundle-0003.tar.zst", "../../bundle-0003.tar.zst", "bundle-0003.tar.zst",
	} {
		for got, err := range ReadManifest(strings.NewReader(manifestOf(p, member) + "\r\n\n")) {
			if diff := cmp.Diff(want, got); diff != "" || err != nil {
				t.Errorf("%s: %v, entry (-want +got):\n%s", p, err, diff)
			}
		}
	}
}

func TestE8ManifestLinesThatCannotBeUsed(t *testing.T) {
	const member = "s/er/serde-1.0.0.crate"
	good := manifestOf("bundle-0003.tar.zst", member)
	with := func(old, new string) string { return strings.Replace(good, old, new, 1) }
	for _, tt := range []struct{ line, want string }{
		{`{"url":`, "unexpected EOF"},
		{manifestOf("../etc/passwd", member), `bundle_path: "passwd" is not bundle-NNNN.tar.zst`},
		{manifestOf("bundle-0003.tar.zst", "../serde-1.0.0.crate"), "serde 1.0.0 belongs at s/er/serde-1.0.0.crate"},
		{with("serde-1.0.0", "\\u001b[2J"), `"s/er/\x1b[2J.crate"`},
		{with("0123", "x123"), "sha256: checksum"},
		{with(`"size":77`, `"size":-1`), "size -1 is not 0 to"},
		{with(`"size":77`, `"size":99999999999`), "size 99999999999 is not 0 to"},
		{with(`"size":77`, `"size":77,"offset":-5`), "offset -5"},
		{with(`"size":77`, `"size":77,"offset":9223372036854775807`), "offset 9223372036854775807"},
		{with(`"size":77`, `"size":77,"frame_size":9223372036854775807`), "frame_size"},
		{with(`"crate":"serde"`, `"crate":"other"`), `crate "other" version "" is not serde 1.0.0`},
		{with(`"url":"u"`, `"version":"2.0.0"`), `crate "serde" version "2.0.0" is not serde 1.0.0`},
		{with(`"url":"u"`, `"url":"u","size":1`), "duplicate"},
		{strings.Repeat(" ", MaxLine) + good, "too long"},
	} {
		var good2, bad int
		for e, err := range ReadManifest(strings.NewReader(good + "\n" + tt.line + "\n" + good + "\n" + good[:50])) {
			var line *jsonl.LineError
			switch {
			case err == nil && e.ID.Name == "serde":
				good2++
			case errors.As(err, &line) && line.Line == 2 && strings.Contains(err.Error(), tt.want) && !strings.Contains(err.Error(), "\x1b"):
				bad++
			case errors.As(err, &line) && line.Line == 4 && errors.Is(err, jsonl.ErrTorn):
				bad++
			default:
				t.Errorf("%.200q: %v, want %q", tt.line, err, tt.want)
			}
		}
		if good2 != 2 || bad != 2 {
			t.Errorf("%.200q: %d good and %d bad lines, want 2 and 2", tt.line, good2, bad)
		}
	}
	for _, err := range ReadManifest(iotest.ErrReader(errInjected)) {
		if !errors.Is(err, errInjected) {
			t.Errorf("a read error is %v", err)
		}
	}
}

func TestCatalogLine(t *testing.T) {
	m := durabletest.NewMem()
	first := CatalogEntry{Manifest: ManifestName(bundle.Name{Number: 0}, "a_b", "Zed"), Summary: bundle.Summary{
		FileSize: 2000, Checksum: parsedSum(t), Members: 5, Size: 1500, Min: "a_b", Max: "Zed",
	}}
	second := first
	second.Bundle, second.Manifest = bundle.Name{Number: 1}, ManifestName(bundle.Name{Number: 1}, "a_b", "Zed")
	must(t, AppendCatalog(m, first))
	must(t, AppendCatalog(m, second))
	b, err := durable.ReadFile(m, CatalogName, 1<<20)
	must(t, err)
	const golden = `{"bundle_path":"bundle-0000.tar.zst","manifest_path":"bundle-0000-a-b-to-zed.manifest.jsonl",` +
		`"crate_min":"a_b","crate_max":"Zed","crate_min_label":"a-b","crate_max_label":"zed",` +
		`"entries":5,"size_bytes":1500,"file_size":2000,"sha256":"` + someSum + `"}` + "\n"
	if line, _, _ := strings.Cut(string(b), "\n"); line+"\n" != golden {
		t.Errorf("line is\n%s\nwant\n%s", line, golden)
	}
	if diff := cmp.Diff([]CatalogEntry{first, second}, catalogOf(t, m)); diff != "" {
		t.Errorf("entries (-want +got):\n%s", diff)
	}
}

// catalogOf reads a catalog that has no errors except torn lines.
func catalogOf(t *testing.T, fsys durable.FS) (all []CatalogEntry) {
	t.Helper()
	f, err := fsys.Open(CatalogName)
	must(t, err)
	defer f.Close()
	for e, err := range ReadCatalog(f) {
		var line *jsonl.LineError
		if err == nil {
			all = append(all, e)
		} else if !errors.As(err, &line) {
			t.Error(err)
		}
	}
	return all
}

// A power cut while a line is added costs only that line, even when others are added later.
func TestE8CatalogAfterACrash(t *testing.T) {
	entry := func(n int) CatalogEntry {
		return CatalogEntry{Bundle: bundle.Name{Number: n}, Manifest: ManifestName(bundle.Name{Number: n}, "a", "b"), Summary: bundle.Summary{Members: n, Min: "a", Max: "b"}}
	}
	rnd := rand.New(rand.NewPCG(1, 2))
	for n := 1; ; n++ {
		m := durabletest.NewMem()
		must(t, AppendCatalog(m, entry(0)))
		h := durabletest.FailAt(m, n, errInjected, true, false)
		err := AppendCatalog(h, entry(1))
		if h.Ops() < n {
			must(t, err)
			break
		}
		for range 20 {
			disk := m.Crash(rnd)
			must(t, AppendCatalog(disk, entry(2)))
			got := catalogOf(t, disk)
			if len(got) < 2 || got[0] != entry(0) || got[len(got)-1] != entry(2) || len(got) == 3 && got[1] != entry(1) {
				t.Fatalf("operation %d fails: catalog holds %+v", n, got)
			}
		}
	}
}

// A catalog that has hard links from a snapshot of the folder (cp -al) can be appended to,
// and the snapshot keeps its own content.
func TestCatalogOfASnapshot(t *testing.T) {
	dir := t.TempDir()
	fsys, err := durable.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer fsys.Close()
	entry := CatalogEntry{Manifest: ManifestName(bundle.Name{Number: 0}, "a", "a"), Summary: bundle.Summary{Members: 1, Min: "a", Max: "a"}}
	if err := AppendCatalog(fsys, entry); err != nil {
		t.Fatal(err)
	}
	snapshot := filepath.Join(t.TempDir(), "snapshot")
	if err := os.Link(filepath.Join(dir, CatalogName), snapshot); err != nil {
		t.Skip("no hard links here: ", err)
	}
	entry.Bundle, entry.Manifest = bundle.Name{Number: 1}, ManifestName(bundle.Name{Number: 1}, "a", "a")
	if err := AppendCatalog(fsys, entry); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]int{filepath.Join(dir, CatalogName): 2, snapshot: 1} {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if got := bytes.Count(data, []byte("\n")); got != want {
			t.Errorf("%s has %d lines, want %d", filepath.Base(name), got, want)
		}
	}
}

func TestE8CatalogLines(t *testing.T) {
	line := func(bundle, manifest string, entries int) string {
		return fmt.Sprintf(`{"bundle_path":%q,"crate_max":"b","crate_max_label":"b","crate_min":"a","crate_min_label":"a","entries":%d,"manifest_path":%q,"size_bytes":9}`+"\n",
			bundle, entries, manifest)
	}
	v110 := line(`bundles\bundle-0001.tar.zst`, `bundles\bundle-0001-a-to-b.manifest.jsonl`, 3)
	in := v110 + v110 + // the same twice
		line("/x/bundle-0001.tar.zst", "/y/bundle-0001-a-to-b.manifest.jsonl", 4) + // later: different
		line("bundle-0002.tar.zst", "../../etc/passwd", 1) +
		line("bundle-0002.tar.zst", "bundle-0001-a-to-b.manifest.jsonl", 1) +
		line("../bundle-02.tar.zst", "bundle-0002-a-to-b.manifest.jsonl", 1) +
		line("bundle-0002.tar.zst", "bundle-0002-a-to-b.manifest.jsonl", -1) +
		strings.Replace(line("bundle-0002.tar.zst", "bundle-0002-a-to-b.manifest.jsonl", 1), `"a"`, `"\u001b"`, 2)
	var got []string
	for e, err := range ReadCatalog(strings.NewReader(in)) {
		if err != nil {
			got = append(got, err.Error())
			continue
		}
		got = append(got, fmt.Sprintln(e.Bundle.Number, e.Manifest, e.Members, e.Size, e.Min, e.Max))
	}
	want := []string{
		"1 bundle-0001-a-to-b.manifest.jsonl 3 9 a b\n", "1 bundle-0001-a-to-b.manifest.jsonl 4 9 a b\n",
		`line 4: manifest_path: "passwd" is not that of bundle-0002.tar.zst`,
		`line 5: manifest_path: "bundle-0001-a-to-b.manifest.jsonl" is not that of bundle-0002.tar.zst`,
		`line 6: bundle_path: "bundle-02.tar.zst" is not bundle-NNNN.tar.zst`,
		"line 7: entries -1 is not 0 to 2147483647",
		`line 8: crate_min or crate_max: crate name "\x1b" has a character outside [A-Za-z0-9_-]`,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestLabel(t *testing.T) {
	for name, want := range map[string]string{"Serde_JSON": "serde-json", " a.b c ": "a-b-c", "": "unknown"} {
		if got := Label(name); got != want {
			t.Errorf("Label(%q) = %q, want %q", name, got, want)
		}
	}
}

// The next number follows the highest one on disk and in the catalog.
func TestE1NextNumber(t *testing.T) {
	const catalog7 = `{"bundle_path":"b/bundle-0007.tar.zst","manifest_path":"b/bundle-0007-a-to-b.manifest.jsonl","crate_min":"a","crate_max":"b"}` + "\n{torn"
	for _, tt := range []struct {
		files   []string
		catalog string
		want    int
	}{
		{nil, "", 0},
		{[]string{"bundle-0000.tar.zst"}, "", 1},
		{[]string{"bundle-0000.tar.zst", "bundle-0003.tar.zst.part"}, "", 4},
		{[]string{"bundle-0000.tar.zst", "bundle-0005-a-to-b.manifest.jsonl"}, "", 6},
		{[]string{"bundle-0000.tar.zst", "bundle-12345.tar.zst", "other", "bundle-99", "bundles"}, catalog7, 12346},
		{[]string{"bundle-0000.tar.zst"}, catalog7, 8},
		{nil, catalog7, 8},
	} {
		m := durabletest.NewMem()
		for _, name := range tt.files {
			f, err := m.Create(name)
			must(t, err)
			must(t, f.Close())
		}
		if tt.catalog != "" {
			must(t, durable.WriteFile(m, CatalogName, []byte(tt.catalog)))
		}
		if got, err := NextNumber(m); got != tt.want || err != nil {
			t.Errorf("%q, catalog %q: %d, %v, want %d", tt.files, tt.catalog, got, err, tt.want)
		}
	}
	m := durabletest.NewMem()
	f, err := m.Create(bundle.FileName(bundle.MaxNumber))
	must(t, err)
	must(t, f.Close())
	if n, err := NextNumber(m); err == nil {
		t.Errorf("after the highest number comes %d", n)
	}
}

func catalogText(path string) string {
	manifest := strings.TrimSuffix(path, bundle.Ext) + "-a-to-b" + manifestExt
	return fmt.Sprintf(`{"bundle_path":%q,"manifest_path":%q,"crate_min":"a","crate_max":"b","crate_min_label":"a","crate_max_label":"b","entries":2,"size_bytes":9}`, path, manifest)
}

// RemoveFromCatalog removes one line, and keeps the lines of others as they are.
func TestRemoveFromCatalog(t *testing.T) {
	m := durabletest.NewMem()
	must(t, RemoveFromCatalog(m, bundle.Name{Number: 1})) // absent
	before := catalogText("out/bundles/bundle-0000.tar.zst") + "\n" + catalogText("bundle-0001.tar.zst") + "\nnot JSON\n" + catalogText("bundle-0010.tar.zst") + "\n"
	must(t, durable.WriteFile(m, CatalogName, []byte(before)))
	must(t, RemoveFromCatalog(m, bundle.Name{Number: 1}))
	after, err := durable.ReadFile(m, CatalogName, 1<<20)
	must(t, err)
	if want := strings.Replace(before, catalogText("bundle-0001.tar.zst")+"\n", "", 1); string(after) != want || want == before {
		t.Errorf("the catalog is\n%swant\n%s", after, want)
	}
}
