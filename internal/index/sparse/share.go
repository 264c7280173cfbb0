package sparse

import (
	"hash/fnv"
	"time"
)

// Where something says what has changed, a look asks for that and for a share of all the
// rest: each crate has its moment in every period, which its name decides, and a look
// asks for those whose moment came since the look before. So all are asked for once a
// period, and a look asks for (time since the last) / period of them, more or less.
//
// In the same way one in [wholeEvery] is asked for whole each time, without saying what
// is here: an index that says "not changed" of everything is found out by that.

// DefaultFullEvery is [Observer.FullEvery] if that is zero.
const DefaultFullEvery = 6 * time.Hour

// wholeEvery is how many periods pass until each file was asked for whole.
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

// whole reports whether a file is asked for whole in this look, whatever is here: one in
// wholeEvery each period, or all of them once the index was found out.
func (l *look) whole(path string) bool {
	if l.was.Looked.IsZero() {
		return false // all of it comes as it is, or came so
	}
	period := wholeEvery * l.o.FullEvery
	if l.next.Lied.Add(period).After(l.begun) {
		period = l.o.FullEvery
	}
	return due("whole "+path, later(l.was.Looked, l.begun.Add(-l.o.FullEvery)), l.begun, period)
}
