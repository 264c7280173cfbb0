// Package status reports the status of a mirror as data and in words: what it holds, its age, how
// its last run and its last verification ended, what the index has stopped naming, and what is in
// quarantine. It needs no lock: the mirror may be written meanwhile.
package status

import (
	"context"
	"errors"
	"io/fs"
	"os/exec"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/catalog"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/home"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/index"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/runstate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/store"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/verify"
)

// Mirror is the status of a mirror; its fields are those of status -json.
type Mirror struct {
	Out        string          `json:"out"`
	Crates     int64           `json:"crates"`
	Versions   int64           `json:"versions"`
	Bytes      int64           `json:"bytes"`
	Removed    int64           `json:"removed"`    // versions that the index no longer names
	Superseded int64           `json:"superseded"` // bytes that versions had before they were published again
	Missing    int64           `json:"missing"`    // versions that runs could not download: status -missing
	Gone       int64           `json:"gone"`       // versions that upstream refuses to serve: status -gone
	Bundles    int             `json:"bundles"`
	Commit     string          `json:"index_commit"` // that was mirrored last
	CommitTime time.Time       `json:"index_time,omitzero"`
	Days       *Days           `json:"index_days,omitempty"`
	Quarantine int             `json:"quarantine"` // not settled
	Settled    int             `json:"quarantine_settled"`
	Run        *runstate.State `json:"run,omitempty"`
	Verified   verify.Cursor   `json:"verify"`
}

// Days is the recorded part of the index's past.
type Days struct {
	First string `json:"first"` // YYYY-MM-DD
	Last  string `json:"last"`
	Kept  int    `json:"kept"`
	Error string `json:"error,omitempty"` // why that is not known
}

// Read returns the status of a mirror. Errors: home.ErrNoCatalog.
func Read(ctx context.Context, d *home.Dirs) (*Mirror, error) {
	r, err := home.OpenReader(ctx, d)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	totals, err := r.Catalog.Totals(ctx)
	if err != nil {
		return nil, err
	}
	rev, err := r.Catalog.Revision(ctx)
	if err != nil {
		return nil, err
	}
	bundles, err := r.Catalog.Bundles(ctx)
	if err != nil {
		return nil, err
	}
	s := &Mirror{
		Out: d.Crates, Crates: totals.Crates, Versions: totals.Versions, Bytes: totals.Bytes,
		Removed: totals.Removed, Superseded: totals.Superseded,
		Commit: rev.Commit, CommitTime: rev.Time,
	}
	err = r.Catalog.Read(ctx, func(c *catalog.Catalog) (err error) {
		s.Missing, s.Gone, err = c.Lacking(ctx)
		return err
	})
	if err != nil {
		return nil, err
	}
	for i := range bundles {
		if !bundles[i].Thrown() {
			s.Bundles++
		}
	}
	if s.Days, err = readDays(ctx, d.Index); err != nil {
		s.Days = &Days{Error: err.Error()} // everything else is known
	}
	if s.Quarantine, s.Settled, err = store.CountEvidence(r.Store.Evidence()); err != nil {
		return nil, err
	}
	state, err := durable.Open(d.State())
	if err != nil {
		return nil, err
	}
	defer state.Close()
	if s.Verified, err = verify.ReadCursor(state); err != nil {
		return nil, err
	}
	run, err := runstate.Read(state)
	if err == nil {
		s.Run = &run
	}
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	return s, err
}

// readDays returns the days of the index, or nil if there is no index with days.
func readDays(ctx context.Context, dir string) (*Days, error) {
	ix, err := index.Open(ctx, dir, index.Options{})
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, exec.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer ix.Close()
	days, err := ix.Days(ctx)
	if err != nil || len(days) == 0 {
		return nil, err
	}
	return &Days{First: days[0].Date, Last: days[len(days)-1].Date, Kept: len(days)}, nil
}
