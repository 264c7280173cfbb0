package pages

import (
	"net/http"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/human"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/roundlog"
)

// Health is how a mirror is.
type Health struct {
	Unknown       bool // it could not be found out
	Missing, Gone int64
	Lacking       []Lacking      // the first that are missing
	Lag           *time.Duration // of the index behind upstream's, nil: not known
	Coverage      float64        // share of what is held that the last or present sweep of verify has hashed
	OldestHash    time.Time      // nothing was hashed longer ago; zero: not known
	Swept         time.Time      // when verify last came to the end; zero: never
	Damaged       int            // versions
	Unsettled     int            // files in quarantine
	Free          int64          // bytes, on the fullest disk
	FreeKnown     bool
	Rounds        *roundlog.Log // nil: not known
}

// Lacking is a version that runs asked for in vain.
type Lacking struct {
	crate.ID
	Reason string // a stranger's words may be in it
	Since  time.Time
}

// lowDisk is how little free disk is shown as a warning.
const lowDisk = 10 << 30

// Low reports whether a disk is nearly full.
func (h *Health) Low() bool { return h.FreeKnown && h.Free < lowDisk }

// Percent is the share that was hashed, rounded down.
func (h *Health) Percent() int { return int(100 * h.Coverage) }

// healthData is the health as a page shows it.
type healthData struct {
	Health
	Success, Hashed string // how long ago; empty: not known
	Behind          string
	Failures        int
}

// health returns what is known in time, or was known last; nil: nothing.
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

// healthOf is the health together with what the run says.
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

// lacking lists what is missing.
func (h *Handler) lacking(*http.Request) (page, error) {
	known := h.health()
	if known == nil || known.Unknown {
		return page{}, &missing{what: "What this mirror lacks is not known here."}
	}
	return page{template: "missing", Title: "Missing versions", Data: known}, nil
}
