package servecli

import (
	"runtime/debug"
	"testing"
	"time"
)

// A small server collects after 64 MB, one that has next to nothing in use after five
// times that, and a large one by Go's own rule.
func TestPercentOfGarbage(t *testing.T) {
	for inUse, want := range map[uint64]int{0: 400, 4 << 20: 400, 16 << 20: 400, 32 << 20: 200, 64 << 20: 100, 1 << 30: 100} {
		if got := percentFor(inUse); got != want {
			t.Errorf("%d bytes in use: %d %%, want %d", inUse, got, want)
		}
	}
}

// The rule holds for as long as there is a server, and an operator's own one is let alone.
func TestCollectLater(t *testing.T) {
	percent := func() int { // there is no other way to read it
		now := debug.SetGCPercent(100)
		debug.SetGCPercent(now)
		return now
	}
	t.Setenv("GOGC", "")
	before := debug.SetGCPercent(77)
	defer debug.SetGCPercent(before)
	stop := collectLater()
	for end := time.Now().Add(10 * time.Second); percent() == 77; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("no other rule")
		}
	}
	stop()
	if got := percent(); got != 77 {
		t.Errorf("afterwards: %d %%", got)
	}
	t.Setenv("GOGC", "77")
	defer collectLater()()
	if got := percent(); got != 77 {
		t.Errorf("with a rule of the operator: %d %%", got)
	}
}
