package policy

import (
	"path/filepath"
	"strconv"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/policy/advisory"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/policy/spdx"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/tomlfile"
)

func (d *fileDecoder) age(t *tomlfile.Table) {
	r := &ageRule{mode: d.mode(t, d.whole)}
	text, line := d.Text(t, "min-age")
	r.min = d.duration(text, line, "min-age")
	if c := d.Table(t, "crates"); c != nil {
		for _, name := range c.Keys() {
			line := c.LineOf(name)
			text, _ := d.Text(c, name)
			d.crateName(line, name)
			least := d.duration(text, line, name)
			r.crates.add(&Selector{Crate: name}, least)
			r.most = max(r.most, least)
		}
	}
	if text == "" && !t.Has("crates") {
		d.Fail(t.Line, `[age] says nothing: want min-age = "7d", or a table [age.crates]`)
	}
	d.Rest(t)
	d.f.policy.age = r
}

// maxAge is the maximum of a minimum age. More is a typing error.
const maxAge = 10 * 365 * 24 * time.Hour

// ageUnits are the units in which people think of ages.
var ageUnits = map[string]time.Duration{
	"w": 7 * 24 * time.Hour, "d": 24 * time.Hour, "h": time.Hour, "m": time.Minute,
}

func (d *fileDecoder) duration(text string, line int, key string) time.Duration {
	if text == "" || text == "0" {
		return 0
	}
	unit := ageUnits[text[len(text)-1:]]
	n, err := strconv.ParseUint(text[:len(text)-1], 10, 31)
	if unit == 0 || err != nil {
		d.Fail(line, `%s is %.40q: want a number and one of w, d, h and m, as in "7d", or "0"`, key, text)
		return 0
	}
	if n > uint64(maxAge/unit) {
		d.Fail(line, "%s is %.40q: want at most ten years", key, text)
		return 0
	}
	return time.Duration(n) * unit
}

func (d *fileDecoder) advisories(t *tomlfile.Table) {
	r := &advisoryRule{mode: d.mode(t, d.whole), malicious: Denied}
	for _, it := range d.Texts(t, "databases") {
		r.dirs = append(r.dirs, d.path(it.Text))
	}
	d.Want(t, len(r.dirs) > 0 || t.Has("databases"), `databases = ["advisory-db"], folders or git repositories`)
	if text, line := d.Text(t, "min-severity"); text != "" {
		if err := r.min.UnmarshalText([]byte(text)); err != nil {
			d.Fail(line, "min-severity: %v", err)
		}
	}
	for _, it := range d.Texts(t, "informational") {
		switch it.Text {
		case advisory.Unmaintained, advisory.Unsound, advisory.Notice:
			r.kinds = append(r.kinds, it.Text)
		default:
			d.Fail(it.Line, "informational: %.40q is no kind: want unmaintained, unsound or notice", it.Text)
		}
	}
	if text, line := d.Text(t, "malicious"); text != "" {
		if err := r.malicious.UnmarshalText([]byte(text)); err != nil || r.malicious == Shown {
			d.Fail(line, `malicious is %.40q: want "denied" or "resolve-only"`, text)
		}
	}
	d.Rest(t)
	d.f.policy.advisories = r
}

// path resolves a path in the file, relative to the folder of the file.
func (d *fileDecoder) path(name string) string {
	if filepath.IsAbs(name) {
		return name
	}
	return filepath.Join(filepath.Dir(d.f.Name), name)
}

// unknown reads whether a rule hides versions about which it lacks information.
func (d *fileDecoder) unknown(t *tomlfile.Table) (hide bool) {
	text, line := d.Text(t, "unknown")
	if text != "" && text != "hide" && text != "show" {
		d.Fail(line, `unknown is %.40q: want "hide" or "show"`, text)
	}
	return text != "show"
}

func (d *fileDecoder) licenses(t *tomlfile.Table) {
	r := &licenseRule{factRule: factRule{d.mode(t, d.whole), d.unknown(t)}, allow: spdx.List{}}
	items := d.Texts(t, "allow")
	for _, it := range items {
		one, err := spdx.NewList([]string{it.Text})
		if err != nil {
			d.Fail(it.Line, "allow: %v", err)
		}
		for id := range one {
			r.allow[id] = true
		}
	}
	d.Want(t, len(items) > 0 || t.Has("allow"), `allow = ["MIT", "Apache-2.0"], ids of SPDX`)
	d.Rest(t)
	d.f.policy.licenses = r
}

func (d *fileDecoder) owners(t *tomlfile.Table) {
	r := &ownerRule{mode: d.mode(t, d.whole)}
	text, line := d.Text(t, "wait")
	r.wait = d.duration(text, line, "wait")
	d.Want(t, text != "", `wait = "14d", how long after the change of an owner versions are hidden`)
	text, _ = d.Text(t, "changes")
	d.Want(t, text != "", `changes = "owners.csv", a file with a line "crate,time" for each owner`)
	r.file = d.path(text)
	d.Rest(t)
	d.f.policy.owners = r
}
