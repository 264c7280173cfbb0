package replicate

import (
	"context"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/catalog"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/root"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/store"
)

// batch is the number of rows that are written at a time.
const batch = 4096

// recording writes the results of a check to the catalog.
type recording struct {
	j        *replication
	n        int               // number of rows added
	named    []catalog.Version // that the index names, or named
	unnamed  []catalog.Version
	recorded time.Time // zero: nothing yet
}

// add records a crate at a place. The given row has only ID, checksum and size.
func (r *recording) add(ctx context.Context, row catalog.Version, place store.Placement, v judgement) (err error) {
	if r.n++; r.recorded.IsZero() {
		r.recorded = time.Now()
	}
	if v&held != 0 {
		if row, err = r.j.w.Catalog.ByChecksum(ctx, crate.Key{ID: row.ID, Checksum: row.Checksum}); err != nil {
			return err
		}
	}
	switch said := v &^ held; {
	case said == unnamed:
		row.Placement = place
		r.unnamed = append(r.unnamed, row)
	case said != earlier:
		row.VerifiedAt, row.Listed, row.Yanked, row.SupersededAt = r.recorded, true, said == yanked, time.Time{}
	case row.SupersededAt.IsZero():
		row.SupersededAt, row.Listed = r.recorded, false
	}
	if v&^held != unnamed {
		row.Placement = row.With(place)
		r.named = append(r.named, row)
	}
	if len(r.named)+len(r.unnamed) < batch {
		return nil
	}
	return r.flush(ctx)
}

func (r *recording) flush(ctx context.Context) error {
	if err := r.j.w.Catalog.Commit(ctx, catalog.Batch{Versions: r.named}); err != nil {
		return err
	}
	err := r.j.w.Catalog.Adopt(ctx, r.unnamed)
	r.named, r.unnamed = r.named[:0], r.unnamed[:0]
	return err
}

// record records the checked members of a bundle in the catalog.
func (j *replication) record(ctx context.Context, name string, f *root.File, verdicts []judgement) error {
	rec := recording{j: j}
	for m, err := range j.members(ctx, f) {
		if err != nil {
			return err
		}
		place := store.Placement{Bundle: name, Offset: m.Offset, FrameSize: m.FrameSize}
		if err := rec.add(ctx, catalog.Version{ID: m.ID, Checksum: m.Checksum, Size: m.Size}, place, verdicts[rec.n]); err != nil {
			return err
		}
	}
	return rec.flush(ctx)
}
