package advisory

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/semver"
)

// maxRanges bounds the requirements, events and versions of one advisory.
const maxRanges = 10_000

// ranges are the versions that an advisory affects.
type ranges struct {
	all    bool     // except the safe ones
	safe   []span   // RustSec: patched and unaffected
	bad    []span   // OSV: from the version that introduced it to the one that fixed it
	listed []string // OSV: versions, sorted
}

func (r *ranges) have(text string, v *semver.Version) bool {
	if r.all {
		return !within(r.safe, v)
	}
	if _, found := slices.BinarySearch(r.listed, text); found {
		return true
	}
	return within(r.bad, v)
}

func within(spans []span, v *semver.Version) bool {
	for i := range spans {
		if spans[i].has(v) {
			return true
		}
	}
	return false
}

// A span is an interval in the order of versions, which ignores build metadata.
type span struct{ low, high bound }

// A bound is an end of a span. The zero bound is no limit.
type bound struct {
	semver.Version
	set, inclusive bool
}

func (s *span) has(v *semver.Version) bool {
	plain := *v
	plain.Build = ""
	if s.low.set {
		if c := plain.Compare(s.low.Version); c < 0 || c == 0 && !s.low.inclusive {
			return false
		}
	}
	if s.high.set {
		if c := plain.Compare(s.high.Version); c > 0 || c == 0 && !s.high.inclusive {
			return false
		}
	}
	return true
}

// parseSpan parses a requirement as the crate rustsec does: at most one bound of each kind,
// and missing numbers are zero.
func parseSpan(req string) (s span, err error) {
	for part := range strings.SplitSeq(req, ",") {
		part = strings.TrimSpace(part)
		if part == "*" {
			continue
		}
		digits := strings.TrimLeft(part, "<>=~^ ")
		op := strings.TrimSpace(part[:len(part)-len(digits)])
		v, given, err := partial(digits)
		if err != nil {
			return s, fmt.Errorf("requirement %.80q: %w", req, err)
		}
		if !s.narrow(op, v, given) {
			return s, fmt.Errorf("requirement %.80q: want one operator of >, >=, <, <=, =, ^ and ~ for each end", req)
		}
	}
	return s, nil
}

// partial parses a version whose last numbers may be missing, and returns the number of those
// present.
func partial(text string) (v semver.Version, given int, err error) {
	numbers, _, _ := strings.Cut(text, "-")
	numbers, _, _ = strings.Cut(numbers, "+")
	given = strings.Count(numbers, ".") + 1
	if given < 3 {
		text += strings.Repeat(".0", 3-given)
	}
	v, err = semver.Parse(text)
	v.Build = ""
	return v, given, err
}

// narrow sets the bounds from one comparator. It reports whether the comparator is valid.
func (s *span) narrow(op string, v semver.Version, given int) bool {
	low, high := bound{}, bound{}
	switch op {
	case ">":
		low = bound{v, true, false}
	case ">=":
		low = bound{v, true, true}
	case "<":
		high = bound{v, true, false}
	case "<=":
		high = bound{v, true, true}
	case "=":
		low, high = bound{v, true, true}, bound{v, true, true}
	case "^", "":
		low, high = bound{v, true, true}, after(v, caretDigits(v, given))
	case "~":
		low, high = bound{v, true, true}, after(v, min(given, 2))
	default:
		return false
	}
	if low.set && s.low.set || high.set && s.high.set {
		return false
	}
	if low.set {
		s.low = low
	}
	if high.set {
		s.high = high
	}
	return true
}

// caretDigits returns how many numbers a caret holds fixed.
func caretDigits(v semver.Version, given int) int {
	switch {
	case v.Major > 0 || given == 1:
		return 1
	case v.Minor > 0 || given == 2:
		return 2
	}
	return 3
}

// after returns the bound before the first version, including pre-releases, whose first n
// numbers differ from those of v.
func after(v semver.Version, n int) bound {
	next := semver.Version{Major: v.Major, Pre: "0"}
	switch n {
	case 1:
		next.Major++
	case 2:
		next.Minor = v.Minor + 1
	default:
		next.Minor, next.Patch = v.Minor, v.Patch+1
	}
	return bound{next, true, false}
}

// An event is an event of an OSV range: the affected versions begin or end there.
type event struct {
	at    semver.Version
	begin bool // introduced
	last  bool // last_affected: they end after it
}

// spansOf converts the events of a range, in the order of versions.
func spansOf(events []event) (spans []span) {
	slices.SortStableFunc(events, func(a, b event) int {
		order := 0
		if a.begin != b.begin { // a span that begins where another ends continues it
			order = 1
			if b.begin {
				order = -1
			}
		}
		return cmp.Or(a.at.Compare(b.at), order)
	})
	open := false
	for _, e := range events {
		switch {
		case e.begin && !open:
			spans = append(spans, span{low: bound{e.at, true, true}})
			open = true
		case !e.begin && open:
			spans[len(spans)-1].high = bound{e.at, true, e.last}
			open = false
		}
	}
	return spans
}
