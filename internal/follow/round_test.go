package follow

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/home"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/mirror"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/verdict"
)

// TestBaselineTrusted checks how long a baseline counts.
func TestBaselineTrusted(t *testing.T) {
	now := time.Now()
	for name, test := range map[string]struct {
		base *baseline
		want bool
	}{
		"the first round":       {nil, false},
		"a plain folder":        {&baseline{listed: now}, false},
		"a moment ago":          {&baseline{commit: "x", listed: now}, true},
		"a day ago":             {&baseline{commit: "x", listed: now.Add(-relist)}, false},
		"some failed":           {&baseline{commit: "x", listed: now, again: slices.Repeat([]string{"a"}, mirror.MaxAgain)}, true},
		"more than can be told": {&baseline{commit: "x", listed: now, again: slices.Repeat([]string{"a"}, mirror.MaxAgain+1)}, false},
	} {
		if got := test.base.trusted(); got != test.want {
			t.Errorf("%s: trusted %t, want %t", name, got, test.want)
		}
	}
}

// TestBackoff checks that a failed round is tried again soon, then less and less often, but
// never less often than a good one.
func TestBackoff(t *testing.T) {
	f := New(Config{SessionConfig: SessionConfig{Activity: NewActivity("", code)}, Every: 2 * time.Minute})
	for failures, want := range map[int]time.Duration{1: 15 * time.Second, 2: 30 * time.Second, 4: 2 * time.Minute, 5: 2 * time.Minute, 1000: 2 * time.Minute} {
		f.cfg.Activity.round(func(r *rounds) { r.broken = failures })
		if got := f.backoff(); got != want {
			t.Errorf("after %d failures: %v, want %v", failures, got, want)
		}
	}
}

// TestPackGoesOn checks that the next round resumes interrupted packing even if it brings
// nothing new, and that a crate that cannot be packed is not tried again and again.
func TestPackGoesOn(t *testing.T) {
	var err error
	calls := 0
	f := New(Config{Pack: func(context.Context, *home.Writer) error { calls++; return err }})
	f.open, f.cfg.Activity = &Session{Writer: new(home.Writer)}, new(Activity)
	for n, round := range []struct {
		news  bool
		fails error
		calls int
	}{
		{false, nil, 1},                             // the first one checks everything
		{false, nil, 1},                             // nothing is new
		{true, errors.New("disk full"), 2},          // interrupted
		{false, errors.New("disk full"), 3},         // again
		{false, verdict.Integrityf("1 version"), 4}, // complete
		{false, nil, 4}, {true, nil, 5}, {false, nil, 5},
	} {
		f.summary, err = nil, round.fails
		if round.news {
			f.summary = new(mirror.Summary)
			f.summary.Downloaded = 1
		}
		if got := f.pack(t.Context()); calls == round.calls && round.fails != nil && got != round.fails || calls != round.calls {
			t.Errorf("round %d: %v, packed %d times; want %d", n, got, calls, round.calls)
		}
	}
}
