package policy

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/pelletier/go-toml/v2/unstable"
)

// maxFile is the size in bytes of the largest file that is read: a deny list of a hundred
// thousand crates.
const maxFile = 32 << 20

// A File is a policy file that was read: a policy without its advisories.
type File struct {
	Name   string
	policy Policy
}

// Read reads a file. What is wrong with it is an [*Error], all of it at once.
func Read(r io.Reader, name string) (*File, error) {
	data, err := io.ReadAll(io.LimitReader(r, maxFile+1))
	if err != nil {
		return nil, fmt.Errorf("reading policy %s: %w", name, err)
	}
	f, err := parse(data, name)
	if bad, ok := errors.AsType[*Error](err); ok {
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
	root, err := parseTOML(bytes.TrimPrefix(data, []byte("\ufeff")))
	if err != nil {
		return nil, err
	}
	f := &File{Name: name, policy: Policy{Name: name}}
	d := &fileDecoder{f: f, whole: mode{Hidden: ResolveOnly}}
	d.file(root)
	if len(d.problems) > 0 {
		slices.SortStableFunc(d.problems, func(a, b Problem) int { return cmp.Compare(a.Line, b.Line) })
		return nil, &Error{Problems: d.problems}
	}
	return f, nil
}

// A fileDecoder makes rules of tables.
type fileDecoder struct {
	decoder
	f     *File
	whole mode // of the file
}

func (d *fileDecoder) file(t *table) {
	p := &d.f.policy
	d.whole = d.mode(t, d.whole)
	p.Contact, _ = d.text(t, "contact")
	for _, e := range d.tables(t, "deny") {
		d.denied(e)
	}
	for _, e := range d.tables(t, "allow") {
		d.allowed(e)
	}
	if a := d.table(t, RuleAdvisories); a != nil {
		d.advisories(a)
	}
	if y := d.table(t, RuleYanked); y != nil {
		m := d.mode(y, d.whole)
		p.yanked = &m
		d.rest(y)
	}
	if a := d.table(t, RuleAge); a != nil {
		d.age(a)
	}
	if l := d.table(t, RuleLicenses); l != nil {
		d.licenses(l)
	}
	if r := d.table(t, RuleRepository); r != nil {
		p.repository = &factRule{d.mode(r, d.whole), d.unknown(r)}
		d.rest(r)
	}
	if o := d.table(t, RuleOwners); o != nil {
		d.owners(o)
	}
	for _, w := range d.tables(t, "waiver") {
		d.waiver(w)
	}
	d.rest(t)
}

// mode reads what a rule does; what the table does not say is as it is for all.
func (d *fileDecoder) mode(t *table, all mode) mode {
	if text, line := d.text(t, "hidden"); text != "" {
		if err := all.Hidden.UnmarshalText([]byte(text)); err != nil || all.Hidden == Shown {
			d.fail(line, `hidden is %.40q: want "resolve-only", with which locked versions can be downloaded, or "denied"`, text)
		}
	}
	all.Observe = d.flag(t, "observe", all.Observe)
	return all
}

func (d *fileDecoder) waiver(t *table) {
	w := &Waiver{Line: t.line, Selector: d.selector(t, false)}
	for _, it := range d.texts(t, "rules") {
		if !slices.Contains(Rules, it.text) {
			d.fail(it.line, "rules: %.40q is none: want %s", it.text, alternatives(Rules))
		}
		w.Rules = append(w.Rules, it.text)
	}
	for _, it := range d.texts(t, "advisories") {
		w.Advisories = append(w.Advisories, it.text)
	}
	if len(w.Advisories) > 0 && len(w.Rules) == 0 {
		w.Rules = []string{RuleAdvisories}
	}
	w.Reason, _ = d.text(t, "reason")
	w.By, _ = d.text(t, "by")
	w.Expires = d.date(t, "expires")
	d.rest(t)
	d.want(t, len(w.Rules) > 0, `rules = ["age"], those that it takes back`)
	d.want(t, w.Reason != "", `reason = "..."`)
	d.want(t, w.By != "", `by = "...", who answers for it`)
	d.f.policy.waivers.add(&w.Selector, w)
	d.f.policy.listed = append(d.f.policy.listed, w)
}

// want notes that a table lacks something.
func (d *decoder) want(t *table, has bool, what string) {
	if !has {
		d.fail(t.line, "%s: want %s", t.title, what)
	}
}

// date reads a day, which is over at its end in UTC, or an instant.
func (d *fileDecoder) date(t *table, key string) time.Time {
	it := t.ask(key)
	if it == nil {
		return time.Time{}
	}
	switch it.kind {
	case unstable.LocalDate, unstable.String:
		if day, err := time.Parse(time.DateOnly, it.text); err == nil {
			return day.AddDate(0, 0, 1)
		}
	case unstable.DateTime:
		if at, err := time.Parse(time.RFC3339, strings.Replace(it.text, " ", "T", 1)); err == nil {
			return at.UTC()
		}
	}
	d.fail(it.line, `%s: want a day, %s = 2027-03-31, or an instant with its zone, 2027-03-31T12:00:00Z`, key, key)
	return time.Time{}
}
