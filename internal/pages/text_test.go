package pages

import (
	"testing"
	"unicode/utf8"
)

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
