package policy

import (
	"fmt"
	"strings"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/policy/advisory"
)

// Describe returns what p does, one line per rule, in the order of evaluation.
func (p *Policy) Describe() (lines []string) {
	say := func(rule string, m mode, format string, args ...any) {
		observed := ""
		if m.Observe {
			observed = ", observed only"
		}
		lines = append(lines, fmt.Sprintf("%-10s %s (%s%s)", rule, fmt.Sprintf(format, args...), m.Hidden, observed))
	}
	if n := p.deny.len(); n > 0 {
		lines = append(lines, fmt.Sprintf("%-10s %d of the file", RuleDeny, n))
	}
	if p.onlyAllowed != nil {
		say(RuleAllow, *p.onlyAllowed, "all but %d of the file", p.allow.len())
	}
	if r := p.advisories; r != nil {
		kinds := append([]string{}, r.kinds...)
		if r.min > advisory.None {
			kinds = append([]string{"severity " + r.min.String() + " and above"}, kinds...)
		} else {
			kinds = append([]string{"vulnerabilities"}, kinds...)
		}
		say(RuleAdvisories, r.mode, "%s; what is malicious is %s; %d advisories, the newest of %s",
			strings.Join(kinds, ", "), r.malicious, r.db.Len(), r.db.Newest().Format(time.DateOnly))
	}
	if p.yanked != nil {
		say(RuleYanked, *p.yanked, "what is yanked")
	}
	if r := p.age; r != nil {
		say(RuleAge, r.mode, "what is younger than %s, with %d exceptions", FormatAge(r.min), r.crates.len())
	}
	if r := p.licenses; r != nil {
		say(RuleLicenses, r.mode, "all but %d licences%s", len(r.allow), r.unknown())
	}
	if r := p.repository; r != nil {
		say(RuleRepository, r.mode, "what names no repository%s", r.unknown())
	}
	if r := p.owners; r != nil {
		say(RuleOwners, r.mode, "what was published within %s of a change of owners; %d crates had one", FormatAge(r.wait), len(r.changes))
	}
	return lines
}

func (r *factRule) unknown() string {
	if r.hideUnknown {
		return ", and what is not known"
	}
	return ""
}
