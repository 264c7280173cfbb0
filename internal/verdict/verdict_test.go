package verdict_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/verdict"
)

func TestIs(t *testing.T) {
	for _, tt := range []struct {
		err  error
		want bool
	}{
		{verdict.Incompletef("%d missing", 3), true},
		{fmt.Errorf("verifying: %w", verdict.Integrityf("foo 1.0.0 is damaged")), true},
		{errors.Join(errors.New("the disk is full"), verdict.Incompletef("3 missing")), true},
		{errors.New("the disk is full"), false},
		{nil, false},
	} {
		if got := verdict.Is(tt.err); got != tt.want {
			t.Errorf("Is(%v) = %t", tt.err, got)
		}
	}
}
