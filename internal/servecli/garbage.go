package servecli

import (
	"context"
	"os"
	"runtime/debug"
	"runtime/metrics"
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

// collectLater lets garbage come together until ctx ends, unless the operator has set a
// rule (GOGC, GOMEMLIMIT).
func collectLater(ctx context.Context) {
	if os.Getenv("GOGC") != "" || os.Getenv("GOMEMLIMIT") != "" {
		return
	}
	now := percentFor(inUse())
	usual := debug.SetGCPercent(now)
	defer debug.SetGCPercent(usual)
	tick := time.NewTicker(time.Second)
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
