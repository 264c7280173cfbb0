package follow

import (
	"testing"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/verdict"
)

// TestLackingSaysItOnce checks that a version that is missing in every round is reported once,
// that missing versions never hide damage, and that a round without problems does not hide an
// earlier one.
func TestLackingSaysItOnce(t *testing.T) {
	before, now := verdict.Incompletef("incomplete: 1 of 321"), verdict.Incompletef("incomplete: 2 of 321")
	damage := verdict.Integrityf("damaged")
	for _, tt := range []struct {
		whole, part error
		want        string
		gone        bool // upstream refused what was missing
	}{
		{before, now, "incomplete: 2 of 321", false},
		{before, nil, "incomplete: 1 of 321", false},
		{nil, now, "incomplete: 2 of 321", false},
		{damage, now, "damaged\nincomplete: 2 of 321", false},
		{before, damage, "incomplete: 1 of 321\ndamaged", false},
		{before, now, "incomplete: 1 of 321\nincomplete: 2 of 321", true},
	} {
		b := &baseline{whole: tt.whole, part: tt.part, gone: tt.gone}
		if got := b.lacking(); got == nil || got.Error() != tt.want {
			t.Errorf("%v, then %v: %v, want %s", tt.whole, tt.part, got, tt.want)
		}
	}
	if err := new(baseline).lacking(); err != nil {
		t.Error(err)
	}
}
