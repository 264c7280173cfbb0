package reader

import (
	"sync"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/home"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/store"
)

// quarantine caches the number of unsettled files in a quarantine while its folder does not
// change: settling rewrites a note, and so changes it.
type quarantine struct {
	mu      sync.Mutex // guards what follows
	changed time.Time  // of the folder at the last count
	count   int
}

// unsettled returns the number of unsettled files. Unreadable files are not counted:
// listing them reports the problem.
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
