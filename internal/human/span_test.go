package human

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestSpans(t *testing.T) {
	const day = 24 * time.Hour
	for _, test := range []struct {
		d                time.Duration
		span, age, since string
	}{
		{-time.Hour, "0 s", "less than a minute", "just now"}, // clocks differ
		{0, "0 s", "less than a minute", "just now"},
		{1400 * time.Millisecond, "1 s", "less than a minute", "just now"},
		{time.Minute, "1 min", "1 minute", "1 minute ago"},
		{200 * time.Second, "3 min 20 s", "3 minutes", "3 minutes ago"},
		{3*time.Hour + 59*time.Second, "3 h", "3 hours", "3 hours ago"},
		{47 * time.Hour, "1 d 23 h", "47 hours", "47 hours ago"},
		{100 * day, "100 d", "100 days", "100 days ago"},
		{3 * 365 * day, "1095 d", "3 years", "3 years ago"},
	} {
		got := []string{Span(test.d), Age(test.d), Since(test.d)}
		if diff := cmp.Diff([]string{test.span, test.age, test.since}, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", test.d, diff)
		}
	}
}
