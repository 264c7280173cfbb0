package registry

import (
	"strconv"
	"time"
)

// freshFor is how much later than the mirror a cache between it and cargo may learn of a
// version. cargo itself asks at every resolve.
const freshFor = time.Minute

// kept is how long caches between a mirror and its clients may keep what, as values of
// Cache-Control.
type kept struct {
	who string // "public": any cache; "private": none that others share

	// short is for what changes at any time.
	short []string
	// settled is for what the index said at a commit, which does not change. Lines of it
	// leave when prune takes their bytes away; a day is how much later a cache may learn
	// of that.
	settled []string
	// forGood is for bytes under a name that no others ever have.
	forGood []string
}

// newKept returns the rules for a mirror. Answers of a gated one are never kept
// permanently: what is served today may be hidden tomorrow. Shared caches must keep
// nothing of a private one, since they would give it to clients without a token.
func newKept(gated, private bool) kept {
	k := kept{who: "public"}
	if private {
		k.who = "private"
	}
	k.short = k.of(", max-age=60")
	k.settled, k.forGood = k.of(", max-age=86400, immutable"), k.of(", max-age=31536000, immutable")
	if gated {
		k.settled, k.forGood = k.short, k.of(", no-cache") // asked for again, and answered 304
	}
	return k
}

func (k *kept) of(rest string) []string { return []string{k.who + rest} }

// shortUntil is short for what is right until a time; zero: always.
func (k *kept) shortUntil(until, now time.Time) []string {
	if until.IsZero() || until.Sub(now) >= freshFor {
		return k.short
	}
	return k.of(", max-age=" + strconv.Itoa(int(max(0, until.Sub(now))/time.Second)))
}
