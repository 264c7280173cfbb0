package age

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/index"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/index/indextest"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/policy"
)

var start = time.Date(2026, 8, 20, 0, 0, 0, 0, time.UTC)

// at is an instant that a minus sign in front puts before start.
func at(hours int) time.Time { return start.Add(time.Duration(hours) * time.Hour) }

// key is a version whose checksum is one digit: "a 1.0.0 1".
func key(text string) crate.Key {
	words := strings.Fields(text)
	sum, err := crate.ParseChecksum(indextest.Sum(words[2]))
	if err != nil {
		panic(err)
	}
	return crate.Key{ID: crate.ID{Name: words[0], Version: words[1]}, Checksum: sum}
}

// A history is a bare index with commits at given hours.
type history struct {
	t   *testing.T
	dir string
}

func newHistory(t *testing.T) *history {
	h := &history{t, filepath.Join(t.TempDir(), "index.git")}
	indextest.Git(t, t.TempDir(), "init", "-q", "--bare", "-b", "master", h.dir)
	return h
}

// commit makes one that names versions of the crate a alone; root: without a past.
func (h *history) commit(hours int, root bool, versions ...string) {
	h.t.Helper()
	var lines, from strings.Builder
	for _, v := range versions {
		k := key(v)
		lines.WriteString(indextest.Line(k.Name, k.Version, k.Checksum.String()) + "\n")
	}
	if root {
		from.WriteString("reset refs/heads/master\n")
	}
	fmt.Fprintf(&from, "commit refs/heads/master\ncommitter t <t@example.com> %d +0000\ndata 0\n", at(hours).Unix())
	if _, err := os.Stat(h.dir + "/refs/heads/master"); err == nil && !root {
		from.WriteString("from refs/heads/master^0\n")
	}
	in := fmt.Sprintf("%sdeleteall\nM 100644 inline 1/a\ndata %d\n%s\n", &from, lines.Len(), &lines)
	file := filepath.Join(h.t.TempDir(), "in")
	if err := os.WriteFile(file, []byte(in), 0o600); err != nil {
		h.t.Fatal(err)
	}
	indextest.Git(h.t, h.dir, "-c", "alias.take=!git fast-import --quiet --force <'"+file+"'", "take")
}

func (h *history) table(window time.Duration) *Table {
	h.t.Helper()
	x, err := index.Open(h.t.Context(), h.dir, index.Options{})
	if err != nil {
		h.t.Fatal(err)
	}
	defer func() {
		if err := x.Close(); err != nil {
			h.t.Error(err)
		}
	}()
	table, err := NewTable(h.t.Context(), h.dir, x, window)
	if err != nil {
		h.t.Fatal(err)
	}
	return table
}

func TestTable(t *testing.T) {
	h := newHistory(t)
	h.commit(-1000, false, "a 1.0.0 1")
	h.commit(-500, false, "a 1.0.0 1", "a 1.1.0 2")
	h.commit(-48, false, "a 1.0.0 1", "a 1.1.0 2", "a 1.2.0 3")
	h.commit(-24, false, "a 1.0.0 1", "a 1.1.0 2", "a 1.2.0 4")                  // published again
	h.commit(0, false, "a 1.0.0 1", "a 1.1.0 2", "a 1.2.0 4", "a 1.3.0 5")       // upstream squashes next
	indextest.Git(t, h.dir, "update-ref", index.DaysRef+"/2026-08-20", "master") // what sync keeps of it
	h.commit(3, true, "a 1.0.0 1", "a 1.1.0 2", "a 1.2.0 4", "a 1.3.0 5", "a 1.4.0 6")
	week := h.table(7 * 24 * time.Hour)
	for version, want := range map[string]policy.Seen{
		"a 1.0.0 1": {First: at(-500)}, // at least as old as the commit before the week
		"a 1.1.0 2": {First: at(-500)},
		"a 1.2.0 3": {First: at(-48), After: at(-500)},
		"a 1.2.0 4": {First: at(-24), After: at(-48)},
		"a 1.3.0 5": {First: at(0), After: at(-24)},
		"a 1.4.0 6": {First: at(3), After: at(0)},
	} {
		if got := week.Seen(key(version)); !got.First.Equal(want.First) || !got.After.Equal(want.After) {
			t.Errorf("%s: %v, want %v", version, got, want)
		}
	}
	// A history that is shorter than what is asked for begins with its first commit.
	if got := h.table(80 * 24 * time.Hour).Seen(key("a 1.0.0 1")); !got.First.Equal(at(-1000)) || !got.After.IsZero() {
		t.Errorf("the whole history: %v", got)
	}
}

// While the index moves: what is new is known a second later, and until then it counts as
// just published, whatever its line says.
func TestBook(t *testing.T) {
	h := newHistory(t)
	h.commit(-1000, false, "a 1.0.0 1")
	h.commit(0, false, "a 1.0.0 1", "a 1.1.0 2")
	b, err := Open(t.Context(), h.dir, 7*24*time.Hour, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	}()
	b.looked = time.Now().Add(time.Hour) // no look at the index until then
	want := func(version string, first, after time.Time) {
		t.Helper()
		if got := b.Seen(t.Context(), key(version)); !got.First.Equal(first) || !got.After.Equal(after) {
			t.Errorf("%s: %v, want %v, %v", version, got, first, after)
		}
	}
	want("a 1.0.0 1", at(-1000), time.Time{})
	want("a 1.1.0 2", at(0), at(-1000))
	h.commit(5, false, "a 1.0.0 1", "a 1.1.0 2", "a 1.2.0 3")
	before := time.Now()
	if got := b.Seen(t.Context(), key("a 1.2.0 3")); got.First.Before(before) || !got.After.Equal(at(0)) {
		t.Errorf("not looked at yet: %v", got)
	}
	b.looked = time.Time{}
	want("a 1.2.0 3", at(5), at(0))
	want("a 1.0.0 1", at(-1000), time.Time{})
}

// A plain folder has no past: nothing is known.
func TestBookOfFolder(t *testing.T) {
	b, err := Open(t.Context(), indextest.FolderOf(t, indextest.Tree{"1/a": indextest.Line("a", "1.0.0", indextest.Sum("1"))}), time.Hour, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	if got := b.Seen(t.Context(), key("a 1.0.0 1")); got != (policy.Seen{}) {
		t.Error(got)
	}
	if err := b.Close(); err != nil {
		t.Error(err)
	}
}
