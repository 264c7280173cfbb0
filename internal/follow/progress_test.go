package follow

import (
	"testing"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/mirror"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/plan"
)

// TestA22Line checks that the rate ignores versions that were stored before, and that the work
// after the last version has a name.
func TestA22Line(t *testing.T) {
	c := mirror.Counts{
		Plan: &plan.Totals{Versions: 5000}, Existing: 4743, Downloaded: 100, Bytes: 5e6,
		Elapsed: 12 * time.Second, Planning: 2 * time.Second,
	}
	if got, want := line(c), " 4,843 of 5,000, 10/s, 5.0 MB, 16s left"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	c.Downloaded, c.Failed = 256, 1
	if got, want := line(c), " 5,000 of 5,000, 5.0 MB, finishing: what was stored is closed, read back and recorded, 1 not held"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}
