package policy

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/human"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/policy/advisory"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/policy/spdx"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/semver"
)

// An advisoryRule hides versions with advisories.
type advisoryRule struct {
	mode
	dirs      []string          // of the advisories
	min       advisory.Severity // of vulnerabilities
	kinds     []string          // of advisories other than vulnerabilities
	malicious Visibility        // for crates made to do harm
	db        *advisory.DB
}

// counts reports whether the rule applies to an advisory. An unknown severity may be any.
func (r *advisoryRule) counts(a *advisory.Advisory) bool {
	switch {
	case !a.Withdrawn.IsZero():
		return false
	case a.Malicious:
		return true
	case a.Informational != "":
		return slices.Contains(r.kinds, a.Informational)
	}
	return a.Severity == advisory.Unknown || a.Severity >= r.min
}

func (p *Policy) judgeAdvisories(j *judgement, s *Subject, now time.Time) {
	r := p.advisories
	if r == nil {
		return
	}
	about := r.db.Of(j.name())
	if len(about) == 0 {
		return
	}
	version, err := semver.Parse(s.Version)
	parsed := &version
	if err != nil {
		parsed = nil
	}
	for _, a := range about {
		if !r.counts(a) || !a.Affects(s.Version, parsed) {
			continue
		}
		m := r.mode
		if a.Malicious {
			m.Hidden = max(m.Hidden, r.malicious)
		}
		j.found(p, s, now, m, Finding{Advisory: a.ID, advisory: a,
			Decision: Decision{Rule: RuleAdvisories, Reason: reason(a), Since: a.Date}})
	}
}

func reason(a *advisory.Advisory) string {
	what := "severity " + a.Severity.String()
	switch {
	case a.Malicious:
		what = "malicious"
	case a.Informational != "":
		what = a.Informational
	}
	return fmt.Sprintf("%s (%s): %s", a.ID, what, a.Title)
}

// A factRule checks the Cargo.toml of a crate.
type factRule struct {
	mode
	hideUnknown bool
}

// A licenseRule hides crates that cannot be used under the allowed licences.
type licenseRule struct {
	factRule
	allow spdx.List
}

func (p *Policy) judgeLicense(j *judgement, s *Subject, now time.Time) {
	r := p.licenses
	if r == nil {
		return
	}
	reason := ""
	switch {
	case s.Facts == nil:
		reason = "its licence is not known: its Cargo.toml could not be read yet"
	case s.Facts.License == "" && s.Facts.LicenseFile != "":
		reason = "its licence is a text in the crate and no expression of SPDX"
	case s.Facts.License == "":
		reason = "it has no licence"
	default:
		allowed, err := r.allow.Allows(s.Facts.License)
		switch {
		case allowed:
			return
		case err != nil:
			reason = human.Printable(err.Error())
		default:
			j.found(p, s, now, r.mode, Finding{Decision: Decision{Rule: RuleLicenses,
				Reason: "its licence is " + human.Printable(s.Facts.License) + ", which the policy does not allow"}})
			return
		}
	}
	if r.hideUnknown {
		j.found(p, s, now, r.mode, Finding{Decision: Decision{Rule: RuleLicenses, Reason: reason}})
	}
}

func (p *Policy) judgeRepository(j *judgement, s *Subject, now time.Time) {
	r := p.repository
	if r == nil {
		return
	}
	reason := "it names no repository in which its source can be read"
	if s.Facts == nil {
		if !r.hideUnknown {
			return
		}
		reason = "its repository is not known: its Cargo.toml could not be read yet"
	} else if hasRepository(s.Facts.Repository) {
		return
	}
	j.found(p, s, now, r.mode, Finding{Decision: Decision{Rule: RuleRepository, Reason: reason}})
}

// hasRepository reports whether the author named an address with a host.
func hasRepository(text string) bool {
	if rest, found := strings.CutPrefix(text, "https://"); found && rest != "" && !strings.ContainsAny(rest[:1], "/?#:@") {
		return true // true of nearly all
	}
	u, err := url.Parse(text)
	return err == nil && u.Host != ""
}

// An ownerRule hides versions published soon after their crate got another owner, for the
// same time again.
type ownerRule struct {
	mode
	wait    time.Duration
	file    string
	changes ownerChanges
}

func (p *Policy) judgeOwners(j *judgement, s *Subject, now time.Time) {
	r := p.owners
	if r == nil {
		return
	}
	for _, changed := range r.changes[string(j.name())] {
		if f, found := r.soon(s, changed, now); found {
			j.found(p, s, now, r.mode, f)
			return
		}
	}
}

// soon returns a finding if a version was published soon after its crate got another owner.
// If the time of publication is unknown, the latest possible one counts.
func (r *ownerRule) soon(s *Subject, changed, now time.Time) (Finding, bool) {
	reason := fmt.Sprintf("its crate got another owner on %s, within %s of its publication", changed.UTC().Format(time.DateOnly), FormatAge(r.wait))
	from, known := s.born()
	until := from.Add(r.wait)
	if !known {
		reason = fmt.Sprintf("its crate got another owner on %s, and it is not known when it was published", changed.UTC().Format(time.DateOnly))
		until = changed.Add(2 * r.wait)
	} else if changed.After(until) || !from.Before(changed.Add(r.wait)) {
		return Finding{}, false
	}
	return Finding{Decision: Decision{Rule: RuleOwners, Since: from, Until: until, Reason: reason}}, now.Before(until)
}
