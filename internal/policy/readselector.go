package policy

import (
	"strings"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/semver"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/tomlfile"
)

func (d *fileDecoder) denied(t *tomlfile.Table) {
	e := &entry{Line: t.Line}
	e.Selector = d.selector(t, true)
	// An entry that denies by name is meant strictly.
	e.mode = d.mode(t, mode{Denied, d.whole.Observe})
	e.Reason, _ = d.Text(t, "reason")
	d.Rest(t)
	d.f.policy.deny.add(&e.Selector, e)
}

func (d *fileDecoder) allowed(t *tomlfile.Table) {
	e := &entry{Line: t.Line}
	e.Selector = d.selector(t, false)
	e.Reason, _ = d.Text(t, "reason")
	d.Rest(t)
	d.f.policy.allow.add(&e.Selector, e)
	d.f.policy.onlyAllowed = &d.whole
}

// selector reads which versions are meant.
func (d *fileDecoder) selector(t *tomlfile.Table, wide bool) Selector {
	s := Selector{wide: wide}
	name, line := d.Text(t, "crate")
	s.Crate, s.Version, _ = strings.Cut(name, "@")
	d.crateName(line, s.Crate)
	if strings.Contains(name, "@") && crate.CheckVersion(s.Version) != nil {
		d.Fail(line, `crate is %.120q: want a full version behind "@", as in "serde@1.0.219", or the key versions for a requirement`, name)
	}
	if s.Versions, line = d.Text(t, "versions"); s.Versions != "" {
		d.versions(&s, line)
	}
	if sum, line := d.Text(t, "checksum"); sum != "" {
		c, err := crate.ParseChecksum(sum)
		if err != nil {
			d.Fail(line, "checksum: %v: want the cksum of the index", err)
		}
		s.Checksum = &c
	}
	if s.Crate == "" && s.Checksum == nil {
		d.Fail(t.Line, `%s names nothing: want crate = "NAME", "NAME@VERSION" or "PREFIX-*", or a checksum`, t.Title)
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
		d.Fail(line, `%v: want a name, or what names begin with and a "*"`, err)
	}
}

// versions reads the requirement of s. It rejects one without an operator: in Cargo.toml it
// would be a caret, but a user who writes "1.0.219" here means exactly that version.
func (d *fileDecoder) versions(s *Selector, line int) {
	for part := range strings.SplitSeq(s.Versions, ",") {
		part = strings.TrimSpace(part)
		if part != "*" && !strings.ContainsAny(part[:min(1, len(part))], "<>=~^") {
			d.Fail(line, `versions is %.80q: want an operator before each version: "=1.2.3" for that one, "^1.2.3" for those that are compatible`, s.Versions)
			return
		}
	}
	var err error
	if s.req, err = semver.ParseReq(s.Versions); err != nil {
		d.Fail(line, "versions: %v: want a requirement as in Cargo.toml, such as \">=1.2, <1.4\"", err)
	}
	if s.Version != "" {
		d.Fail(line, "versions and a version behind the name: want one of them")
	}
}
