package policy

import (
	"slices"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/policy/advisory"
)

// A Finding is the result of one rule for a version.
type Finding struct {
	Decision
	// Advisory is the id of the advisory that RuleAdvisories found.
	Advisory string `json:"advisory,omitempty"`
	advisory *advisory.Advisory
	// Hides is how much the rule hides, even if a waiver overrides it or it only observes.
	Hides Visibility `json:"hides"`
}

// Judge decides how visible a version is. It does not allocate if no rule has a finding.
func (p *Policy) Judge(s *Subject, now time.Time) Decision {
	var j judgement
	j.judge(p, s, now)
	j.decision.Next = j.next
	return j.decision
}

// Explain returns the findings of all rules, in the order of evaluation, and the resulting
// decision.
func (p *Policy) Explain(s *Subject, now time.Time) (Decision, []Finding) {
	j := judgement{explain: true}
	j.judge(p, s, now)
	j.decision.Next = j.next
	return j.decision, j.findings
}

// A judgement is a decision in progress.
type judgement struct {
	decision Decision
	next     time.Time
	explain  bool
	findings []Finding
	buf      [crate.MaxName]byte
	length   int // of the name in buf
}

// name returns the folded name of the crate.
func (j *judgement) name() []byte { return j.buf[:j.length] }

func (j *judgement) judge(p *Policy, s *Subject, now time.Time) {
	j.length = foldInto(&j.buf, s.Name)
	p.judgeDeny(j, s, now)
	p.judgeAllow(j, s, now)
	p.judgeAdvisories(j, s, now)
	p.judgeYanked(j, s, now)
	p.judgeAge(j, s, now)
	p.judgeLicense(j, s, now)
	p.judgeRepository(j, s, now)
	p.judgeOwners(j, s, now)
}

// found adds a finding to the decision.
func (j *judgement) found(p *Policy, s *Subject, now time.Time, m mode, f Finding) {
	f.Hides = m.Hidden
	j.changes(f.Until, now)
	if w := p.waiver(j, s, now, &f); w != nil {
		f.Waiver = w
		j.changes(w.Expires, now)
	} else if m.Observe {
		f.Observed = true
	} else {
		f.Visibility = m.Hidden
	}
	if j.explain {
		j.findings = append(j.findings, f)
	}
	if j.decision.Rule == "" || f.Visibility > j.decision.Visibility {
		j.decision = f.Decision
	}
}

// changes records that the decision may change at t.
func (j *judgement) changes(t, now time.Time) {
	if t.After(now) && (j.next.IsZero() || t.Before(j.next)) {
		j.next = t
	}
}

// waiver returns the waiver that overrides a finding. Of several, it is the one that lasts
// longest.
func (p *Policy) waiver(j *judgement, s *Subject, now time.Time, f *Finding) (best *Waiver) {
	for w, n := p.waivers.next(&s.Key, j.name(), 0); n >= 0; w, n = p.waivers.next(&s.Key, j.name(), n) {
		switch {
		case w.Expired(now) || !slices.Contains(w.Rules, f.Rule):
		case f.Rule == RuleAdvisories && len(w.Advisories) > 0 && !f.advisory.IsOneOf(w.Advisories):
		case best == nil || !best.Expires.IsZero() && (w.Expires.IsZero() || w.Expires.After(best.Expires)):
			best = w
		}
	}
	return best
}

// Expired reports whether w has expired.
func (w *Waiver) Expired(now time.Time) bool { return !w.Expires.IsZero() && !now.Before(w.Expires) }
