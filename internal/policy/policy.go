// Package policy decides which versions of a mirror builds may see. A mirror holds
// everything; a policy, read from one TOML file ([Load]), hides some of it from those who
// are served or exported to: versions that are too young, denied by name, named by an
// advisory, under a licence that is not cleared.
//
// It knows neither HTTP nor the folders of a mirror. The caller of [Policy.Judge] brings
// what is known of a version, a [Subject]; what a rule needs and is not known hides the
// version, unless the file says otherwise.
//
// # Order
//
// Every rule is asked. The strictest answer holds, and of several that are equally strict
// the first, in this order: deny, allow, advisories, yanked, age, licenses, repository,
// owners. A waiver takes back what the rules that it names say of the versions that it
// names, and nothing else. A rule that only observes hides nothing: its answer is reported in
// [Decision.Observed].
//
// A policy can hide what is shown and never show what is hidden for another reason: it is
// asked of lines that a mirror would serve.
//
// docs/policy.md is the file format by example.
package policy

import (
	"fmt"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
)

// A Visibility is how much of a version is seen. The greater is the stricter.
type Visibility uint8

const (
	// Shown: its line is in the index, its bytes can be had.
	Shown Visibility = iota
	// ResolveOnly: its line is not in the index, so that no resolution takes it, but who
	// has it in a lock file can have its bytes.
	ResolveOnly
	// Denied: neither.
	Denied
)

// visibilities are the words of the file.
var visibilities = [...]string{"shown", "resolve-only", "denied"}

func (v Visibility) String() string { return visibilities[v] }

// MarshalText implements [encoding.TextMarshaler].
func (v Visibility) MarshalText() ([]byte, error) { return []byte(v.String()), nil }

// UnmarshalText implements [encoding.TextUnmarshaler].
func (v *Visibility) UnmarshalText(text []byte) error {
	for i, word := range visibilities {
		if string(text) == word {
			*v = Visibility(i)
			return nil
		}
	}
	return fmt.Errorf("visibility %.40q: want shown, resolve-only or denied", text)
}

// The rules, as they are called in the file, in decisions and in metrics.
const (
	RuleDeny       = "deny"
	RuleAllow      = "allow"
	RuleAdvisories = "advisories"
	RuleYanked     = "yanked"
	RuleAge        = "age"
	RuleLicenses   = "licenses"
	RuleRepository = "repository"
	RuleOwners     = "owners"
)

// Rules are all of them, in the order in which they are asked.
var Rules = []string{RuleDeny, RuleAllow, RuleAdvisories, RuleYanked, RuleAge, RuleLicenses, RuleRepository, RuleOwners}

// A Subject is what is known of a version that is judged.
type Subject struct {
	crate.Key
	// Published is the pubtime of its line, zero if the line has none. It is what
	// upstream says.
	Published time.Time
	// Seen is what the history of the index says of the same: see [Seen].
	Seen Seen
	// Replaced is when these bytes took the place of others of the same version, zero if
	// that is not known to have happened.
	Replaced time.Time
	Yanked   bool
	// Facts of its Cargo.toml; nil: not known. They are asked for where
	// [Needs.Facts] is set alone.
	Facts *Facts
}

// Seen is when the index began to name a version with its checksum. Zero: not known.
type Seen struct {
	// First is the time of the first commit that names it.
	First time.Time
	// After is the time of the commit before that, which does not. Zero: what is known of
	// the history begins with First, and the version may be older than that.
	After time.Time
}

// Facts are what a crate says of itself.
type Facts struct {
	License     string `json:"license,omitempty"`      // an SPDX expression, if its author knew
	LicenseFile string `json:"license_file,omitempty"` // in the crate, instead of an expression
	Repository  string `json:"repository,omitempty"`   // an address, as its author wrote it
}

// Needs says what a policy has to be told of its subjects, since it costs something.
type Needs struct {
	Facts  bool // Subject.Facts
	Yanked bool // Subject.Yanked
	// Seen is how far back Subject.Seen is of use: what is older than that by the
	// history of the index is not hidden for its age. Zero: no rule asks when a version
	// came, by that or by Subject.Published.
	Seen time.Duration
}

// A Decision is what a policy says of a version at an instant.
type Decision struct {
	Visibility Visibility `json:"visibility"`
	// Rule and Reason say why it is not shown, in words for the person whose build misses
	// it. Of a version that is shown they are empty, but with Waiver, and with Observed.
	Rule   string `json:"rule,omitempty"`
	Reason string `json:"reason,omitempty"`
	// Since is when the reason began to hold, Until when it ends by itself. Zero: not known,
	// and it does not.
	Since time.Time `json:"since,omitzero"`
	Until time.Time `json:"until,omitzero"`
	// Waiver is why it is shown although Rule says otherwise.
	Waiver *Waiver `json:"waiver,omitempty"`
	// Observed: it is shown because Rule only observes.
	Observed bool `json:"observed,omitempty"`
	// Next is when the passing of time alone may make another decision of this one. Zero:
	// never.
	Next time.Time `json:"next,omitzero"`
}

// A Waiver takes back what some rules say of some versions, for a while.
type Waiver struct {
	Selector   Selector  `json:"selector"`
	Rules      []string  `json:"rules"`                // those that it takes back
	Advisories []string  `json:"advisories,omitempty"` // of RuleAdvisories, these alone; empty: all
	Reason     string    `json:"reason"`
	By         string    `json:"by"`
	Expires    time.Time `json:"expires,omitzero"` // zero: never
	Line       int       `json:"line"`             // in the file
}

// A Policy is a file with the advisories that it names. Its methods may be called
// concurrently.
type Policy struct {
	Name    string // of the file
	Contact string // how to ask for a version, for those who miss one; empty: it does not say

	deny, allow selectors[*entry]
	onlyAllowed *mode // nil: there is no allow list
	advisories  *advisoryRule
	yanked      *mode
	age         *ageRule
	licenses    *licenseRule
	repository  *factRule
	owners      *ownerRule
	waivers     selectors[*Waiver]
	listed      []*Waiver // in the order of the file
}

// A mode is what a rule does with what it finds.
type mode struct {
	Hidden  Visibility // ResolveOnly or Denied
	Observe bool       // it hides nothing
}

// Needs says what p has to be told of its subjects.
func (p *Policy) Needs() Needs {
	n := Needs{Facts: p.licenses != nil || p.repository != nil, Yanked: p.yanked != nil}
	if p.age != nil {
		n.Seen = p.age.longest()
	}
	if p.owners != nil {
		n.Seen = max(n.Seen, p.owners.wait)
	}
	return n
}
