// Package semver compares versions and matches requirements exactly as cargo does, with the
// rules of the Rust crate semver 1: a version that cargo accepts but we do not would be
// missing from a mirror. It imports none of our packages.
//
// # Requirements
//
// A requirement has up to 32 comparators, separated by commas, which must all match; "*"
// alone matches every release. A comparator is an operator and a version whose last parts
// may be missing:
//
//	^1.2.3, 1.2.3   from 1.2.3 to below 2; ^0.2.3 to below 0.3, ^0.0.3 to below 0.0.4
//	~1.2.3          from 1.2.3 to below 1.3
//	=1.2.3, =1.2    exactly that version, or all that begin with it
//	>, >=, <, <=    as usual; a missing part matches any number
//	1.*, 1.2.*      all that begin with it
//
// A pre-release matches only if a comparator names a pre-release with the same three
// numbers. Build metadata is ignored, but orders otherwise equal versions.
//
// We found no Go library that does the same: Masterminds/semver treats carets, pre-releases
// and commas differently, deps.dev/util/semver is close but differs for 20 requirements of
// testdata/golden, and x/mod/semver has no requirements. testdata/golden has the results of
// the Rust crate.
package semver

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"strings"
)

// A Version is a semantic version 2.0 as cargo parses it.
type Version struct {
	Major, Minor, Patch uint64
	Pre, Build          string // without "-" and "+"; empty: none
}

// Parse parses a full version. As in cargo, a number beyond 64 bits is an error.
func Parse(s string) (Version, error) {
	var v Version
	p := parser{rest: s}
	v.Major = p.number("major")
	p.dot("major")
	v.Minor = p.number("minor")
	p.dot("minor")
	v.Patch = p.number("patch")
	v.Pre = p.optional('-', "pre-release")
	v.Build = p.optional('+', "build metadata")
	if p.err == nil && p.rest != "" {
		p.err = fmt.Errorf("unexpected %.20q after the version", p.rest)
	}
	if p.err != nil {
		return Version{}, fmt.Errorf("parsing version %.80q: %w", s, p.err)
	}
	return v, nil
}

// String returns the text for Parse.
func (v Version) String() string {
	s := fmt.Sprintf("%d.%d.%d", v.Major, v.Minor, v.Patch)
	if v.Pre != "" {
		s += "-" + v.Pre
	}
	if v.Build != "" {
		s += "+" + v.Build
	}
	return s
}

// Compare orders versions by precedence, and versions of equal precedence by their build
// metadata, so that only equal versions compare as 0.
func (v Version) Compare(w Version) int {
	return cmp.Or(
		cmp.Compare(v.Major, w.Major), cmp.Compare(v.Minor, w.Minor), cmp.Compare(v.Patch, w.Patch),
		comparePre(v.Pre, w.Pre),
		compareDotted(v.Build, w.Build),
	)
}

// CompareText is Compare for two unparsed versions. Invalid versions, including those with
// a number beyond 64 bits, come before all valid ones.
func CompareText(a, b string) int {
	v, errV := Parse(a)
	w, errW := Parse(b)
	switch {
	case errV != nil && errW != nil:
		return strings.Compare(a, b)
	case errV != nil:
		return -1
	case errW != nil:
		return 1
	}
	return v.Compare(w)
}

func comparePre(a, b string) int {
	switch {
	case a == b:
		return 0
	case a == "": // a release comes after its pre-releases
		return 1
	case b == "":
		return -1
	}
	return compareDotted(a, b)
}

// compareDotted compares identifier by identifier: numbers numerically and before words,
// and a prefix before the longer one.
func compareDotted(a, b string) int {
	for a != b {
		if a == "" {
			return -1
		}
		if b == "" {
			return 1
		}
		var x, y string
		x, a, _ = strings.Cut(a, ".")
		y, b, _ = strings.Cut(b, ".")
		if c := compareIdentifiers(x, y); c != 0 {
			return c
		}
	}
	return 0
}

// compareIdentifiers also orders numbers with leading zeros, which only build metadata may
// have: 0 < 00 < 1 < 01.
func compareIdentifiers(x, y string) int {
	switch xn, yn := isNumber(x), isNumber(y); {
	case xn && yn:
		xv, yv := strings.TrimLeft(x, "0"), strings.TrimLeft(y, "0")
		return cmp.Or(cmp.Compare(len(xv), len(yv)), strings.Compare(xv, yv), cmp.Compare(len(x), len(y)))
	case xn:
		return -1
	case yn:
		return 1
	}
	return strings.Compare(x, y)
}

func isNumber(s string) bool { return strings.Trim(s, "0123456789") == "" }

// A parser parses a version from the left. After an error it parses nothing more.
type parser struct {
	rest string
	err  error
}

func (p *parser) fail(format string, args ...any) {
	if p.err == nil {
		p.err = fmt.Errorf(format, args...)
	}
}

// take consumes prefix, if it is next.
func (p *parser) take(prefix string) bool {
	rest, found := strings.CutPrefix(p.rest, prefix)
	if found && p.err == nil {
		p.rest = rest
	}
	return found && p.err == nil
}

func (p *parser) dot(after string) {
	if !p.take(".") {
		p.fail("want a dot after the %s number", after)
	}
}

// number consumes a number of 64 bits without leading zeros.
func (p *parser) number(which string) uint64 {
	n := len(p.rest) - len(strings.TrimLeft(p.rest, "0123456789"))
	digits := p.rest[:n]
	switch {
	case p.err != nil:
		return 0
	case n == 0:
		p.fail("want the %s number, not %.20q", which, p.rest)
		return 0
	case n > 1 && digits[0] == '0':
		p.fail("the %s number has a leading zero", which)
		return 0
	}
	var value uint64
	for i := range n {
		d := uint64(digits[i] - '0')
		if value > (math.MaxUint64-d)/10 {
			p.fail("the %s number is beyond 64 bits", which)
			return 0
		}
		value = value*10 + d
	}
	p.rest = p.rest[n:]
	return value
}

// optional consumes the identifiers after mark, if that is next.
func (p *parser) optional(mark byte, what string) string {
	if !p.take(string(mark)) {
		return ""
	}
	n := strings.IndexFunc(p.rest, func(r rune) bool { return r != '.' && r != '-' && !isAlnum(r) })
	if n < 0 {
		n = len(p.rest)
	}
	text := p.rest[:n]
	for identifier := range strings.SplitSeq(text, ".") {
		if err := checkIdentifier(identifier, mark == '-'); err != nil {
			p.fail("%s %.40q: %w", what, text, err)
			return ""
		}
	}
	p.rest = p.rest[n:]
	return text
}

func checkIdentifier(s string, pre bool) error {
	if s == "" {
		return errors.New("an identifier is empty")
	}
	if pre && len(s) > 1 && s[0] == '0' && isNumber(s) {
		return errors.New("a number has a leading zero")
	}
	return nil
}

func isAlnum(r rune) bool {
	return 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9'
}
