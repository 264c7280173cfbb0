package news

import (
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/reader"
)

// patience is how long more may be held than was waited for before the feed says that it
// has a gap: the catalog and the index of a mirror change one after the other.
const patience = time.Minute

// A tally compares how many versions a mirror holds with how many came that were waited
// for. There are others where a mirror is served while it is being filled, where more was
// new at once than is waited for, and where a version comes after a day.
type tally struct {
	begun     bool
	held      int64     // when it began
	came      int64     // since then
	exceeding time.Time // since when more is held than that; zero: not
}

// gap says, once, that versions came that nothing waited for.
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
