package reader

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
)

const small4 = `
	serde 1.0.0
	serde 1.0.1 yanked
	serde_json 1.0.0
	Inflector 0.11.4
`

// TestViewOfAMirror: what a run has mirrored is shown byte for byte and can be
// read, whatever the case of the name.
func TestViewOfAMirror(t *testing.T) {
	w := newWorld(t, small4)
	w.run(how{})
	v := w.view(nil)
	if diff := cmp.Diff([]string{"serde 1.0.0", "serde 1.0.1 yanked"}, shown(t, v, "SERDE")); diff != "" {
		t.Error(diff)
	}
	c, err := v.Crate(t.Context(), "inflector")
	if err != nil {
		t.Fatal(err)
	}
	line, err := w.reg.Entry(crate.ID{Name: "Inflector", Version: "0.11.4"})
	if err != nil {
		t.Fatal(err)
	}
	if c.Name != "Inflector" || c.Path != "in/fl/inflector" || string(c.Body()) != string(line)+"\n" {
		t.Errorf("%s at %s: %q", c.Name, c.Path, c.Body())
	}
	for _, id := range w.reg.IDs() {
		w.wantRead(v, id.Name, id.Version)
		w.wantRead(v, id.Name, id.Version) // the second time unhashed
	}
	for _, id := range []crate.ID{{Name: "serde", Version: "2.0.0"}, {Name: "inflector", Version: "0.11.5"}, {Name: "../serde", Version: "1.0.0"}, {}} {
		if _, err := read(t, v, id); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%v: %v", id, err)
		}
	}
	if _, err := v.Crate(t.Context(), "absent"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("absent: %v", err)
	}
	eventually(t, "all is counted", func() bool { return v.Totals().Counted })
	totals := v.Totals()
	if totals.Crates != 3 || totals.Versions != 4 || totals.Commit == "" || totals.CommitTime.IsZero() {
		t.Errorf("totals: %+v", totals)
	}
	if names, total := v.Search("SERDE-json", 0, 10); total != 1 || !slices.Equal(names, []string{"serde_json"}) {
		t.Errorf("search: %v of %d", names, total)
	}
}

// TestNotHeldAsksNoIndex: for a crate without versions that are held the index is not
// read, however often it is asked for.
func TestNotHeldAsksNoIndex(t *testing.T) {
	w := newWorld(t, small4)
	w.run(how{})
	w.index = filepath.Join(w.dir, "plain")
	if err := w.reg.WriteIndex(w.index); err != nil {
		t.Fatal(err)
	}
	// Reading this one fails.
	if err := os.MkdirAll(filepath.Join(w.index, "un", "re", "unreadable"), 0o755); err != nil {
		t.Fatal(err)
	}
	if _, err := w.view(func(c *Config) { c.All = true }).Crate(t.Context(), "unreadable"); err == nil || errors.Is(err, fs.ErrNotExist) {
		t.Errorf("of all lines: %v", err)
	}
	if _, err := w.view(nil).Crate(t.Context(), "unreadable"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("of those that are held: %v", err)
	}
}
