package status

import (
	"errors"
	"testing"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/runstate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/verdict"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/verify"
)

func TestCheck(t *testing.T) {
	now := time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC)
	hour := func(n int) time.Time { return now.Add(time.Duration(-n) * time.Hour) }
	ran := func(change func(*runstate.State)) *runstate.State {
		r := &runstate.State{RoundEnded: hour(1), SucceededAt: hour(1), Ended: hour(1)}
		change(r)
		return r
	}
	well := ran(func(*runstate.State) {})
	for name, tt := range map[string]struct {
		mirror                Mirror
		incomplete, integrity bool
	}{
		"well":           {Mirror{Run: well}, false, false},
		"no round":       {Mirror{}, true, false},
		"never complete": {Mirror{Run: ran(func(r *runstate.State) { r.SucceededAt = time.Time{} })}, true, false},
		"long ago":       {Mirror{Run: ran(func(r *runstate.State) { r.SucceededAt = hour(27) })}, true, false},
		"a last round not complete, one before was": {Mirror{Run: ran(func(r *runstate.State) { r.ExitCode, r.SucceededAt = 1, hour(2) })}, false, false},
		"broke off":         {Mirror{Run: ran(func(r *runstate.State) { r.Ended, r.Updated = time.Time{}, hour(1) })}, true, false},
		"under way":         {Mirror{Run: ran(func(r *runstate.State) { r.Ended, r.Updated = time.Time{}, now })}, false, false},
		"missing":           {Mirror{Run: well, Missing: 1}, true, false},
		"gone":              {Mirror{Run: well, Gone: 1}, false, false},
		"gone, not allowed": {Mirror{Run: ran(func(r *runstate.State) { r.ExitCode, r.SucceededAt = 3, hour(2) }), Gone: 1}, true, false},
		"quarantine":        {Mirror{Run: well, Quarantine: 1}, false, true},
		"damaged":           {Mirror{Run: well, Verified: verify.Cursor{Bad: []crate.ID{{Name: "foo", Version: "1.0.0"}}}}, false, true},
		"all of it":         {Mirror{Missing: 1, Quarantine: 1}, true, true},
	} {
		err := tt.mirror.Check(26*time.Hour, now)
		if errors.As(err, new(*verdict.IncompleteError)) != tt.incomplete || errors.As(err, new(*verdict.IntegrityError)) != tt.integrity {
			t.Errorf("%s: %v", name, err)
		}
	}
}
