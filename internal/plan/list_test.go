package plan

import (
	"strings"
	"testing"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
)

var foo1 = crate.ID{Name: "foo", Version: "1.0.0"}

// Whatever a list says: what is taken from it are crates whose checksum is known,
// each once, and every bad line is told by its number.
func FuzzReadList(f *testing.F) {
	f.Add("https://example.org/foo/foo-1.0.0.crate\nnot a URL\n")
	sums := Checksums{foo1: {1}, {Name: "Foo", Version: "1.0.0"}: {2}, {Name: "foo", Version: "1.0.0+a"}: {3}}
	f.Fuzz(func(t *testing.T, text string) {
		entries, bad, err := ReadList(strings.NewReader(text), "list", sums)
		if err != nil {
			return
		}
		seen := map[string]bool{}
		for _, e := range entries {
			if e.Check() != nil || e.Checksum != sums[e.ID] || e.Checksum == (crate.Checksum{}) || seen[e.FoldKey()] {
				t.Errorf("%+v is taken", e)
			}
			seen[e.FoldKey()] = true
			if path, _, _ := strings.Cut(e.URL, "?"); strings.Contains(path, "+") {
				t.Errorf("%q would be asked for", e.URL)
			}
		}
		for _, b := range bad {
			if !strings.HasPrefix(b.Err.Error(), "list:") {
				t.Errorf("no line is named: %v", b.Err)
			}
		}
	})
}

// A checksum that is taken is of a crate that may exist.
func FuzzReadChecksums(f *testing.F) {
	f.Add(`{"url":"https://example.org/foo/foo-1.0.0.crate","sha256":"` + strings.Repeat("ab", 32) + `"}`)
	f.Fuzz(func(t *testing.T, text string) {
		sums, err := ReadChecksums(strings.NewReader(text), "sums")
		if err != nil && !strings.Contains(err.Error(), "sums") {
			t.Errorf("no file is named: %v", err)
		}
		for id := range sums {
			if id.Check() != nil {
				t.Errorf("%q is taken", id)
			}
		}
	})
}

func TestReadList(t *testing.T) {
	sums := Checksums{foo1: {1}, {Name: "Foo", Version: "1.0.0"}: {2}}
	const text = "# from PowerShell\r\nhttps://example.org/foo/foo-1.0.0.crate\r\nhttps://example.org/foo/1.0.0/download\nhttps://example.org/Foo/Foo-1.0.0.crate\n"
	entries, bad, err := ReadList(strings.NewReader(text), "list", sums)
	if err != nil || len(entries) != 1 || entries[0].ID != foo1 || len(bad) != 1 {
		t.Fatalf("%+v, %+v, %v", entries, bad, err)
	}
	if got, want := bad[0].Err.Error(), "list:4: foo 1.0.0 and Foo 1.0.0 differ in case alone"; got != want && got != "list:4: Foo 1.0.0 and foo 1.0.0 differ in case alone" {
		t.Errorf("%q, want %q", got, want)
	}
}
