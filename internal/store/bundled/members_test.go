package bundled

import (
	"crypto/sha256"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/bundle"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
)

func TestMemberListKeepsMembers(t *testing.T) {
	var list memberList
	var want []bundle.Member
	for i := range 5000 { // several pieces
		m := bundle.Member{
			ID:        crate.ID{Name: strings.Repeat("n", 1+i%64), Version: fmt.Sprintf("1.0.%d+%s", i, strings.Repeat("v", i%300))},
			Size:      int64(i) << (i % 18),
			Checksum:  sha256.Sum256(fmt.Append(nil, i)),
			Placement: bundle.Placement{Offset: int64(i) << 20, FrameSize: int64(i)},
		}
		list.add(m)
		want = append(want, m)
	}
	if got := slices.Collect(list.all()); !slices.Equal(got, want) || list.n != len(want) {
		t.Errorf("%d members came back, %d are counted, %d were added, and they differ", len(got), list.n, len(want))
	}
	if len(list.pieces) < 2 {
		t.Errorf("%d pieces: what begins another one was not tried", len(list.pieces))
	}
	for m := range list.all() {
		if m != want[0] {
			t.Errorf("the first is %v", m)
		}
		break
	}
}
