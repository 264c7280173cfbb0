package mirror

import (
	"context"
	"fmt"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/catalog"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/store"
)

// settleEvidence settles what was sent for versions whose right bytes are stored
// by now, and what a person had this run repair, who is told of it by that; and it
// counts what a person must still look at.
func (r *run) settleEvidence(ctx context.Context) error {
	listing, err := r.cfg.Store.NewListing()
	if err != nil {
		return fmt.Errorf("looking into quarantine: %w", err)
	}
	for e, err := range r.cfg.Store.Evidence() {
		if err != nil {
			return fmt.Errorf("looking into quarantine: %w", err)
		}
		if !e.Settled.IsZero() {
			continue
		}
		proved, err := r.proves(ctx, listing, &e)
		if err != nil {
			return fmt.Errorf("looking into quarantine: %s: %w", e.File, err)
		}
		if !proved {
			r.summary.Quarantined++
			continue
		}
		if err := r.cfg.Store.Settle(e, time.Now()); err != nil {
			return err
		}
		what := "settled: wrong bytes came once, the right ones are stored now"
		if e.Kind != store.Sent {
			what = "settled: it was damaged, and is repaired"
			r.summary.Repaired++
		}
		r.cfg.Log.Info(what, "crate", e.Name, "version", e.Version, "quarantine", e.File)
	}
	return nil
}

// proves reports whether what is stored settles the evidence.
func (r *run) proves(ctx context.Context, listing store.Listing, e *store.Evidence) (bool, error) {
	if e.Kind != store.Sent && !r.cfg.Repair || e.Name == "" {
		return false, nil
	}
	rows, err := r.cfg.Catalog.Versions(ctx, e.Name)
	for i := range rows {
		v := &rows[i]
		settles := e.SettledBy(v.Checksum, v.VerifiedAt) || r.repaired(e, v)
		if v.ID == e.ID && v.SupersededAt.IsZero() && settles && listing.Holds(v.ID, v.Placement, v.Size) {
			return true, nil
		}
	}
	return false, err
}

// repaired reports whether this run set the evidence aside and stored the version
// again, or has a good copy left of bytes that it had before. Times in notes and
// rows count seconds.
func (r *run) repaired(e *store.Evidence, v *catalog.Version) bool {
	begun := r.begun.Truncate(time.Second)
	if e.Kind == store.Sent || e.Time.Before(begun) {
		return false
	}
	if kept, superseded := r.kept[e.ID]; superseded {
		return kept
	}
	return !v.VerifiedAt.Before(begun)
}
