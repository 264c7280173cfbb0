package extract

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/catalog"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/store"
)

// Catalog is the part of catalog.Catalog that an extraction uses.
type Catalog interface {
	AdoptLoose(ctx context.Context, found []catalog.Version) error
	AdoptRepublished(ctx context.Context, found []catalog.Version) error
	ByChecksum(ctx context.Context, key crate.Key) (catalog.Version, error)
}

// records are verified crates that are not in the catalog yet.
type records struct {
	mu   sync.Mutex
	rows []catalog.Version

	refused map[crate.ID]bool // by the store, rows still to come; belongs to the checkpoints
}

// record adds the crate of a task, which is in the store or will be at the next checkpoint.
func (r *run) record(t *task) {
	if r.cfg.Catalog == nil {
		return
	}
	row := catalog.Version{
		ID: t.ID, Checksum: t.want, Size: t.Size, Placement: t.at(),
		Yanked: t.yanked, Listed: r.cfg.Index != nil && !t.superseded,
	}
	if row.Listed { // a manifest pins nothing
		row.VerifiedAt = time.Now()
	}
	r.records.mu.Lock()
	r.records.rows = append(r.records.rows, row)
	r.records.mu.Unlock()
}

// recorded takes the records that the next checkpoint makes durable.
func (r *run) recorded() []catalog.Version {
	r.records.mu.Lock()
	defer r.records.mu.Unlock()
	rows := r.records.rows
	r.records.rows = nil
	return rows
}

// adopt adds durable crates to the catalog, except those that the store refused. The row of
// a crate may come after the checkpoint that refused it.
func (r *run) adopt(ctx context.Context, rows []catalog.Version, refused []store.Refusal) error {
	for _, ref := range refused {
		if r.records.refused == nil {
			r.records.refused = map[crate.ID]bool{}
		}
		r.records.refused[ref.ID] = true
	}
	came := map[crate.ID]bool{}
	rows = slices.DeleteFunc(rows, func(v catalog.Version) bool {
		not := r.records.refused[v.ID]
		if not {
			came[v.ID] = true
		}
		return not
	})
	maps.DeleteFunc(r.records.refused, func(id crate.ID, _ bool) bool { return came[id] })
	var earlier []catalog.Version
	rows = slices.DeleteFunc(rows, func(v catalog.Version) bool {
		if v.Republished != "" {
			earlier = append(earlier, v)
		}
		return v.Republished != ""
	})
	earlier, err := r.unpinned(ctx, earlier)
	if err != nil {
		return err
	}
	if len(earlier) > 0 {
		if err := r.cfg.Catalog.AdoptRepublished(ctx, earlier); err != nil {
			return err
		}
	}
	if len(rows) == 0 {
		return nil
	}
	return r.cfg.Catalog.AdoptLoose(ctx, rows)
}

// unpinned drops bytes that an index has confirmed as their version's, if only manifests
// say that they are earlier ones: the pin must stay.
func (r *run) unpinned(ctx context.Context, earlier []catalog.Version) ([]catalog.Version, error) {
	if r.cfg.Index != nil {
		return earlier, nil
	}
	left := earlier[:0]
	for i := range earlier {
		row, err := r.cfg.Catalog.ByChecksum(ctx, earlier[i].Key())
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
		if row.VerifiedAt.IsZero() || !row.SupersededAt.IsZero() {
			left = append(left, earlier[i])
		}
	}
	return left, nil
}

// together is how many members are stored between two checkpoints at most: what these do,
// renaming and the catalog, then goes beside the reading of bundles, and not after all
// of it. Each costs two syncs of the file system.
const together = 4096

// checkpoints makes durable what was stored, every Interval, when enough has come together,
// and at the end.
func (r *run) checkpoints(ctx context.Context, done <-chan struct{}) error {
	tick := time.NewTicker(r.cfg.Interval)
	defer tick.Stop()
	for {
		select {
		case <-r.enough:
			if err := r.checkpoint(ctx); err != nil {
				return err
			}
		case <-tick.C:
			if err := r.checkpoint(ctx); err != nil {
				return err
			}
			if err := r.checkSpace(need{}); err != nil {
				return err
			}
		case <-done:
			return r.checkpoint(ctx)
		}
	}
}

// checkpoint names all members that were stored before.
func (r *run) checkpoint(ctx context.Context) error {
	defer r.waiting.checkpoint()()
	stored, rows := r.stored.Load(), r.recorded()
	done, err := r.cfg.Store.Checkpoint(ctx)
	if err != nil {
		return fmt.Errorf("storing crates: %w", err)
	}
	for _, ref := range done.Refused {
		p := Problem{Kind: Failed, ID: ref.ID, Err: ref.Err}
		if errors.Is(ref.Err, fs.ErrExist) { // from another bundle, or another program's
			p.Kind, p.Err = Occupied, errOccupied(ref.ID)
		}
		r.problem(p)
	}
	r.refused += int64(len(done.Refused))
	r.cfg.Progress.extracted.Store(max(0, stored-r.refused))
	return r.adopt(ctx, rows, done.Refused)
}
