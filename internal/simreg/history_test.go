package simreg

import (
	"bytes"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
)

// realLine is a line in the form of crates.io, with a checksum of one digit.
func realLine(name, version, digit string, yanked bool) string {
	text := `{"name":"` + name + `","vers":"` + version + `","deps":[],"cksum":"` + strings.Repeat(digit, 64) + `","features":{},"yanked":false, "of":"later"}`
	return string(setYanked([]byte(text), yanked))
}

func mustParseLine(t *testing.T, text string) Line {
	t.Helper()
	line, err := ParseLine([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return line
}

func TestLineKeepsAllButTheChecksum(t *testing.T) {
	text := realLine("Foo", "1.0.0+x", "a", false)
	line := mustParseLine(t, text)
	want := strings.Replace(text, strings.Repeat("a", 64), line.Sum.String(), 1)
	if string(line.Text) != want || line.ID != id("Foo", "1.0.0+x") {
		t.Errorf("%s is the line of %v, want %s", line.Text, line.ID, want)
	}
	r := New()
	r.SetCrate("Foo", line)
	if sum, err := r.Checksum(line.ID); err != nil || sum != line.Sum || !bytes.Equal(bytesOf(t, r, line.ID), line.CrateBytes()) {
		t.Errorf("the registry has %v, %v, which is not what the line stands for", sum, err)
	}
	r.Yank(line.ID, true)
	if got, want := entryOf(t, r, line.ID), strings.Replace(want, `"yanked":false`, `"yanked":true`, 1); got != want {
		t.Errorf("after Yank the entry is %s, want %s", got, want)
	}
	if again := mustParseLine(t, realLine("Foo", "1.0.0+x", "b", false)); again.Sum == line.Sum {
		t.Error("another checksum stands for the same bytes")
	}
}

func TestParseLineRejects(t *testing.T) {
	for _, text := range []string{
		``, `{}`, realLine("..", "1.0.0", "a", false), realLine("foo", "1", "a", false),
		`{"name":"foo","vers":"1.0.0","cksum":"ab"}`,
	} {
		if line, err := ParseLine([]byte(text)); err == nil {
			t.Errorf("%s is read as the line of %v", text, line.ID)
		}
	}
}

func TestWhatWasDeletedAndCameBack(t *testing.T) {
	foo := id("foo", "1.0.0")
	r := New(MustParse("foo 1.0.0\nfoo 1.1.0")...)
	first, _ := r.Checksum(foo)
	r.Remove(foo)
	if got, want := r.Gone(), []crate.ID{foo}; !slices.Equal(got, want) {
		t.Errorf("deleted, as it says, is %v, want %v", got, want)
	}
	r.Restore(foo, first)
	if sum, err := r.Checksum(foo); err != nil || sum != first || len(r.Past(foo)) != 0 {
		t.Errorf("restored, it has %v, %v, and before %v, want %v alone", sum, err, r.Past(foo), first)
	}
	if file, err := r.IndexFile("3/f/foo"); err != nil || !strings.HasSuffix(string(file), entryOf(t, r, foo)+"\n") {
		t.Errorf("restored, it is not the newest: %s, %v", file, err)
	}
	r.Remove(foo)
	r.Restore(foo, first)
	r.ReplaceBytes(foo)
	if got, want := r.Past(foo), []crate.Checksum{first}; !slices.Equal(got, want) || len(r.Gone()) > 0 {
		t.Errorf("republished, it had the checksums %v before, want %v; %v is gone", got, want, r.Gone())
	}
	second, _ := r.Checksum(foo)
	r.Remove(foo)
	r.Restore(foo, first)
	if sum, err := r.Checksum(foo); err != nil || sum != first || !slices.Equal(r.Past(foo), []crate.Checksum{second}) {
		t.Errorf("restored, it has %v, %v, and before %v, want %v and %v", sum, err, r.Past(foo), first, second)
	}
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
			if err := writeFile(filepath.Join(dir, day, filepath.FromSlash(path)), []byte(text)); err != nil {
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
		h, err := ReadHistory(dir, 5, seed)
		if err != nil {
			t.Fatal(err)
		}
		r := New(Version{Name: "other", Version: "1.0.0"})
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
func dayOf(t *testing.T, lines []string) *Registry {
	t.Helper()
	r := New(Version{Name: "other", Version: "1.0.0"})
	crates := map[string][]Line{}
	for _, text := range lines {
		l := mustParseLine(t, text)
		crates[l.ID.Name] = append(crates[l.ID.Name], l)
	}
	for name, lines := range crates {
		r.SetCrate(name, lines...)
	}
	return r
}

func indexText(t *testing.T, r *Registry) string {
	t.Helper()
	var b strings.Builder
	for path, data := range r.indexFiles() {
		b.WriteString(path + "\n" + string(data))
	}
	return b.String()
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
