package closure

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/simreg"
)

// TestCompute lists what each option selects.
func TestCompute(t *testing.T) {
	const text = `
		app 1.0.0
		  dep lib ^1 no-default
		  dep extra ^1 optional
		  dep dev ^1 kind=dev
		  feature default extra
		  feature more lib/big
		app 2.0.0
		  dep lib ^1.1
		lib 1.0.0
		lib 1.1.0
		  dep big ^1 optional
		  feature big dep:big
		lib 1.2.0 yanked
		lib 2.0.0
		big 1.0.0
		extra 1.0.0
		  dep app ^1 optional
		  feature loop app
		dev 1.0.0
		pre 1.0.0-alpha.1
		pre 1.0.0-alpha.2
	`
	dir := t.TempDir()
	if err := simreg.New(simreg.MustParse(text)...).WriteIndex(dir); err != nil {
		t.Fatal(err)
	}
	ix := openIndex(t, dir)
	follow := Options{Follow: true, Latest: 1}
	for _, c := range []struct {
		what  string
		opt   Options
		roots string
		want  string
	}{
		{"the names alone", Options{}, "app", "app 1.0.0, app 2.0.0"},
		{"whatever the case", Options{}, "LIB@2", "lib 2.0.0"},
		{"a requirement", Options{}, "lib@1", "lib 1.0.0, lib 1.1.0"},
		{"yanked ones too", Options{Yanked: true}, "lib@1", "lib 1.0.0, lib 1.1.0, lib 1.2.0"},
		{"the newest", Options{Latest: 1}, "lib", "lib 2.0.0"},
		{"the newest that match", Options{Latest: 1}, "lib@<2", "lib 1.1.0"},
		{"yanked ones do not count", Options{Latest: 1, Yanked: true}, "lib@1", "lib 1.1.0, lib 1.2.0"},
		{"two", Options{Latest: 2}, "lib", "lib 1.1.0, lib 2.0.0"},
		{"all pre-releases", Options{}, "pre", "pre 1.0.0-alpha.1, pre 1.0.0-alpha.2"},
		{"nothing but pre-releases", Options{Latest: 1}, "pre", "pre 1.0.0-alpha.2"},
		{"a pre-release", Options{Latest: 1}, "pre@1.0.0-alpha", "pre 1.0.0-alpha.2"},
		{"dependencies", follow, "app", "app 2.0.0, lib 1.1.0"},
		{"all features", follow, "app@1", "app 1.0.0, big 1.0.0, extra 1.0.0, lib 1.1.0"},
		{"default features", Options{Follow: true, Latest: 1, DefaultFeatures: true}, "app@1", "app 1.0.0, extra 1.0.0, lib 1.1.0"},
		{"two of each", Options{Follow: true, Latest: 2}, "app@1", "app 1.0.0, big 1.0.0, extra 1.0.0, lib 1.0.0, lib 1.1.0"},
		{"a cycle", follow, "extra", "app 1.0.0, extra 1.0.0, lib 1.1.0"},
		{"all that match", Options{Follow: true}, "app", "app 1.0.0, app 2.0.0, big 1.0.0, extra 1.0.0, lib 1.0.0, lib 1.1.0"},
	} {
		set := compute(t, ix, c.opt, c.roots)
		if diff := cmp.Diff(c.want, strings.Join(set.ids(), ", ")); diff != "" || len(set.Problems)+len(set.Unmet) > 0 {
			t.Errorf("%s: -want +got\n%s%v %v", c.what, diff, set.Problems, set.Unmet)
		}
		if set.Versions != len(set.ids()) || set.Crates != len(set.chosen) {
			t.Errorf("%s: counts %d versions of %d crates", c.what, set.Versions, set.Crates)
		}
	}
}

