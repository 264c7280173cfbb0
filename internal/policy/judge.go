package policy

import (
	"slices"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/policy/advisory"
)

// A Finding is what one rule says of a version.
type Finding struct {
	Decision
	// Advisory is the id of the one that RuleAdvisories is about.
	Advisory string `json:"advisory,omitempty"`
	advisory *advisory.Advisory
	// Hides is how much the rule hides, whether a waiver takes that back or it only
	// observes.
	Hides Visibility `json:"hides"`
}

// Judge decides how much of a version is seen. It does not allocate for one that no rule
// finds anything wrong with.
func (p *Policy) Judge(s *Subject, now time.Time) Decision {
	var j judgement
	j.judge(p, s, now)
	j.decision.Next = j.next
	return j.decision
}

// Explain returns what each rule says that finds something, in the order in which they
// are asked, and the decision that is made of it.
func (p *Policy) Explain(s *Subject, now time.Time) (Decision, []Finding) {
	j := judgement{explain: true}
	j.judge(p, s, now)
	j.decision.Next = j.next
	return j.decision, j.findings
}

// A judgement is one on its way.
type judgement struct {
	decision Decision
	next     time.Time
	explain  bool
	findings []Finding
	buf      [crate.MaxName]byte
	length   int // of the name in it
}

// name is that of the crate, folded.
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

// found takes in what a rule says.
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

// changes says that the decision may be another one at t.
func (j *judgement) changes(t, now time.Time) {
	if t.After(now) && (j.next.IsZero() || t.Before(j.next)) {
		j.next = t
	}
}

// waiver returns the one that takes back what a rule says. Of several it is the one that
// lasts longest.
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

// Expired reports whether w is of no use any more.
func (w *Waiver) Expired(now time.Time) bool { return !w.Expires.IsZero() && !now.Before(w.Expires) }
