// Package policy decides which versions of a mirror are visible to builds. A mirror holds
// everything; a policy, read from one TOML file ([Load]), hides some versions when the mirror
// is served or exported: versions that are too young, denied by name, named by an advisory,
// or under a licence that is not allowed.
//
// The package knows neither HTTP nor the folders of a mirror. The caller of [Policy.Judge]
// provides what it knows of a version, a [Subject]. If a rule needs something unknown, it
// hides the version, unless the file says otherwise.
//
// # Order
//
// All rules are evaluated. The strictest result applies, and of equally strict ones the first
// in this order: deny, allow, advisories, yanked, age, licenses, repository, owners. A waiver
// overrides the rules that it names for the versions that it names, and nothing else. A rule
// that only observes hides nothing; [Decision.Observed] reports its result.
//
// A policy can hide visible versions, but never show versions that are hidden for another
// reason: it only judges lines that a mirror would serve.
//
// docs/policy.md explains the file format by example.
package policy

import (
	"fmt"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
)

// A Visibility is how visible a version is. A greater value is stricter.
type Visibility uint8

const (
	// Shown: the index has its line, and its bytes can be downloaded.
	Shown Visibility = iota
	// ResolveOnly: the index does not have its line, so that cargo does not choose it, but
	// builds with it in their lock file can download it.
	ResolveOnly
	// Denied: neither.
	Denied
)

// visibilities are the names in the file.
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

// Names of the rules in the file, in decisions and in metrics.
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

// Rules lists all rules in the order of evaluation.
var Rules = []string{RuleDeny, RuleAllow, RuleAdvisories, RuleYanked, RuleAge, RuleLicenses, RuleRepository, RuleOwners}

// A Subject is what is known of a version to judge.
type Subject struct {
	crate.Key
	// Published is the pubtime of its line, according to upstream; zero if the line has
	// none.
	Published time.Time
	// Seen is the time of publication according to the history of the index.
	Seen Seen
	// Replaced is the time at which these bytes replaced others of the same version, or
	// zero if that is not known to have happened.
	Replaced time.Time
	Yanked   bool
	// Facts are from its Cargo.toml; nil: unknown. They are only needed if [Needs.Facts] is
	// set.
	Facts *Facts
}

// Seen is when the index began to name a version with its checksum. Zero: unknown.
type Seen struct {
	// First is the time of the first commit that names it.
	First time.Time
	// After is the time of the previous commit, which does not name it. Zero: the known
	// history begins with First, and the version may be older.
	After time.Time
}

// Facts are statements from a crate's Cargo.toml.
type Facts struct {
	License     string `json:"license,omitempty"`      // an SPDX expression, if its author knew
	LicenseFile string `json:"license_file,omitempty"` // in the crate, instead of an expression
	Repository  string `json:"repository,omitempty"`   // an address, as its author wrote it
}

// Needs says what a policy must know of its subjects; providing it has a cost.
type Needs struct {
	Facts  bool // Subject.Facts
	Yanked bool // Subject.Yanked
	// Seen is how far back Subject.Seen is useful: the age rule does not hide versions that
	// the history of the index shows to be older. Zero: no rule uses Subject.Seen or
	// Subject.Published.
	Seen time.Duration
}

// A Decision is the result of a policy for a version at a time.
type Decision struct {
	Visibility Visibility `json:"visibility"`
	// Rule and Reason say why it is hidden, in words for a person whose build lacks it. For
	// a visible version they are empty, unless Waiver or Observed is set.
	Rule   string `json:"rule,omitempty"`
	Reason string `json:"reason,omitempty"`
	// Since is when the reason began to apply, and Until when it ends by itself. Zero:
	// unknown, or never.
	Since time.Time `json:"since,omitzero"`
	Until time.Time `json:"until,omitzero"`
	// Waiver is why it is visible despite Rule.
	Waiver *Waiver `json:"waiver,omitempty"`
	// Observed: it is visible because Rule only observes.
	Observed bool `json:"observed,omitempty"`
	// Next is the next time at which the decision may change by the passing of time alone.
	// Zero: never.
	Next time.Time `json:"next,omitzero"`
}

// A Waiver overrides some rules for some versions, for a limited time.
type Waiver struct {
	Selector   Selector  `json:"selector"`
	Rules      []string  `json:"rules"`                // the rules that it overrides
	Advisories []string  `json:"advisories,omitempty"` // of RuleAdvisories, these alone; empty: all
	Reason     string    `json:"reason"`
	By         string    `json:"by"`
	Expires    time.Time `json:"expires,omitzero"` // zero: never
	Line       int       `json:"line"`             // in the file
}

// A Policy is a policy file with the advisories that it names. Its methods may be called
// concurrently.
type Policy struct {
	Name    string // of the file
	Contact string // how to ask for a hidden version; empty: unknown

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

// A mode is what a rule does with its findings.
type mode struct {
	Hidden  Visibility // ResolveOnly or Denied
	Observe bool       // it hides nothing
}

// Needs returns what p must know of its subjects.
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
