package registry

import (
	"strconv"
	"time"
)

// freshFor is how long a cache between the mirror and cargo may be behind about a version.
// cargo itself asks at every resolve.
const freshFor = time.Minute

// kept has the values of Cache-Control: how long caches between a mirror and its clients
// may keep each kind of resource.
type kept struct {
	who string // "public": any cache; "private": no shared cache

	// short is for resources that may change at any time.
	short []string
	// settled is for index lines at a commit, which do not change. They disappear if prune
	// removes their bytes; caches may be a day behind about that.
	settled []string
	// forGood is for bytes under a name that never changes its content.
	forGood []string
}

// newKept returns the rules for a mirror. Responses of a gated mirror are never kept
// permanently: what is served today may be hidden tomorrow. Shared caches must keep nothing
// of a private mirror, because they would serve it to clients without a token.
func newKept(gated, private bool) kept {
	k := kept{who: "public"}
	if private {
		k.who = "private"
	}
	k.short = k.of(", max-age=60")
	k.settled, k.forGood = k.of(", max-age=86400, immutable"), k.of(", max-age=31536000, immutable")
	if gated {
		k.settled, k.forGood = k.short, k.of(", no-cache") // caches revalidate, and get 304
	}
	return k
}

func (k *kept) of(rest string) []string { return []string{k.who + rest} }

// shortUntil returns the value for a resource that is valid until a time; zero: always.
func (k *kept) shortUntil(until, now time.Time) []string {
	if until.IsZero() || until.Sub(now) >= freshFor {
		return k.short
	}
	return k.of(", max-age=" + strconv.Itoa(int(max(0, until.Sub(now))/time.Second)))
}
