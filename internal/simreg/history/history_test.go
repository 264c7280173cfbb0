package history

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/simreg"
)

// realLine is a line in the form of crates.io, with a checksum of one digit.
func realLine(name, version, digit string, yanked bool) string {
	text := `{"name":"` + name + `","vers":"` + version + `","deps":[],"cksum":"` + strings.Repeat(digit, 64) + `","features":{},"yanked":false, "of":"later"}`
	if yanked {
		text = strings.Replace(text, `"yanked":false`, `"yanked":true`, 1)
	}
	return text
}

func mustParseLine(t *testing.T, text string) simreg.Line {
	t.Helper()
	line, err := simreg.ParseLine([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return line
}

// writeDays writes the lines of two days as folders of index files.
func writeDays(t *testing.T, days map[string][]string) (dir string) {
	t.Helper()
	dir = t.TempDir()
	for day, lines := range days {
		files := map[string]string{}
		for _, text := range lines {
			files[crate.IndexPath(mustParseLine(t, text).ID.Name)] += text + "\n"
		}
		for path, text := range files {
			if err := write(filepath.Join(dir, day, filepath.FromSlash(path)), text); err != nil {
				t.Fatal(err)
			}
		}
	}
	return dir
}

func TestHistoryLeadsFromDayToDay(t *testing.T) {
	var first, last []string
	for _, n := range []string{"aa", "bb", "cc", "dd"} {
		first = append(first,
			realLine("kept-"+n, "1.0.0", "a", false), realLine("kept-"+n, "1.1.0", "a", true), realLine("kept-"+n, "1.2.0", "a", false),
			realLine("again-"+n, "1.0.0", "a", false), realLine("again-"+n, "1.1.0", "a", false), realLine("gone-"+n, "1.0.0", "a", false))
		last = append(last,
			realLine("kept-"+n, "1.0.0", "a", true), realLine("kept-"+n, "1.1.0", "a", true), realLine("kept-"+n, "1.2.0", "b", false), realLine("kept-"+n, "2.0.0", "c", false),
			realLine("again-"+n, "1.0.0", "d", false), realLine("new-"+n, "1.0.0", "e", false), realLine("new-"+n, "1.0.1", "e", false))
	}
	dir := writeDays(t, map[string][]string{"2025-02-10": first, "2025-09-28": last})
	for seed := range uint64(100) {
		h, err := Read(dir, 5, seed)
		if err != nil {
			t.Fatal(err)
		}
		r := simreg.New(simreg.Version{Name: "other", Version: "1.0.0"})
		h.Play(r, 0)
		if diff := cmp.Diff(indexText(t, dayOf(t, first)), indexText(t, r)); diff != "" {
			t.Fatalf("seed %d: step 0 is not the first day (-want +got):\n%s", seed, diff)
		}
		for step := 1; step <= h.Steps(); step++ {
			h.Play(r, step)
		}
		if diff := cmp.Diff(indexText(t, dayOf(t, last)), indexText(t, r)); diff != "" {
			t.Fatalf("seed %d: the last step is not the last day (-want +got):\n%s", seed, diff)
		}
		if want := time.Date(2025, 9, 28, 0, 0, 0, 0, time.UTC); !h.Date(5).Equal(want) {
			t.Fatalf("the last step is of %v", h.Date(5))
		}
		wantDeletedBetween(t, h)
	}
}

// dayOf is a registry that has a day and one crate more.
func dayOf(t *testing.T, lines []string) *simreg.Registry {
	t.Helper()
	r := simreg.New(simreg.Version{Name: "other", Version: "1.0.0"})
	crates := map[string][]simreg.Line{}
	for _, text := range lines {
		l := mustParseLine(t, text)
		crates[l.ID.Name] = append(crates[l.ID.Name], l)
	}
	for name, lines := range crates {
		r.SetCrate(name, lines...)
	}
	return r
}

func indexText(t *testing.T, r *simreg.Registry) string {
	t.Helper()
	var b strings.Builder
	for _, name := range names(r) {
		data, err := r.IndexFile(crate.IndexPath(name))
		if err != nil {
			t.Fatal(err)
		}
		b.WriteString(name + "\n" + string(data))
	}
	return b.String()
}

// names are the crates of a registry, in order.
func names(r *simreg.Registry) (names []string) {
	for _, id := range r.IDs() {
		names = append(names, id.Name)
	}
	return slices.Compact(names)
}

func write(file, text string) error {
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return err
	}
	return os.WriteFile(file, []byte(text), 0o644)
}

// wantDeletedBetween: other bytes of a version never follow in the very step in
// which the old ones go.
func wantDeletedBetween(t *testing.T, h *History) {
	t.Helper()
	for name, spans := range h.Spans() {
		for i, old := range spans {
			for _, s := range spans[i+1:] {
				if s.ID == old.ID && s.Sum != old.Sum && s.From <= old.To {
					t.Fatalf("%s %s goes at step %d and is other bytes at step %d", name, s.ID.Version, old.To, s.From)
				}
			}
		}
	}
}
