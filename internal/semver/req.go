package semver

import (
	"errors"
	"fmt"
	"strings"
)

// maxComparators is cargo's limit for a requirement.
const maxComparators = 32

// A Req is a requirement on a version. The zero Req is "*".
type Req struct {
	comparators []comparator // all must match
}

// An op is the operator of a comparator.
type op uint8

const (
	exact op = iota
	greater
	greaterEq
	less
	lessEq
	tilde
	caret
	wildcard
)

// A comparator is one operator and one version, whose minor and patch numbers
// may be missing.
type comparator struct {
	op
	version   Version // without build metadata
	precision int     // how many of the three numbers are present
}

// ParseReq parses a requirement in the syntax of Cargo.toml and of the index.
func ParseReq(s string) (Req, error) {
	r, err := parseReq(s)
	if err != nil {
		return Req{}, fmt.Errorf("parsing version requirement %.80q: %w", s, err)
	}
	return r, nil
}

func parseReq(s string) (Req, error) {
	p := parser{rest: strings.TrimLeft(s, " ")}
	if p.wildcard() {
		if strings.TrimLeft(p.rest, " ") != "" {
			return Req{}, errors.New("something follows the wildcard, which must be alone")
		}
		return Req{}, nil
	}
	var r Req
	for more := true; more; {
		if len(r.comparators) == maxComparators {
			return Req{}, fmt.Errorf("more than %d comparators", maxComparators)
		}
		r.comparators = append(r.comparators, p.comparator())
		p.spaces()
		more = p.take(",")
		p.spaces()
	}
	if p.err == nil && p.rest != "" {
		p.err = fmt.Errorf("want a comma or the end, not %.20q", p.rest)
	}
	return r, p.err
}

func (p *parser) spaces() { p.rest = strings.TrimLeft(p.rest, " ") }

func (p *parser) wildcard() bool { return p.take("*") || p.take("x") || p.take("X") }

// operators lists longer ones before their prefixes.
var operators = []struct {
	text string
	op
}{{"=", exact}, {">=", greaterEq}, {">", greater}, {"<=", lessEq}, {"<", less}, {"~", tilde}, {"^", caret}}

func (p *parser) comparator() comparator {
	c := comparator{op: caret, precision: 1}
	named := false
	for _, o := range operators {
		if named = p.take(o.text); named {
			c.op = o.op
			break
		}
	}
	p.spaces()
	c.version.Major = p.number("major")
	wild := false
	if p.take(".") {
		if wild = p.wildcard(); !wild {
			c.version.Minor, c.precision = p.number("minor"), 2
		}
		if p.take(".") {
			switch {
			case p.wildcard():
				wild = true
			case wild:
				p.fail("a number follows a wildcard")
			default:
				c.version.Patch, c.precision = p.number("patch"), 3
			}
		}
	}
	if wild && !named {
		c.op = wildcard
	}
	if c.precision == 3 {
		c.version.Pre = p.optional('-', "pre-release")
		p.optional('+', "build metadata")
	}
	return c
}

// Matches reports whether v satisfies r.
func (r Req) Matches(v Version) bool {
	for i := range r.comparators {
		if !r.comparators[i].matches(v) {
			return false
		}
	}
	return v.Pre == "" || r.names(v)
}

// Includes reports whether v satisfies r by its position in the order of versions alone: a
// pre-release matches without being named. It accepts everything that Matches accepts, and
// more: it is for callers that exclude versions.
func (r Req) Includes(v Version) bool {
	for i := range r.comparators {
		c := &r.comparators[i]
		release := v
		if c.precision < 3 {
			release.Pre = ""
		}
		below := c.op == less && v.Compare(c.version) < 0 // 1.2.0-rc.1 is below 1.2
		if !below && !c.matches(v) && !c.matches(release) {
			return false
		}
	}
	return true
}

// names reports whether a comparator names a pre-release with v's numbers.
func (r Req) names(v Version) bool {
	for i := range r.comparators {
		c := &r.comparators[i]
		w := &c.version
		if w.Pre != "" && w.Major == v.Major && w.Minor == v.Minor && w.Patch == v.Patch {
			return true
		}
	}
	return false
}

func (c *comparator) matches(v Version) bool {
	order := c.order(v)
	// A pre-release neither equals a version with missing parts, nor is it below it.
	equal := order == 0 && (c.precision == 3 || v.Pre == "")
	switch c.op {
	case greater:
		return order > 0
	case greaterEq:
		return order > 0 || equal
	case less:
		return order < 0
	case lessEq:
		return order < 0 || equal
	case tilde:
		return (order > 0 || equal) && c.begins(v, min(c.precision, 2))
	case caret:
		return order >= 0 && c.begins(v, c.caretDigits())
	default: // exact, wildcard
		return equal
	}
}

// order compares v with c in the numbers that c has, and in the pre-release if c has all of
// them.
func (c *comparator) order(v Version) int {
	v.Build = ""
	if c.precision < 3 {
		v.Patch, v.Pre = 0, ""
	}
	if c.precision < 2 {
		v.Minor = 0
	}
	return v.Compare(c.version)
}

// begins reports whether v's first n numbers are those of c.
func (c *comparator) begins(v Version, n int) bool {
	w := &c.version
	return v.Major == w.Major && (n < 2 || v.Minor == w.Minor) && (n < 3 || v.Patch == w.Patch)
}

// caretDigits returns how many numbers the caret holds fixed: those up to the first that is
// not zero, as far as they are present.
func (c *comparator) caretDigits() int {
	switch {
	case c.version.Major > 0 || c.precision == 1:
		return 1
	case c.version.Minor > 0 || c.precision == 2:
		return 2
	}
	return 3
}
