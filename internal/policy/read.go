package policy

import (
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/tomlfile"
)

// maxFile is the maximum size of a file, in bytes: a deny list of a hundred thousand
// crates.
const maxFile = 32 << 20

// A File is a parsed policy file: a policy without its advisories.
type File struct {
	Name   string
	policy Policy
}

// Read parses a policy file. An error is a [*tomlfile.Error] with all problems at once.
func Read(r io.Reader, name string) (*File, error) {
	data, err := io.ReadAll(io.LimitReader(r, maxFile+1))
	if err != nil {
		return nil, fmt.Errorf("reading policy %s: %w", name, err)
	}
	f, err := parse(data, name)
	if bad, ok := errors.AsType[*tomlfile.Error](err); ok {
		bad.File = name
		return nil, bad
	}
	if err != nil {
		return nil, fmt.Errorf("reading policy %s: %w", name, err)
	}
	return f, nil
}

func parse(data []byte, name string) (*File, error) {
	if len(data) > maxFile {
		return nil, fmt.Errorf("it has more than %d MiB", maxFile>>20)
	}
	root, err := tomlfile.Parse(data)
	if err != nil {
		return nil, err
	}
	f := &File{Name: name, policy: Policy{Name: name}}
	d := &fileDecoder{f: f, whole: mode{Hidden: ResolveOnly}}
	d.file(root)
	if err := d.Err(); err != nil {
		return nil, err
	}
	return f, nil
}

// A fileDecoder turns tables into rules.
type fileDecoder struct {
	tomlfile.Decoder
	f     *File
	whole mode // default of the file
}

func (d *fileDecoder) file(t *tomlfile.Table) {
	p := &d.f.policy
	d.whole = d.mode(t, d.whole)
	p.Contact, _ = d.Text(t, "contact")
	for _, e := range d.Tables(t, "deny") {
		d.denied(e)
	}
	for _, e := range d.Tables(t, "allow") {
		d.allowed(e)
	}
	if a := d.Table(t, RuleAdvisories); a != nil {
		d.advisories(a)
	}
	if y := d.Table(t, RuleYanked); y != nil {
		m := d.mode(y, d.whole)
		p.yanked = &m
		d.Rest(y)
	}
	if a := d.Table(t, RuleAge); a != nil {
		d.age(a)
	}
	if l := d.Table(t, RuleLicenses); l != nil {
		d.licenses(l)
	}
	if r := d.Table(t, RuleRepository); r != nil {
		p.repository = &factRule{d.mode(r, d.whole), d.unknown(r)}
		d.Rest(r)
	}
	if o := d.Table(t, RuleOwners); o != nil {
		d.owners(o)
	}
	for _, w := range d.Tables(t, "waiver") {
		d.waiver(w)
	}
	d.Rest(t)
}

// mode reads what a rule does; all has the defaults.
func (d *fileDecoder) mode(t *tomlfile.Table, all mode) mode {
	if text, line := d.Text(t, "hidden"); text != "" {
		if err := all.Hidden.UnmarshalText([]byte(text)); err != nil || all.Hidden == Shown {
			d.Fail(line, `hidden is %.40q: want "resolve-only", with which locked versions can be downloaded, or "denied"`, text)
		}
	}
	all.Observe = d.Flag(t, "observe", all.Observe)
	return all
}

func (d *fileDecoder) waiver(t *tomlfile.Table) {
	w := &Waiver{Line: t.Line, Selector: d.selector(t, false)}
	for _, it := range d.Texts(t, "rules") {
		if !slices.Contains(Rules, it.Text) {
			d.Fail(it.Line, "rules: %.40q is none: want %s", it.Text, tomlfile.Alternatives(Rules))
		}
		w.Rules = append(w.Rules, it.Text)
	}
	for _, it := range d.Texts(t, "advisories") {
		w.Advisories = append(w.Advisories, it.Text)
	}
	if len(w.Advisories) > 0 && len(w.Rules) == 0 {
		w.Rules = []string{RuleAdvisories}
	}
	w.Reason, _ = d.Text(t, "reason")
	w.By, _ = d.Text(t, "by")
	w.Expires = d.Date(t, "expires")
	d.Rest(t)
	d.Want(t, len(w.Rules) > 0, `rules = ["age"], those that it takes back`)
	d.Want(t, w.Reason != "", `reason = "..."`)
	d.Want(t, w.By != "", `by = "...", who answers for it`)
	d.f.policy.waivers.add(&w.Selector, w)
	d.f.policy.listed = append(d.f.policy.listed, w)
}
