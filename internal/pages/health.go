package pages

import (
	"net/http"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/human"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/roundlog"
)

// Health is the condition of a mirror.
type Health struct {
	Unknown       bool // it could not be determined
	Missing, Gone int64
	Lacking       []Lacking      // the first missing versions
	Lag           *time.Duration // of the index behind upstream's; nil: unknown
	Coverage      float64        // share of held crates that the last or current sweep of verify has hashed
	OldestHash    time.Time      // time of the oldest hashing; zero: unknown
	Swept         time.Time      // when verify last completed a sweep; zero: never
	Damaged       int            // versions
	Unsettled     int            // files in quarantine
	Free          int64          // on the fullest disk, bytes
	FreeKnown     bool
	Rounds        *roundlog.Log // nil: unknown
}

// Lacking is a version that runs could not download.
type Lacking struct {
	crate.ID
	Reason string // may contain untrusted text
	Since  time.Time
}

// lowDisk is the free space below which a page shows a warning, in bytes.
const lowDisk = 10 << 30

// Low reports whether a disk is nearly full.
func (h *Health) Low() bool { return h.FreeKnown && h.Free < lowDisk }

// Percent returns the share that was hashed, rounded down.
func (h *Health) Percent() int { return int(100 * h.Coverage) }

// healthData is the health in the form of a page.
type healthData struct {
	Health
	Success, Hashed string // how long ago; empty: unknown
	Behind          string
	Failures        int
}

// health returns the health if it is available in time, or else the last known one; nil if
// there is none.
func (h *Handler) health() *Health {
	if h.cfg.Health == nil {
		return nil
	}
	if h.asking.CompareAndSwap(false, true) {
		done := make(chan struct{})
		go func() {
			defer close(done)
			now := h.cfg.Health()
			h.known.Store(&now)
			h.asking.Store(false)
		}()
		select {
		case <-done:
		case <-time.After(aboutTime):
		}
	}
	return h.known.Load()
}

// healthOf returns the health together with the status of the run.
func (h *Handler) healthOf(s status) *healthData {
	known := h.health()
	if known == nil || known.Unknown {
		return nil
	}
	data := &healthData{Health: *known}
	if r := s.Run; r != nil {
		success := r.SucceededAt
		if success.IsZero() && r.Complete() {
			success = r.ended
		}
		if !success.IsZero() {
			data.Success = human.Since(s.now.Sub(success))
		}
		data.Failures = r.Failures
	}
	if !known.OldestHash.IsZero() {
		data.Hashed = human.Since(s.now.Sub(known.OldestHash))
	}
	if known.Lag != nil {
		if data.Behind = "none"; *known.Lag >= time.Minute {
			data.Behind = human.Age(*known.Lag)
		}
	}
	return data
}

// lacking lists the missing versions.
func (h *Handler) lacking(*http.Request) (page, error) {
	known := h.health()
	if known == nil || known.Unknown {
		return page{}, &missing{what: "What this mirror lacks is not known here."}
	}
	return page{template: "missing", Title: "Missing versions", Data: known}, nil
}
