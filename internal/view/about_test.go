package view

import (
	"errors"
	"io/fs"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/cargotoml"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
)

func TestAbout(t *testing.T) {
	w := newWorld(t, "serde 1.0.0")
	w.run(how{})
	v := w.view(nil)
	for range 2 { // read, then remembered
		p, err := v.About(t.Context(), serde100)
		if err != nil || p.Description != "A simulated crate" || p.License != "MIT" {
			t.Errorf("%+v, %v", p, err)
		}
	}
	if _, err := v.About(t.Context(), crate.ID{Name: "serde", Version: "9.0.0"}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("of a version that is not held: %v", err)
	}
}

// Authors may write what they like; what is kept of it is little.
func TestAboutIsBounded(t *testing.T) {
	long := strings.Repeat("é", 5000)
	p := shortened(cargotoml.Package{Description: long, Homepage: long, Keywords: make([]string, 99)})
	if utf8.RuneCountInString(p.Description) != maxDescription || utf8.RuneCountInString(p.Homepage) != maxField || len(p.Keywords) != maxList {
		t.Errorf("%d and %d characters, %d keywords", utf8.RuneCountInString(p.Description), utf8.RuneCountInString(p.Homepage), len(p.Keywords))
	}
	var a about
	for i := range 2 * maxAbout {
		a.put(crate.ID{Name: "x", Version: string(rune('a' + i))}, p)
	}
	if len(a.read) > maxAbout {
		t.Errorf("%d versions are remembered", len(a.read))
	}
}
