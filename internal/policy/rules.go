package policy

import (
	"fmt"
	"time"
)

// An entry is an item of the deny list or the allow list.
type entry struct {
	Selector
	mode   // of a deny entry
	Reason string
	Line   int // in the file
}

func (p *Policy) judgeDeny(j *judgement, s *Subject, now time.Time) {
	for e, n := p.deny.next(&s.Key, j.name(), 0); n >= 0; e, n = p.deny.next(&s.Key, j.name(), n) {
		reason := e.Reason
		if reason == "" {
			reason = "the policy denies " + e.String()
		}
		j.found(p, s, now, e.mode, Finding{Decision: Decision{Rule: RuleDeny, Reason: reason}})
	}
}

func (p *Policy) judgeAllow(j *judgement, s *Subject, now time.Time) {
	if p.onlyAllowed == nil {
		return
	}
	if _, n := p.allow.next(&s.Key, j.name(), 0); n < 0 {
		j.found(p, s, now, *p.onlyAllowed, Finding{Decision: Decision{
			Rule: RuleAllow, Reason: "the policy allows some versions alone, and this is none of them"}})
	}
}

func (p *Policy) judgeYanked(j *judgement, s *Subject, now time.Time) {
	if p.yanked != nil && s.Yanked {
		j.found(p, s, now, *p.yanked, Finding{Decision: Decision{Rule: RuleYanked, Reason: "its author has yanked it"}})
	}
}

// An ageRule hides versions younger than a minimum.
type ageRule struct {
	mode
	min    time.Duration
	crates selectors[time.Duration] // minimums for some crates
	most   time.Duration
}

// longest returns the longest minimum age for any version.
func (r *ageRule) longest() time.Duration { return max(r.min, r.most) }

func (p *Policy) judgeAge(j *judgement, s *Subject, now time.Time) {
	if p.age == nil {
		return
	}
	least := p.age.min
	if d, n := p.age.crates.next(&s.Key, j.name(), 0); n >= 0 {
		least = d
	}
	if least == 0 {
		return
	}
	from, known := s.born()
	if !known {
		j.found(p, s, now, p.age.mode, Finding{Decision: Decision{Rule: RuleAge,
			Reason: "it is not known when it was published: its line has no pubtime, and the history of the index does not say it"}})
		return
	}
	if until := from.Add(least); now.Before(until) {
		j.found(p, s, now, p.age.mode, Finding{Decision: Decision{Rule: RuleAge, Since: from, Until: until,
			Reason: fmt.Sprintf("it is younger than %s: published %s", FormatAge(least), from.UTC().Format(time.RFC3339))}})
	}
}

// born returns the time from which the age of a version counts. The pubtime from upstream
// counts if the history of the index agrees or says nothing: a version was published
// between the last commit that does not name it and the first that does. New bytes for the
// same version start again.
func (s *Subject) born() (from time.Time, known bool) {
	from = s.Published
	first := s.Seen.First
	forged := !s.Seen.After.IsZero() && (from.After(first) || !from.After(s.Seen.After))
	if !first.IsZero() && (from.IsZero() || forged) {
		from = first
	}
	if from.IsZero() {
		return from, false
	}
	if s.Replaced.After(from) {
		from = s.Replaced
	}
	return from, true
}

// FormatAge formats a minimum age as in the file.
func FormatAge(d time.Duration) string {
	const day = 24 * time.Hour
	switch {
	case d > 0 && d%day == 0:
		return fmt.Sprintf("%dd", d/day)
	case d > 0 && d%time.Hour == 0:
		return fmt.Sprintf("%dh", d/time.Hour)
	}
	return d.String()
}
