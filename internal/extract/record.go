package extract

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/catalog"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/store"
)

// Catalog is what an extraction needs of catalog.Catalog.
type Catalog interface {
	AdoptLoose(ctx context.Context, found []catalog.Version) error
}

// records are the crates that were proved and are not in the catalog yet.
type records struct {
	mu   sync.Mutex
	rows []catalog.Version
}

// record notes that the crate of a task is in the store, or will be with the next
// checkpoint.
func (r *run) record(t *task) {
	if r.cfg.Catalog == nil {
		return
	}
	row := catalog.Version{
		ID: t.ID, Checksum: t.want, Size: t.Size, Placement: store.Placement{Loose: true},
		Yanked: t.yanked, Listed: r.cfg.Index != nil,
	}
	if row.Listed { // a manifest pins nothing
		row.VerifiedAt = time.Now()
	}
	r.records.mu.Lock()
	r.records.rows = append(r.records.rows, row)
	r.records.mu.Unlock()
}

// recorded takes what the next checkpoint makes durable.
func (r *run) recorded() []catalog.Version {
	r.records.mu.Lock()
	defer r.records.mu.Unlock()
	rows := r.records.rows
	r.records.rows = nil
	return rows
}

// adopt tells the catalog what is durable by now, but for what the store refused.
func (r *run) adopt(ctx context.Context, rows []catalog.Version, refused []store.Refusal) error {
	if len(refused) > 0 {
		not := make(map[crate.ID]bool, len(refused))
		for _, ref := range refused {
			not[ref.ID] = true
		}
		rows = slices.DeleteFunc(rows, func(v catalog.Version) bool { return not[v.ID] })
	}
	if len(rows) == 0 {
		return nil
	}
	return r.cfg.Catalog.AdoptLoose(ctx, rows)
}
