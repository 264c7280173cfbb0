package store

import (
	"testing"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
)

func TestSettledBy(t *testing.T) {
	came := time.Date(2026, 1, 2, 3, 4, 5, 600, time.UTC)
	later, earlier, second := came.Add(time.Hour), came.Add(-time.Hour), came.Truncate(time.Second)
	right, wrong, other := crate.Checksum{1}, crate.Checksum{2}, crate.Checksum{3}
	for _, tt := range []struct {
		name     string
		e        Evidence
		sum      crate.Checksum
		verified time.Time
		want     bool
	}{
		{"the right bytes came", Evidence{Kind: Sent, Want: right, Got: wrong}, right, later, true},
		{"within the second", Evidence{Kind: Sent, Want: right, Got: wrong}, right, second, true},
		{"they were there before", Evidence{Kind: Sent, Want: right, Got: wrong}, right, earlier, false},
		{"no index has named them", Evidence{Kind: Sent, Want: right, Got: wrong}, right, time.Time{}, false},
		{"what came was accepted", Evidence{Kind: Sent, Want: right, Got: wrong}, wrong, later, true},
		{"the old bytes of what was published again", Evidence{Kind: Sent, Want: right, Got: right}, other, later, false},
		{"an earlier program's note", Evidence{Kind: Sent, Reason: "is 02, the index says " + right.String()}, right, later, true},
		{"an earlier program's note on others", Evidence{Kind: Sent, Reason: "is 02, the index says " + right.String()}, other, later, false},
		{"a file was there", Evidence{Kind: Found, Want: right, Got: wrong}, right, later, false},
		{"a bundle is damaged", Evidence{Kind: Member, Want: right, Got: wrong}, right, later, false},
	} {
		tt.e.Time = came
		if got := tt.e.SettledBy(tt.sum, tt.verified); got != tt.want {
			t.Errorf("%s: %t", tt.name, got)
		}
	}
}
