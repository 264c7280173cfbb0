package repack

import (
	"sync/atomic"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
)

// Progress is how far a run is. Others may read it meanwhile.
type Progress struct {
	Seen     atomic.Int64 // versions that were looked at
	Versions atomic.Int64 // that were packed
	Bytes    atomic.Int64 // of their .crates
	Packed   atomic.Int64 // of their packs
}

// maxFailures bounds the list of those that are named.
const maxFailures = 100

// fail takes note of a version that could not be packed, or proved.
func (r *run) fail(id crate.ID, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.done.FailedVersions++
	if len(r.done.Failed) < maxFailures {
		r.done.Failed = append(r.done.Failed, Failure{id, err})
	}
	r.Log.Error("not packed", "crate", id.Name, "version", id.Version, "err", err)
}
