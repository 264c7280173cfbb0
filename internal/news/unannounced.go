package news

import (
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/reader"
)

// patience is how long more versions than expected may be held before the feed says that it
// has a gap: the catalog and the index of a mirror change one after the other.
const patience = time.Minute

// A tally compares the number of versions that a mirror holds with the number of expected
// ones that arrived. They differ if a mirror is served while it is being filled, if more
// was new at once than Arrivals has room for, and if a version arrives after a day.
type tally struct {
	begun     bool
	held      int64     // at the beginning
	came      int64     // since then
	exceeding time.Time // since when more is held than that; zero: it is not
}

// gap reports, once, that unexpected versions have arrived.
func (t *tally) gap(now reader.Totals, at time.Time) bool {
	switch {
	case !now.Counted:
		return false
	case !t.begun:
		*t = tally{begun: true, held: now.Versions}
	case now.Versions <= t.held+t.came:
		t.exceeding = time.Time{}
	case t.exceeding.IsZero():
		t.exceeding = at
	case at.Sub(t.exceeding) > patience:
		*t = tally{begun: true, held: now.Versions}
		return true
	}
	return false
}