// TestInVain: what cannot be had is reported with its cause, and costs nothing else.
func TestInVain(t *testing.T) {
	const text = `
		fine 1.0.0
		pulled 1.0.0 yanked
		lame 1.0.0
		  dep pulled ^1
		lamer 1.0.0
		  dep lame *
		picky 1.0.0
		  dep fine ^1 features=gold
		maybe 1.0.0
		  dep nosuch ^1 optional
		  dep pulled ^1 optional
		  dep lame ^1 optional
	`
	dir := t.TempDir()
	if err := simreg.New(simreg.MustParse(text)...).WriteIndex(dir); err != nil {
		t.Fatal(err)
	}
	appendLine(t, dir, "fine", `{"name":"fine","vers":"1.1.0","deps":[{"name":"far","req":"1","features":[],"optional":false,"default_features":true,"target":null,"kind":"normal","registry":"https://example.org/index"}],"cksum":"`+zeros+`","features":{},"yanked":false}`)
	set := compute(t, openIndex(t, dir), Options{Follow: true, Latest: 1},
		"fine", "absent", "fine@2", "pulled", "lame", "lamer", "picky", "maybe")
	var problems, unmet []string
	for _, p := range set.Problems {
		problems = append(problems, p.Err.Error())
	}
	for _, err := range set.Unmet {
		unmet = append(unmet, err.Error())
	}
	want := []string{
		"names:2: absent: there is no such crate in the index",
		"names:3: fine 2: no version matches; the newest is 1.1.0",
		"names:4: pulled: every version that matches is yanked",
		"names:5: lame: lame 1.0.0 needs pulled ^1: every version that matches is yanked",
		"names:6: lamer: lamer 1.0.0 needs lame *: lame 1.0.0 needs pulled ^1: every version that matches is yanked",
		"names:7: picky: picky 1.0.0 needs fine ^1: fine 1.1.0 does not have all of the features gold",
	}
	if diff := cmp.Diff(want, problems); diff != "" {
		t.Errorf("problems: -want +got\n%s", diff)
	}
	want = []string{
		"fine 1.1.0 needs far 1 of another registry, https://example.org/index, which is not mirrored",
		"lame 1.0.0 needs pulled ^1: every version that matches is yanked",
		"lamer 1.0.0 needs lame *: lame 1.0.0 needs pulled ^1: every version that matches is yanked",
		"maybe 1.0.0 needs lame ^1: lame 1.0.0 needs pulled ^1: every version that matches is yanked",
		"maybe 1.0.0 needs nosuch ^1: there is no such crate in the index",
		"picky 1.0.0 needs fine ^1: fine 1.1.0 does not have all of the features gold",
	}
	if diff := cmp.Diff(want, unmet); diff != "" {
		t.Errorf("unmet: -want +got\n%s", diff)
	}
	if got := strings.Join(set.ids(), ", "); got != "fine 1.0.0, fine 1.1.0, lame 1.0.0, lamer 1.0.0, maybe 1.0.0, picky 1.0.0" {
		t.Errorf("chosen all the same: %s", got)
	}
}

func appendLine(t *testing.T, dir, name, line string) {
	t.Helper()
	path := filepath.Join(dir, filepath.FromSlash(crate.IndexPath(name)))
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	file, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if _, err := file.WriteString(line + "\n"); err != nil {
		t.Fatal(err)
	}
}

// TestUnreadableFile: the run that mirrors the set reports an unreadable file.
func TestUnreadableFile(t *testing.T) {
	dir := t.TempDir()
	reg := simreg.New(simreg.MustParse("foo 1.0.0\nbar 1.0.0\n  dep foo ^1")...)
	if err := reg.WriteIndex(dir); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, filepath.FromSlash(crate.IndexPath("foo")))
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(path, 0o755); err != nil {
		t.Fatal(err)
	}
	set := compute(t, openIndex(t, dir), Options{Follow: true, Latest: 1}, "foo", "bar")
	if !set.Crate(crate.IndexPath("foo")) || !set.Crate(crate.IndexPath("bar")) || set.Crate("1/a") {
		t.Errorf("%v: want foo and bar", set.chosen)
	}
	if len(set.Problems) != 1 || !strings.HasPrefix(set.Problems[0].Err.Error(), "names:2: bar: bar 1.0.0 needs foo ^1: its index file cannot be read: ") {
		t.Errorf("problems: %v", set.Problems)
	}
}

