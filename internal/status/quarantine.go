package status

import (
	"context"
	"errors"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/catalog"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/home"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/store"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/store/loose"
)

// Evidence is one thing in quarantine; its fields are those of quarantine -json.
type Evidence struct {
	File     string             `json:"file"`
	Crate    string             `json:"crate,omitempty"`
	Version  string             `json:"version,omitempty"`
	Kind     store.EvidenceKind `json:"kind"`
	Reason   string             `json:"reason"`
	Time     time.Time          `json:"time,omitzero"`
	Settled  time.Time          `json:"settled,omitzero"`
	Repaired bool               `json:"repaired"` // the version has been stored and verified since
}

// State returns its state: settled, or why not.
func (e *Evidence) State() string {
	switch {
	case !e.Settled.IsZero():
		return "settled"
	case e.Repaired:
		return "repaired"
	}
	return "unsettled"
}

// Quarantine returns what is in quarantine.
func Quarantine(ctx context.Context, d *home.Dirs) (all []Evidence, err error) {
	folder, err := durable.Open(d.Crates)
	if err != nil {
		return nil, err
	}
	defer folder.Close()
	for e, err := range loose.OpenReadOnly(folder).Evidence() {
		if err != nil {
			return nil, err
		}
		all = append(all, Evidence{File: e.File, Crate: e.Name, Version: e.Version, Kind: e.Kind, Reason: e.Reason, Time: e.Time, Settled: e.Settled})
	}
	err = d.ReadCatalog(ctx, func(c *catalog.Catalog) error { return findRepaired(ctx, c, all) })
	if errors.Is(err, home.ErrNoCatalog) {
		err = nil
	}
	return all, err
}

// findRepaired finds out which versions have been verified since.
func findRepaired(ctx context.Context, c *catalog.Catalog, all []Evidence) error {
	for i := range all {
		e := &all[i]
		id := crate.ID{Name: e.Crate, Version: e.Version}
		rows, err := c.BytesOf(ctx, id)
		if err != nil {
			return err
		}
		for _, v := range rows {
			if v.ID == id && !v.VerifiedAt.Before(e.Time) {
				e.Repaired = true
			}
		}
	}
	return nil
}

// Settle settles the evidence of chosen versions in the quarantine of a folder of crates,
// and calls each with its file.
func Settle(folder durable.FS, chosen func(crate.ID) bool, each func(file string)) error {
	files := loose.OpenReadOnly(folder)
	for e, err := range files.Evidence() {
		if err != nil {
			return err
		}
		if !e.Settled.IsZero() || !chosen(e.ID) {
			continue
		}
		if err := files.Settle(e, time.Now()); err != nil {
			return err
		}
		each(e.File)
	}
	return nil
}
