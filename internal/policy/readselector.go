package policy

import (
	"strings"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/semver"
)

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
