package policy

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/pelletier/go-toml/v2/unstable"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/semver"
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
		return nil, &Error{d.problems}
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
	if y := d.table(t, RuleYanked); y != nil {
		m := d.mode(y, d.whole)
		p.yanked = &m
		d.rest(y)
	}
	if a := d.table(t, RuleAge); a != nil {
		d.age(a)
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

func (d *fileDecoder) denied(t *table) {
	e := &entry{Line: t.line}
	e.Selector = d.selector(t, true)
	// Who denies by name means it.
	e.mode = d.mode(t, mode{Denied, d.whole.Observe})
	e.Reason, _ = d.text(t, "reason")
	d.rest(t)
	d.f.policy.deny.add(&e.Selector, e)
}

func (d *fileDecoder) allowed(t *table) {
	e := &entry{Line: t.line}
	e.Selector = d.selector(t, false)
	e.Reason, _ = d.text(t, "reason")
	d.rest(t)
	d.f.policy.allow.add(&e.Selector, e)
	d.f.policy.onlyAllowed = &d.whole
}

// selector reads which versions are meant.
func (d *fileDecoder) selector(t *table, wide bool) Selector {
	s := Selector{wide: wide}
	name, line := d.text(t, "crate")
	s.Crate, s.Version, _ = strings.Cut(name, "@")
	d.crateName(line, s.Crate)
	if strings.Contains(name, "@") && crate.CheckVersion(s.Version) != nil {
		d.fail(line, `crate is %.120q: want a full version behind "@", as in "serde@1.0.219", or the key versions for a requirement`, name)
	}
	if s.Versions, line = d.text(t, "versions"); s.Versions != "" {
		d.versions(&s, line)
	}
	if sum, line := d.text(t, "checksum"); sum != "" {
		c, err := crate.ParseChecksum(sum)
		if err != nil {
			d.fail(line, "checksum: %v: want the cksum of the index", err)
		}
		s.Checksum = &c
	}
	if s.Crate == "" && s.Checksum == nil {
		d.fail(t.line, `%s names nothing: want crate = "NAME", "NAME@VERSION" or "PREFIX-*", or a checksum`, t.title)
	}
	return s
}

// crateName checks a name that may end in "*".
func (d *fileDecoder) crateName(line int, name string) {
	if name == "" || name == "*" {
		return
	}
	plain := strings.TrimSuffix(name, "*")
	if err := crate.CheckName(plain); err != nil {
		d.fail(line, `%v: want a name, or what names begin with and a "*"`, err)
	}
}

// versions reads the requirement of s. One without an operator is refused: in Cargo.toml
// it is a caret, and who writes "1.0.219" here means that version.
func (d *fileDecoder) versions(s *Selector, line int) {
	for part := range strings.SplitSeq(s.Versions, ",") {
		part = strings.TrimSpace(part)
		if part != "*" && !strings.ContainsAny(part[:min(1, len(part))], "<>=~^") {
			d.fail(line, `versions is %.80q: want an operator before each version: "=1.2.3" for that one, "^1.2.3" for those that are compatible`, s.Versions)
			return
		}
	}
	var err error
	if s.req, err = semver.ParseReq(s.Versions); err != nil {
		d.fail(line, "versions: %v: want a requirement as in Cargo.toml, such as \">=1.2, <1.4\"", err)
	}
	if s.Version != "" {
		d.fail(line, "versions and a version behind the name: want one of them")
	}
}

func (d *fileDecoder) age(t *table) {
	r := &ageRule{mode: d.mode(t, d.whole)}
	text, line := d.text(t, "min-age")
	r.min = d.duration(text, line, "min-age")
	if c := d.table(t, "crates"); c != nil {
		for _, name := range c.order {
			line := c.items[name].line
			text, _ := d.text(c, name)
			d.crateName(line, name)
			least := d.duration(text, line, name)
			r.crates.add(&Selector{Crate: name}, least)
			r.most = max(r.most, least)
		}
	}
	if text == "" && t.items["crates"] == nil {
		d.fail(t.line, `[age] says nothing: want min-age = "7d", or a table [age.crates]`)
	}
	d.rest(t)
	d.f.policy.age = r
}

// maxAge is the longest minimum age. More is a slip of the keyboard.
const maxAge = 10 * 365 * 24 * time.Hour

// ageUnits are those that a person thinks of ages in.
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
		d.fail(line, `%s is %.40q: want a number and one of w, d, h and m, as in "7d", or "0"`, key, text)
		return 0
	}
	if n > uint64(maxAge/unit) {
		d.fail(line, "%s is %.40q: want at most ten years", key, text)
		return 0
	}
	return time.Duration(n) * unit
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
