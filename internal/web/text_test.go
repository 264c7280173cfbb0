package web

import (
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/index"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/view"
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

func TestOrderOfVersions(t *testing.T) {
	for _, test := range []struct {
		newest string
		want   []string // "!" in front: yanked
	}{
		{"1.10.0", []string{"2.0.0-beta.11", "2.0.0-beta.2", "1.10.0", "1.9.0", "1.9.0-rc.1"}},
		{"0.2.0", []string{"!0.3.0", "0.2.0", "0.1.0"}},
		{"0.1.0-alpha", []string{"!0.1.0", "0.1.0-alpha"}},
		{"0.2.0", []string{"!0.2.0", "!0.1.0"}},
		{"1.0.0+b", []string{"1.0.0+b", "1.0.0+a", "1.0.0"}},
	} {
		var c view.Crate
		var want []string
		for _, v := range test.want {
			e := view.Entry{Entry: index.Entry{Yanked: v[0] == '!'}}
			e.Version = v
			if e.Yanked {
				e.Version = v[1:]
			}
			want = append(want, e.Version)
			c.Entries = append([]view.Entry{e}, c.Entries...)
		}
		var got []string
		for _, e := range newestFirst(c.Entries) {
			got = append(got, e.Version)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("order (-want +got):\n%s", diff)
		}
		if v := newest(&c).Version; v != test.newest {
			t.Errorf("of %v the newest is %s, want %s", test.want, v, test.newest)
		}
	}
}
