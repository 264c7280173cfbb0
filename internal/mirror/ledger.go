package mirror

import (
	"sync"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/catalog"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/store"
)

// ledger tracks the bundles whose crates all have rows: finished bundles without a crate
// between a Put and the catalog. Only these may be marked whole; otherwise a kill could
// leave crates in a bundle that no run reads again.
type ledger struct {
	putting  sync.RWMutex   // held for reading during a Put
	mu       sync.Mutex     // guards owed
	owed     map[string]int // rows still to be written, by bundle
	finished []store.Bundle // not yet whole; belongs to the committer
}

// put calls a Put and records that a row is owed for it.
func (l *ledger) put(put func() (store.Placement, error)) (store.Placement, error) {
	l.putting.RLock()
	defer l.putting.RUnlock()
	at, err := put()
	if err == nil && at.Bundle != "" {
		l.mu.Lock()
		l.owed[at.Bundle]++
		l.mu.Unlock()
	}
	return at, err
}

// finish records bundles that receive no more Puts.
func (l *ledger) finish(bundles []store.Bundle) {
	if len(bundles) == 0 {
		return
	}
	l.putting.Lock() // every Put into them is recorded
	defer l.putting.Unlock()
	l.finished = append(l.finished, bundles...)
}

// paid records that a row will be written, together with what whole returns next.
func (l *ledger) paid(bundle string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.owed[bundle]--; l.owed[bundle] == 0 {
		delete(l.owed, bundle)
	}
}

// whole returns the bundles that have become whole.
func (l *ledger) whole() (whole []catalog.Bundle) {
	l.mu.Lock()
	defer l.mu.Unlock()
	left := l.finished[:0]
	for _, b := range l.finished {
		if l.owed[b.Name] > 0 {
			left = append(left, b)
			continue
		}
		whole = append(whole, catalog.Bundle{Name: b.Name, Whole: true, Entries: b.Entries, Bytes: b.Bytes, Checksum: b.Checksum})
	}
	l.finished = left
	return whole
}
