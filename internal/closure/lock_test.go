package closure

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// A26: the normal form of a lock file's sources.
func TestPlace(t *testing.T) {
	for _, source := range []string{
		"registry+https://github.com/rust-lang/crates.io-index", "registry+https://github.com/rust-lang/crates.io-index/",
		"registry+https://github.com/rust-lang/crates.io-index.git", "registry+ssh://git@github.com/rust-lang/crates.io-index.git/",
		"sparse+https://index.crates.io/", "sparse+https://index.crates.io", "https://GitHub.com/rust-lang/crates.io-index",
	} {
		if !isCratesIO(source) {
			t.Errorf("%s is %s", source, place(source))
		}
	}
	for _, source := range []string{
		"", "git", "registry+", "sparse+https://index.crates.io.evil.example/", "sparse+https://index.crates.io@evil.example/",
		"sparse+https://mirror.example/index.crates.io/", "registry+https://github.com/rust-lang/crates.io-index2", "registry+https://index.crates.io:444/",
	} {
		if isCratesIO(source) {
			t.Errorf("%s passes for crates.io", source)
		}
	}
}

// A26: packages of another registry are left out unless the registry was named; the index
// tells how many of them it has with the same checksum.
func TestCompare(t *testing.T) {
	dir := t.TempDir()
	appendLine(t, dir, "foo", fmt.Sprintf(`{"name":"foo","vers":"1.0.0","deps":[],"cksum":"%s","features":{},"yanked":false}`, ones))
	var text strings.Builder
	for _, p := range []string{
		"foo 1.0.0 sparse+https://mirror.example/index/ " + ones, // the same crate
		"foo 1.0.0 sparse+https://other.example/ " + twos,        // another crate of that name
		"foo 2.0.0 sparse+https://mirror.example/index/ " + ones,
		"own 1.0.0 sparse+https://mirror.example/index/ " + ones,
		"foo 1.0.0 sparse+https://bare.example/ ", // without a checksum
	} {
		f := strings.Split(p, " ")
		fmt.Fprintf(&text, "[[package]]\nname = %q\nversion = %q\nsource = %q\nchecksum = %q\n\n", f[0], f[1], f[2], f[3])
	}
	for _, tt := range []struct {
		sources, pins []string
		leftOut       []Source
	}{
		{nil, nil, []Source{
			{"sparse+https://mirror.example/index/", 3, 1}, {"sparse+https://bare.example/", 1, 0}, {"sparse+https://other.example/", 1, 0},
		}},
		{[]string{"https://mirror.example/index"}, []string{"foo 1.0.0", "foo 2.0.0", "own 1.0.0"}, []Source{
			{"sparse+https://bare.example/", 1, 0}, {"sparse+https://other.example/", 1, 0},
		}},
	} {
		l, err := ReadLock(strings.NewReader(text.String()), "Cargo.lock", tt.sources...)
		if err == nil {
			err = l.Compare(t.Context(), openIndex(t, dir))
		}
		if err != nil {
			t.Fatal(err)
		}
		var pins []string
		for _, p := range l.Pins {
			pins = append(pins, p.ID.String())
		}
		if diff := cmp.Diff(tt.pins, pins) + cmp.Diff(tt.leftOut, l.LeftOut()); diff != "" || len(l.Problems) > 0 {
			t.Errorf("%v: %v; -want +got\n%s", tt.sources, l.Problems, diff)
		}
	}
}

func TestNear(t *testing.T) {
	dir := t.TempDir()
	appendLine(t, dir, "foo_bar-baz", fmt.Sprintf(`{"name":"foo_bar-baz","vers":"1.0.0","cksum":"%s"}`, ones))
	roots, _, err := ReadNames(strings.NewReader("foo-bar-baz\nfoo-bar\n"+strings.Repeat("a-", 40)+"a"), "names")
	if err != nil {
		t.Fatal(err)
	}
	set, err := Compute(t.Context(), openIndex(t, dir), Wishes{Roots: roots}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]bool{}
	for _, p := range set.Problems {
		got[p.Err.Error()] = true
	}
	for _, want := range []string{
		"names:1: foo-bar-baz: there is no such crate in the index, but foo_bar-baz is there",
		"names:2: foo-bar: there is no such crate in the index",
	} {
		if !got[want] {
			t.Errorf("%s is not among %v", want, got)
		}
	}
}
