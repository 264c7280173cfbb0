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

// Arrivals are versions that an index names and that have not arrived yet. Its methods may
// be called concurrently.
type Arrivals struct {
	Lags *Lags

	mu      sync.Mutex // guards waiting
	waiting map[crate.Key]arrival
}

type arrival struct{ published, named time.Time }

// NewArrivals returns Arrivals that report to lags when versions arrive.
func NewArrivals(lags *Lags) *Arrivals {
	return &Arrivals{Lags: lags, waiting: map[crate.Key]arrival{}}
}

// Expect begins to wait for a version, if there is room, and reports whether there is. A
// version without a time of publication does not count as a lag when it arrives.
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

// forget removes versions that have not arrived for a day, because they are not part of the
// mirror.
func (a *Arrivals) forget(now time.Time) {
	for key, w := range a.waiting {
		if now.Sub(w.named) > waitFor {
			delete(a.waiting, key)
		}
	}
}

// Came records that a version has arrived, and reports whether it was expected.
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

// Waiting returns the expected versions, by the names of the crates.
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
