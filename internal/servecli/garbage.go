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
	// garbage is the amount of garbage, in bytes, that a server allows if Go's default, as
	// much as is in use, would collect earlier. A server uses so little memory (some 20 MB)
	// that under load it would collect many times per second, which takes a tenth to a
	// fifth of a request's processor time.
	garbage = 64 << 20
	// mostPercent bounds that for a server that uses almost no memory.
	mostPercent = 400
)

// look is how often the memory in use is checked: a quickly growing heap, as after the
// start, has too much garbage for that long.
const look = 200 * time.Millisecond

// collectLater allows more garbage until stop is called, unless the operator has set GOGC
// or GOMEMLIMIT.
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

// percentFor returns the allowed garbage, in percent of the memory in use.
func percentFor(inUse uint64) int {
	return int(min(mostPercent, max(100, 100*garbage/max(1, inUse))))
}

// inUse returns the number of bytes that the last collection found in use.
func inUse() uint64 {
	sample := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	metrics.Read(sample)
	return sample[0].Value.Uint64()
}
