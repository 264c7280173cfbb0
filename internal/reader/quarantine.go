package reader

import (
	"sync"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/home"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/store"
)

// quarantine remembers how much of a quarantine is not settled, for as long as its folder
// does not change: settling writes a note again, and so changes it.
type quarantine struct {
	mu      sync.Mutex // guards what follows
	changed time.Time  // of the folder when it was counted
	count   int
}

// unsettled counts what a person has not looked at. What cannot be read is not counted:
// listing it reports what is wrong.
func (q *quarantine) unsettled(files *home.Stores) int {
	changed, err := files.QuarantineChanged()
	if err != nil {
		return 0
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if !changed.Equal(q.changed) {
		if n, _, err := store.CountEvidence(files.Evidence()); err == nil {
			q.changed, q.count = changed, n
		}
	}
	return q.count
}
