package servecli

import (
	"context"
	"os"
	"runtime/debug"
	"runtime/metrics"
	"sync"
	"time"
)

const (
	// garbage is how many bytes of it a server lets come together, if Go's own rule, as
	// many as there are in use, would have it collect earlier. What a server has in use is
	// so little (some 20 MB) that under load it would collect many times a second, which
	// takes a tenth to a fifth of a request's processor time.
	garbage = 64 << 20
	// mostPercent bounds that for a server that has next to nothing in use.
	mostPercent = 400
)

// look is how often what is in use is looked at: a heap that grows quickly, as after the
// start, has more garbage than it may for so long.
const look = 200 * time.Millisecond

// collectLater lets garbage come together until stop is called, unless the operator has set
// a rule (GOGC, GOMEMLIMIT).
func collectLater() (stop func()) {
	if os.Getenv("GOGC") != "" || os.Getenv("GOMEMLIMIT") != "" {
		return func() {}
	}
	ctx, cancel := context.WithCancel(context.Background())
	var follows sync.WaitGroup
	follows.Go(func() { followHeap(ctx) })
	return func() { cancel(); follows.Wait() }
}

func followHeap(ctx context.Context) {
	now := percentFor(inUse())
	usual := debug.SetGCPercent(now)
	defer debug.SetGCPercent(usual)
	tick := time.NewTicker(look)
	defer tick.Stop()
	for {
		if percent := percentFor(inUse()); percent != now { // setting it stops the world
			debug.SetGCPercent(percent)
			now = percent
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// percentFor is how much garbage there may be, in hundredths of what is in use.
func percentFor(inUse uint64) int {
	return int(min(mostPercent, max(100, 100*garbage/max(1, inUse))))
}

// inUse is how many bytes the last collection has found in use.
func inUse() uint64 {
	sample := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	metrics.Read(sample)
	return sample[0].Value.Uint64()
}
