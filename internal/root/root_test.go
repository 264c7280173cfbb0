package root

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
)

var (
	commit0 = strings.Repeat("0a", 20)
	commit1 = strings.Repeat("1b", 20)
)

// example is a root with everything.
func example() *Root {
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	return &Root{
		Format: Format, ID: "M", Generation: 7, Parent: crate.Checksum{1}, Written: at, Epoch: 4,
		Writers: map[string]Writer{
			"":    {Epoch: 4, Owner: "host a, /srv/mirror", ID: "A", Bundles: Window{64, 80}, Segments: Window{0, 16}, Commit: commit1, Complete: true, Crates: 2, Versions: 3, Bytes: 4, Time: at},
			"1/8": {Owner: "host b", Bundles: Window{0, 9}},
		},
		Index: Index{Branch: "master", Commit: commit1, Chain: []File{
			{Name: IndexName(commit0, 1), Size: 10, SHA256: crate.Checksum{2}}, {Name: IndexName(commit1, 4), Size: 11, SHA256: crate.Checksum{3}},
		}},
		Catalog: &Snapshot{File{Name: CatalogName(6), Size: 12, SHA256: crate.Checksum{4}}, 6},
		Bundles: []File{
			{Name: "bundle-0000.tar.zst", Size: 100, SHA256: crate.Checksum{5}, Entries: 2, Bytes: 300,
				Lists: []File{{Name: "bundle-0000-a__z.manifest.jsonl", Size: 20, SHA256: crate.Checksum{6}}}},
			{Name: "bundle-0001.tar.zst", Size: 100, SHA256: crate.Checksum{7}, Entries: 1, Bytes: 30},
		},
		Superseded: []string{"catalog/5.db.zst", "index/" + commit0[:8] + ".bundle"},
		Segments:   []File{{Name: "deep-0000.zst", Size: 100, SHA256: crate.Checksum{8}, Entries: 2, Bytes: 500}},
	}
}

