package status

import (
	"context"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/catalog"
)

// Removal is a version, or bytes of one, that the index has stopped naming; its fields are
// those of status -removed -json.
type Removal struct {
	Crate      string    `json:"crate"`
	Version    string    `json:"version"`
	SHA256     string    `json:"sha256"`
	Scope      string    `json:"scope"`                // what the index stopped naming: crate, version, or checksum
	Seen       time.Time `json:"seen"`                 // by the run that found it
	Commit     string    `json:"index_commit"`         // in which that run found it; empty: before this was recorded
	CommitTime time.Time `json:"index_time,omitzero"`  // of the commit
	Returned   time.Time `json:"returned_at,omitzero"` // when the index named it again
}

// EachRemoval calls do with all removals.
func EachRemoval(ctx context.Context, c *catalog.Catalog, do func(*Removal) error) error {
	for r, err := range c.Removed(ctx, false) {
		if err == nil {
			err = do(&Removal{
				Crate: r.Name, Version: r.Version, SHA256: r.Checksum.String(), Scope: r.Scope, Seen: r.Seen,
				Commit: r.At.Commit, CommitTime: r.At.Time, Returned: r.Returned,
			})
		}
		if err != nil {
			return err
		}
	}
	return nil
}
