package mirror

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/catalog"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/index"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/plan"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/store"
)

// settleEvidence settles the evidence for versions whose correct bytes are stored by now,
// for versions that the index no longer names, and for those that a person had this run
// repair and who therefore knows. It also counts the evidence that a person must still look
// at. The index counts only if the run completed, because then the index was usable.
func (r *run) settleEvidence(ctx context.Context, ended bool) (err error) {
	listing, err := r.cfg.Store.NewListing()
	if err != nil {
		return fmt.Errorf("looking into quarantine: %w", err)
	}
	j := judge{run: r, listing: listing}
	if ix, ok := r.cfg.Source.(plan.Index); ok && ended {
		j.index, j.lookup = ix, ix.NewLookup(ctx) // which starts nothing until its first query
		defer func() { err = errors.Join(err, j.lookup.Close()) }()
	}
	for e, err := range r.cfg.Store.Evidence() {
		if err != nil {
			return fmt.Errorf("looking into quarantine: %w", err)
		}
		if !e.Settled.IsZero() {
			continue
		}
		because, err := j.settled(ctx, &e)
		if err != nil {
			return fmt.Errorf("looking into quarantine: %s: %w", e.File, err)
		}
		if because == "" {
			r.summary.Quarantined++
			continue
		}
		if err := r.cfg.Store.Settle(e, time.Now()); err != nil {
			return err
		}
		if e.Kind != store.Sent {
			r.summary.Repaired++
		}
		r.cfg.Log.Info("settled: "+because, "crate", e.Name, "version", e.Version, "quarantine", e.File)
	}
	return nil
}

// A judge decides which evidence is settled at the end of a run.
type judge struct {
	*run
	listing store.Listing
	index   plan.Index // nil: the source of the run has no lookups
	lookup  *index.Lookup
}

// settled returns why nothing is left to do about e, or "" if something is.
func (j *judge) settled(ctx context.Context, e *store.Evidence) (because string, err error) {
	if e.Kind != store.Sent && !j.cfg.Repair || e.Name == "" {
		return "", nil
	}
	stored, err := j.stored(ctx, e)
	switch {
	case err != nil:
		return "", err
	case stored && e.Kind == store.Sent:
		return "upstream sent wrong bytes once; the right ones are stored now", nil
	case stored:
		return "it was damaged, and is repaired", nil
	case e.Kind != store.Sent || e.Want == (crate.Checksum{}) || j.index == nil:
		return "", nil
	}
	named, err := j.index.Names(ctx, j.lookup, crate.Key{ID: e.ID, Checksum: e.Want})
	if err != nil || named {
		return "", err
	}
	return "the index no longer names what was asked for", nil
}

// stored reports whether what is stored settles e.
func (j *judge) stored(ctx context.Context, e *store.Evidence) (bool, error) {
	rows, err := j.cfg.Catalog.BytesOf(ctx, e.ID)
	for i := range rows {
		v := &rows[i]
		settles := e.SettledBy(v.Checksum, v.VerifiedAt) || j.repaired(e, v)
		if v.ID == e.ID && v.SupersededAt.IsZero() && settles && j.listing.Holds(v.ID, v.Placement, v.Size) {
			return true, nil
		}
	}
	return false, err
}

// repaired reports whether this run set the evidence aside and stored the version again, or
// has another good copy of the version's earlier bytes. Times in notes and rows are in
// seconds.
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