// TestPins: a lock file's versions are selected even if yanked, provided that their
// checksums agree.
func TestPins(t *testing.T) {
	dir := t.TempDir()
	reg := simreg.New(simreg.MustParse("foo 1.0.0 yanked\nfoo 1.1.0\n  dep bar ^1\nbar 1.0.0+x\nbar 1.0.0+y")...)
	if err := reg.WriteIndex(dir); err != nil {
		t.Fatal(err)
	}
	id := func(name, version string) crate.ID { return crate.ID{Name: name, Version: version} }
	sum, err := reg.Checksum(id("bar", "1.0.0+x"))
	if err != nil {
		t.Fatal(err)
	}
	pins := []Pin{
		{ID: id("foo", "1.0.0"), Where: "Cargo.lock"},
		{ID: id("bar", "1.0.0+x"), Checksum: sum, Where: "Cargo.lock"},
		{ID: id("bar", "1.0.0+y"), Checksum: sum, Where: "Cargo.lock"},
		{ID: id("foo", "9.0.0"), Where: "Cargo.lock"},
		{ID: id("nosuch", "1.0.0"), Where: "Cargo.lock"},
	}
	set, err := Compute(t.Context(), openIndex(t, dir), Wishes{Pins: pins}, Options{Follow: true, Latest: 1})
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(set.ids(), ", "); got != "bar 1.0.0+x, foo 1.0.0" {
		t.Errorf("chosen: %s", got)
	}
	other, _ := reg.Checksum(id("bar", "1.0.0+y"))
	want := []Problem{
		{ID: id("bar", "1.0.0+y"), Violated: true},
		{ID: id("foo", "9.0.0")},
		{ID: id("nosuch", "1.0.0")},
	}
	texts := []string{
		"Cargo.lock: bar 1.0.0+y has the checksum " + sum.String() + " there, and " + other.String() + " in the index: find out which of the two was tampered with",
		"Cargo.lock: foo 9.0.0 is not in the index",
		"Cargo.lock: nosuch 1.0.0 is not in the index",
	}
	for i, p := range set.Problems {
		if p.ID != want[i].ID || p.Violated != want[i].Violated || p.Err.Error() != texts[i] {
			t.Errorf("%+v, want %+v: %s", p, want[i], texts[i])
		}
	}
	if len(set.Problems) != len(want) {
		t.Errorf("%d problems, want %d", len(set.Problems), len(want))
	}
}

// TestLatest: the newest versions of every crate, without lookups.
func TestLatest(t *testing.T) {
	dir := t.TempDir()
	reg := simreg.New(simreg.MustParse(`
		foo 1.10.0
		foo 1.9.0
		foo 2.0.0-rc.1
		foo 1.11.0 yanked
		foo 1.2.0
		bar 0.1.0-alpha.9
		bar 0.1.0-alpha.10
		gone 1.0.0 yanked
	`)...)
	if err := reg.WriteIndex(dir); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		latest Latest
		want   string
	}{
		{Latest{N: 1}, "bar 0.1.0-alpha.10, foo 1.10.0"},
		{Latest{N: 2}, "bar 0.1.0-alpha.10, bar 0.1.0-alpha.9, foo 1.10.0, foo 1.9.0"},
		{Latest{N: 1, Yanked: true}, "bar 0.1.0-alpha.10, foo 1.10.0, foo 1.11.0, gone 1.0.0"},
	} {
		set := &Set{chosen: map[string]map[crate.ID]bool{}}
		for cr, err := range openIndex(t, dir).Crates(t.Context(), nil) {
			if err != nil {
				t.Fatal(err)
			}
			set.chosen[cr.Path] = map[crate.ID]bool{}
			for i, wanted := range c.latest.Entries(cr) {
				if wanted {
					set.chosen[cr.Path][cr.Entries[i].ID] = true
				}
			}
		}
		if diff := cmp.Diff(c.want, strings.Join(set.ids(), ", ")); diff != "" {
			t.Errorf("%+v: -want +got\n%s", c.latest, diff)
		}
	}
}
