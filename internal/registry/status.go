package registry

import (
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/runstate"
)

// ServerStatus is what a server reports to operators about itself and the mirror.
type ServerStatus struct {
	Version         string          `json:"version"`
	UptimeSec       int64           `json:"uptime_sec"`
	Crates          int64           `json:"crates"`
	Versions        int64           `json:"versions"`
	Bytes           int64           `json:"bytes"`
	Empty           string          `json:"empty,omitzero"` // why nothing is served
	IndexCommit     string          `json:"index_commit,omitzero"`
	IndexCommitTime time.Time       `json:"index_commit_time,omitzero"`
	Run             *runstate.State `json:"run,omitzero"` // in progress, or the last one
}

// Status returns a function that reports the status of a server that starts now; version is
// that of the program.
func Status(v Mirror, version string) func() ServerStatus {
	started := time.Now()
	return func() ServerStatus {
		t := v.Totals()
		s := ServerStatus{
			Version: version, UptimeSec: int64(time.Since(started).Seconds()),
			Crates: t.Crates, Versions: t.Versions, Bytes: t.Bytes, Empty: t.Empty, IndexCommit: t.Commit, IndexCommitTime: t.CommitTime,
		}
		if run, ok := v.Run(); ok {
			s.Run = &run
		}
		return s
	}
}
