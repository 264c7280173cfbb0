package news

import (
	"sync"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
)

const (
	maxWaiting = 1 << 16
	waitFor    = 24 * time.Hour
)

// Arrivals are versions that are named and yet to come. Its methods may be called
// concurrently.
type Arrivals struct {
	Lags *Lags

	mu      sync.Mutex // guards waiting
	waiting map[crate.Key]arrival
}

type arrival struct{ published, named time.Time }

// NewArrivals returns arrivals that tell lags when they come.
func NewArrivals(lags *Lags) *Arrivals {
	return &Arrivals{Lags: lags, waiting: map[crate.Key]arrival{}}
}

// Expect waits for a version from now on, if there is room, and reports whether there is.
// One without a time of publication is no lag when it comes.
func (a *Arrivals) Expect(v Version, now time.Time) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.waiting) >= maxWaiting {
		a.forget(now)
	}
	if len(a.waiting) >= maxWaiting {
		return false
	}
	if _, ok := a.waiting[v.Key]; !ok {
		a.waiting[v.Key] = arrival{v.Published, now}
	}
	return true
}

// forget forgets what has not come for a day: it is not part of the mirror.
func (a *Arrivals) forget(now time.Time) {
	for key, w := range a.waiting {
		if now.Sub(w.named) > waitFor {
			delete(a.waiting, key)
		}
	}
}

// Came takes note that a version is there, if it was waited for, and reports that.
func (a *Arrivals) Came(key crate.Key, now time.Time) bool {
	a.mu.Lock()
	w, ok := a.waiting[key]
	delete(a.waiting, key)
	a.mu.Unlock()
	if ok && !w.published.IsZero() {
		a.Lags.Observe(w.published, now)
	}
	return ok
}

// Waiting returns what is waited for, by the names of the crates.
func (a *Arrivals) Waiting(now time.Time) map[string][]crate.Key {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.forget(now)
	names := map[string][]crate.Key{}
	for key := range a.waiting {
		names[key.Name] = append(names[key.Name], key)
	}
	return names
}
