package sparse

import (
	"hash/fnv"
	"time"
)

// If something reports changes, a look requests those and a share of the rest. Each crate
// has its moment in every period, derived from its name, and a look requests the crates
// whose moment came since the previous look. So each is requested once per period, and a
// look requests roughly (time since the last) / period of them.
//
// In the same way, one in [wholeEvery] is requested unconditionally each time: this exposes
// an index that reports everything as unchanged.

// DefaultFullEvery is the default of [Observer.FullEvery].
const DefaultFullEvery = 6 * time.Hour

// wholeEvery is the number of periods until each file was requested unconditionally.
const wholeEvery = 64

// due reports whether the moment of a path in a period is after one time and not after another.
func due(path string, after, until time.Time, period time.Duration) bool {
	passed := until.Sub(after)
	if passed <= 0 || passed >= period {
		return passed > 0
	}
	h := fnv.New64a()
	h.Write([]byte(path))
	moment := time.Duration(h.Sum64() % uint64(period))
	next := (moment - time.Duration(after.UnixNano()%int64(period)) + period) % period
	if next == 0 {
		next = period
	}
	return next <= passed
}

// mine reports whether a file belongs to the share of this look.
func (l *look) mine(path string) bool { return due(path, l.was.Looked, l.begun, l.o.FullEvery) }

// whole reports whether this look requests a file unconditionally: one in wholeEvery each
// period, or all of them once the index was found to be wrong.
func (l *look) whole(path string) bool {
	if l.was.Looked.IsZero() {
		return false // everything is or was requested unconditionally
	}
	period := wholeEvery * l.o.FullEvery
	if l.next.Lied.Add(period).After(l.begun) {
		period = l.o.FullEvery
	}
	return due("whole "+path, later(l.was.Looked, l.begun.Add(-l.o.FullEvery)), l.begun, period)
}