func encode(t testing.TB, r *Root) []byte {
	t.Helper()
	data, err := r.Append(nil)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestRoundTrip(t *testing.T) {
	want := example()
	got, err := Parse(encode(t, want))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	// The order in which a program has its lists is no matter.
	want.Bundles[0], want.Bundles[1] = want.Bundles[1], want.Bundles[0]
	if !bytes.Equal(encode(t, want), encode(t, got)) {
		t.Error("a list in another order is another root")
	}
}

// What a hostile or damaged bucket may say is refused as a whole.
func TestRefused(t *testing.T) {
	good := string(encode(t, example()))
	edits := map[string]func(*Root){
		"no generation":          func(r *Root) { r.Generation = 0 },
		"no epoch":               func(r *Root) { r.Epoch = 0 },
		"writer above all":       func(r *Root) { r.Writers[""] = Writer{Epoch: 5} },
		"no shard":               func(r *Root) { r.Writers["8/8"] = Writer{} },
		"shard in other words":   func(r *Root) { r.Writers["01/8"] = Writer{} },
		"shards without bound":   func(r *Root) { r.Writers["0/5000"] = Writer{} },
		"escape codes":           func(r *Root) { r.Writers[""] = Writer{Owner: "\x1b[2J"} },
		"negative count":         func(r *Root) { r.Writers[""] = Writer{Missing: -1} },
		"number beyond all":      func(r *Root) { r.Writers[""] = Writer{Bundles: Window{0, 1 << 30}} },
		"window that ends early": func(r *Root) { r.Writers[""] = Writer{Bundles: Window{2, 1}} },
		"complete at no commit":  func(r *Root) { r.Writers[""] = Writer{Complete: true} },
		"path":                   func(r *Root) { r.Bundles[0].Name = "../bundle-0000.tar.zst" },
		"list with a path":       func(r *Root) { r.Bundles[0].Lists[0].Name = "a/b.jsonl" },
		"list that is a bundle":  func(r *Root) { r.Bundles[0].Lists[0].Name = "bundle-0009.tar.zst" },
		"hidden list":            func(r *Root) { r.Bundles[0].Lists[0].Name = ".lock.json" },
		"lists beside a list":    func(r *Root) { r.Bundles[0].Lists[0].Lists = []File{{Name: "a.json"}} },
		"too many lists":         func(r *Root) { r.Bundles[0].Lists = make([]File, maxLists+1) },
		"negative size":          func(r *Root) { r.Bundles[0].Size = -1 },
		"twice":                  func(r *Root) { r.Bundles[1] = r.Bundles[0] },
		"segment among bundles":  func(r *Root) { r.Bundles[0].Name = "deep-0000.zst" },
		"bundle among segments":  func(r *Root) { r.Segments[0].Name = "bundle-0000.tar.zst" },
		"index without a commit": func(r *Root) { r.Index.Commit = "" },
		"index that ends early":  func(r *Root) { r.Index.Commit = commit0 },
		"index in a circle":      func(r *Root) { r.Index.Chain[0] = r.Index.Chain[1] },
		"branch that is a path":  func(r *Root) { r.Index.Branch = "../config" },
		"option as a branch":     func(r *Root) { r.Index.Branch = "-upload-pack" },
		"commit that is none":    func(r *Root) { r.Writers[""] = Writer{Commit: "HEAD"} },
		"removes what it names":  func(r *Root) { r.Superseded = []string{"bundles/bundle-0000.tar.zst"} },
		"removes the root":       func(r *Root) { r.Superseded = []string{"mirror.json"} },
		"removes elsewhere":      func(r *Root) { r.Superseded = []string{"index/../mirror.json"} },
		"removes twice":          func(r *Root) { r.Superseded = []string{"index/a", "index/a"} },
		"catalog of the future":  func(r *Root) { r.Catalog.Generation, r.Catalog.Name = 8, CatalogName(8) },
		"catalog of another":     func(r *Root) { r.Catalog.Name = CatalogName(5) },
	}
	data := map[string]string{
		"nothing":          "",
		"null":             "null\n",
		"cut":              good[:len(good)-10],
		"more behind":      good + good,
		"other format":     strings.Replace(good, `"format":1`, `"format":2`, 1),
		"unknown field":    strings.Replace(good, `"format":1`, `"format":1,"x":1`, 1),
		"field twice":      strings.Replace(good, `"format":1`, `"format":1,"format":1`, 1),
		"fields of a case": strings.Replace(good, `"generation":7`, `"Generation":7`, 1),
		"spaces":           strings.Replace(good, `"format":1`, `"format": 1`, 1),
		"large checksum":   strings.Replace(good, `"sha256":"0`, `"sha256":"00`, 1),
	}
	for name, edit := range edits {
		r := example()
		edit(r)
		data[name] = string(encode(t, r))
	}
	for name, text := range data {
		if _, err := Parse([]byte(text)); !errors.Is(err, ErrFormat) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := Parse(make([]byte, MaxSize+1)); !errors.Is(err, ErrFormat) {
		t.Errorf("too large: %v", err)
	}
}

// What is taken is written again as it was.
func FuzzParse(f *testing.F) {
	f.Add(encode(f, example()))
	f.Fuzz(func(t *testing.T, data []byte) {
		r, err := Parse(data)
		if err != nil {
			return
		}
		if !bytes.Equal(encode(t, r), data) {
			t.Errorf("%q is written as %q", data, encode(t, r))
		}
	})
}

func TestShard(t *testing.T) {
	for _, text := range []string{"", "3/8", "1023/1024"} {
		if err := CheckShard(text); err != nil {
			t.Error(err)
		}
	}
	for _, text := range []string{"0/1", "8/8", "-1/8", "+1/8", "3", "3/8/9", "/", "0/0", "3/ 8"} {
		if err := CheckShard(text); err == nil {
			t.Errorf("%q is a shard", text)
		}
	}
}
