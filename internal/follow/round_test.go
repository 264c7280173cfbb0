package follow

import (
	"slices"
	"testing"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/mirror"
)

// TestBaselineTrusted: what a round need not look at.
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

// TestBackoff: a failed round is tried again soon, and then less and less often,
// but never less often than a good one.
func TestBackoff(t *testing.T) {
	f := New(Config{SessionConfig: SessionConfig{Activity: NewActivity("")}, Every: 2 * time.Minute})
	for failures, want := range map[int]time.Duration{1: 15 * time.Second, 2: 30 * time.Second, 4: 2 * time.Minute, 5: 2 * time.Minute, 1000: 2 * time.Minute} {
		f.cfg.Activity.round(func(r *rounds) { r.failures = failures })
		if got := f.backoff(); got != want {
			t.Errorf("after %d failures: %v, want %v", failures, got, want)
		}
	}
}
