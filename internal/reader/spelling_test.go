package reader

import (
	"testing"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
)

func TestSpelling(t *testing.T) {
	v := viewOf("foo-bar", "foo_bar", "Serde", "x-y")
	for crate, want := range map[string]struct {
		holds     bool
		published string
	}{
		"foo-bar": {true, "foo-bar"}, "foo_bar": {true, "foo_bar"}, "FOO_BAR": {true, "foo_bar"},
		"serde": {true, "Serde"}, "SERDE": {true, "Serde"}, "x-y": {true, "x-y"}, "x_y": {false, "x-y"},
		"serd": {}, "serdes": {}, "": {}, "zzz": {},
	} {
		if got := v.Holds(crate); got != want.holds {
			t.Errorf("Holds(%q) = %t, want %t", crate, got, want.holds)
		}
		if got, ok := v.names.Load().published(crate); got != want.published || ok != (got != "") {
			t.Errorf("published(%q) = %q, %t, want %q", crate, got, ok, want.published)
		}
	}
}

// TestOpenInAnySpelling: as crates.io does.
func TestOpenInAnySpelling(t *testing.T) {
	w := newWorld(t, small4)
	w.run(how{})
	v := w.view(nil)
	eventually(t, "names are known", func() bool { return v.Holds("serde_json") })
	for _, id := range []crate.ID{{Name: "serde-json", Version: "1.0.0"}, {Name: "SERDE_json", Version: "1.0.0"}, {Name: "inflector", Version: "0.11.4"}} {
		if _, err := read(t, v, id); err != nil {
			t.Error(err)
		}
	}
	f, err := v.Open(t.Context(), crate.ID{Name: "Serde-JSON", Version: "1.0.0"})
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if want := (crate.ID{Name: "serde_json", Version: "1.0.0"}); f.ID != want {
		t.Errorf("opened as %s, want %s", f.ID, want)
	}
}
