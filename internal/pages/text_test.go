package pages

import (
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

func TestDurations(t *testing.T) {
	const day = 24 * time.Hour
	for _, test := range []struct {
		d                  time.Duration
		duration, age, ago string
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
		got := []string{duration(test.d), age(test.d), ago(test.d)}
		if diff := cmp.Diff([]string{test.duration, test.age, test.ago}, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", test.d, diff)
		}
	}
}

func TestClip(t *testing.T) {
	for _, test := range []struct {
		in   string
		n    int
		want string
	}{
		{"serde", 5, "serde"},
		{"serde_json", 8, "serde…"},
		{"ééééé", 10, "ééééé"},
		{"éééééé", 10, "ééé…"},
		{"日本語日本語", 7, "日…"},
		{"", 3, ""},
	} {
		if got := clip(test.in, test.n); got != test.want || len(got) > test.n || !utf8.ValidString(got) {
			t.Errorf("clip(%q, %d) = %q, want %q", test.in, test.n, got, test.want)
		}
	}
}
