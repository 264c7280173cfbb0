package repack

import (
	"sync/atomic"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
)

// Progress is the progress of a run. Other goroutines may read it meanwhile.
type Progress struct {
	Seen     atomic.Int64 // versions examined
	Versions atomic.Int64 // versions packed
	Bytes    atomic.Int64 // size of their .crates
	Packed   atomic.Int64 // size of their packs
}

// maxFailures bounds the list of failures.
const maxFailures = 100

// fail records a version that could not be packed or verified.
func (r *run) fail(id crate.ID, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.done.FailedVersions++
	if len(r.done.Failed) < maxFailures {
		r.done.Failed = append(r.done.Failed, Failure{id, err})
	}
	r.Log.Error("not packed", "crate", id.Name, "version", id.Version, "err", err)
}
