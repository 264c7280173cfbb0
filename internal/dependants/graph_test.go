package dependants

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
)

// put writes the index file of a crate: a line for each version, with its dependencies,
// only for tests if a name begins with "dev:".
func put(t *testing.T, dir, name string, versions ...[]string) {
	t.Helper()
	var text []byte
	for n, version := range versions {
		deps := ""
		for i, dep := range version[1:] {
			kind := "normal"
			if len(dep) > 4 && dep[:4] == "dev:" {
				kind, dep = "dev", dep[4:]
			}
			if i > 0 {
				deps += ","
			}
			deps += fmt.Sprintf(`{"name":%q,"req":"^1","features":[],"optional":false,"default_features":true,"target":null,"kind":%q}`, dep, kind)
		}
		yanked := version[0][0] == '!'
		text = fmt.Appendf(text, `{"name":%q,"vers":%q,"deps":[%s],"cksum":"%064x","features":{},"yanked":%v,"pubtime":"20%02d-03-01T00:00:00Z"}`+"\n",
			name, version[0][map[bool]int{true: 1}[yanked]:], deps, n, yanked, 20+n)
	}
	file := filepath.Join(dir, filepath.FromSlash(crate.IndexPath(name)))
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, text, 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestGraph(t *testing.T) {
	dir := t.TempDir()
	put(t, dir, "serde", []string{"1.0.0"})
	put(t, dir, "serde_json", []string{"1.0.0"}, []string{"1.1.0", "serde", "itoa"})
	put(t, dir, "popular", []string{"1.0.0", "serde"})
	put(t, dir, "uses-popular", []string{"1.0.0", "popular", "dev:popular"})
	put(t, dir, "tests-only", []string{"1.0.0", "dev:serde"})
	put(t, dir, "once-did", []string{"0.9.0", "serde"}, []string{"1.0.0"})
	put(t, dir, "yanked-does", []string{"1.0.0"}, []string{"!1.1.0", "serde"}, []string{"2.0.0-rc.1", "serde"})
	put(t, dir, "Cased", []string{"1.0.0", "serde"})
	w := NewWatch(Config{Dir: dir})
	var f follower
	if err := f.look(t.Context(), w); err != nil {
		t.Fatal(err)
	}
	g := w.Graph()
	if all, strong := g.Count("serde"); all != 4 || strong != 3 {
		t.Errorf("serde: used by %d, by %d not for tests alone", all, strong)
	}
	if diff := cmp.Diff([]string{"popular", "Cased", "serde_json", "tests-only"}, g.Of("serde", 0, 9)); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"Cased", "serde_json"}, g.Of("serde", 1, 2)); diff != "" {
		t.Error(diff)
	}
	if all, strong := g.Count("popular"); all != 1 || strong != 1 {
		t.Errorf("a crate that needs another twice counts as %d, %d", all, strong)
	}
	if got := g.Of("itoa", 0, 9); len(got) != 1 || g.Crates() != 8 {
		t.Errorf("what the index does not name is needed by %q; %d crates", got, g.Crates())
	}
	if got := g.Of("serde", 99, 9); got != nil || g.Of("none", 0, 9) != nil {
		t.Errorf("beyond the end: %q", got)
	}
	var none *Graph
	if all, _ := none.Count("serde"); all != 0 || none.Of("serde", 0, 9) != nil || none.Growth() != nil {
		t.Error("before the index was read, something is known")
	}
}

func TestGrowth(t *testing.T) {
	dir := t.TempDir()
	put(t, dir, "one", []string{"1.0.0"}, []string{"1.1.0"})
	put(t, dir, "other", []string{"1.0.0"}, []string{"1.1.0"}, []string{"2.0.0"})
	w := NewWatch(Config{Dir: dir})
	var f follower
	if err := f.look(t.Context(), w); err != nil {
		t.Fatal(err)
	}
	points := w.Graph().Growth()
	march := func(year int) time.Time { return time.Date(year, 3, 1, 0, 0, 0, 0, time.UTC) }
	want := []Point{{march(2020), 2, 2}, {march(2021), 2, 4}, {march(2022), 2, 5}}
	if len(points) != 25 {
		t.Fatalf("%d months, want 25", len(points))
	}
	if diff := cmp.Diff(want, []Point{points[0], points[12], points[24]}); diff != "" {
		t.Error(diff)
	}
	for _, line := range []string{`{}`, `"pubtime":"`, `"pubtime":"1999-01-01"`, `"pubtime":"9999-01-01"`, `"pubtime":"2020-99-01"`} {
		if m, _, ok := published([]byte(line)); ok {
			t.Errorf("%s is of month %d", line, m)
		}
	}
}

// A plain folder has no record of changes: it is read again, but not all the time.
func TestPlainFolderIsReadAgain(t *testing.T) {
	dir := t.TempDir()
	put(t, dir, "serde", []string{"1.0.0"})
	put(t, dir, "one", []string{"1.0.0", "serde"})
	w := NewWatch(Config{Dir: dir})
	synctest.Test(t, func(t *testing.T) {
		var f follower
		look := func(want int) {
			t.Helper()
			if err := f.look(t.Context(), w); err != nil {
				t.Fatal(err)
			}
			if all, _ := w.Graph().Count("serde"); all != want {
				t.Errorf("serde is used by %d, want %d", all, want)
			}
		}
		look(1)
		put(t, dir, "two", []string{"1.0.0", "serde"})
		look(1)
		time.Sleep(again)
		look(2)
	})
}
