package sparse_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"testing"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/index/sparse"
)

// A look that is cut off at any instant leaves the index as it was before or as it is
// after, and nothing that stops the next.
func TestKilled(t *testing.T) {
	f := newFollower(t, some()...)
	f.obs.Lists = []sparse.List{f.all}
	f.mustUpdate()
	for i := range 30 {
		f.reg.Add(v(fmt.Sprintf("crate%d", i), "1.0.0"))
	}
	was := read(t, f.dir)
	start := time.Now()
	random := rand.New(rand.NewPCG(1, uint64(start.UnixNano())))
	cut := 0
	for n := range 6 {
		ctx, cancel := context.WithCancelCause(t.Context())
		stop := errors.New("killed")
		timer := time.AfterFunc(time.Duration(random.IntN(120))*time.Millisecond, func() { cancel(stop) })
		_, err := f.updateIn(ctx)
		timer.Stop()
		cancel(nil)
		if err != nil {
			cut++
			if !errors.Is(err, stop) {
				t.Errorf("cut off: %v", err)
			}
		}
		now := read(t, f.dir)
		if whole := len(now) == len(was) || len(now) == len(f.wantFiles()); !whole {
			t.Fatalf("after %d looks of which %d were cut off the index has %d crates, want %d or %d", n+1, cut, len(now), len(was), len(f.wantFiles()))
		}
		was = now
		f.reg.Add(v(fmt.Sprintf("later%d", n), "1.0.0"))
	}
	f.mustUpdate()
	f.wantSame()
	left, err := filepath.Glob(filepath.Join(f.dir, "*crash*"))
	if spools, _ := filepath.Glob(filepath.Join(f.dir, "objects", "tmp_objdir-*")); err != nil || len(left)+len(spools) > 0 {
		t.Errorf("%v %v is left, %v", left, spools, err)
	}
}
