package pull

import (
	"fmt"
	"io/fs"
	"net/http"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/store"
)

// AwayError says that upstream is needed but cannot be reached. It is a reader.Refusal.
type AwayError struct {
	What string // a name, or a name and a version
	Err  error  // why; nil: it was down before
}

func (e *AwayError) Error() string {
	if e.Err == nil {
		return e.What + " is not stored, and the upstream is down"
	}
	return fmt.Sprintf("%s is not stored, and the upstream does not have it: %v", e.What, e.Err)
}

// Unwrap makes it a store.ErrAway too, so that not each request is logged.
func (e *AwayError) Unwrap() error { return store.ErrAway }

// Refuse implements reader.Refusal.
func (e *AwayError) Refuse() (status int, text string) {
	return http.StatusServiceUnavailable, "This mirror does not hold " + e.What + " yet, and upstream does not give it now. Ask again in a moment."
}

// notHere returns the error for a version that neither the mirror nor upstream has.
func notHere(id crate.ID) error {
	return fmt.Errorf("%s is not stored, and could not be downloaded: %w", id, fs.ErrNotExist)
}

func noCrate(name string) error {
	return fmt.Errorf("%s is not here, and upstream knows no such crate: %w", name, fs.ErrNotExist)
}

// DamagedError says that what upstream sent, or what is stored, has bytes other than those
// that the index names, and that upstream has no others now. It is a reader.Refusal.
type DamagedError struct {
	ID  crate.ID
	Err error
}

func (e *DamagedError) Error() string { return fmt.Sprintf("pulling %s: %v", e.ID, e.Err) }

// Unwrap returns the cause.
func (e *DamagedError) Unwrap() error { return e.Err }

// Refuse implements reader.Refusal.
func (e *DamagedError) Refuse() (status int, text string) {
	return http.StatusBadGateway, fmt.Sprintf("Upstream sends other bytes for %s than the index names. They are not passed on.", e.ID)
}
