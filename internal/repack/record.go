package repack

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/catalog"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/deep"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/store"
)

// Packs are recorded together once they have this many bytes, or after this time: the
// maximum loss after a kill.
const (
	recordBytes = 64 << 20
	recordAfter = 30 * time.Second
)

// append durably appends a pack to the current segment. A built without a Pack is there
// already, and is only verified again.
func (r *run) append(ctx context.Context, b *built) error {
	if b.Pack != nil {
		name, at, err := r.Segments.append(b.Pack)
		if err != nil {
			return err
		}
		for n := range b.rows {
			b.rows[n].Deep = store.DeepPlace{Segment: name, Pack: at.Offset, PackSize: at.Size, Number: n}
		}
		r.countPack(b.Pack)
	}
	r.pending = append(r.pending, b)
	r.waiting += packSize(b)
	if r.waiting < recordBytes && time.Since(r.recorded) < recordAfter {
		return nil
	}
	return r.record(ctx)
}

func packSize(b *built) int64 { return b.rows[0].Deep.PackSize }

// record verifies what was appended and records it; then it removes what that replaces.
func (r *run) record(ctx context.Context) error {
	err := r.proveAll(ctx)
	r.pending = slices.DeleteFunc(r.pending, func(b *built) bool { return len(b.rows) == 0 })
	if err != nil {
		return err
	}
	var batch catalog.Batch
	for _, b := range r.pending {
		for n := range b.rows {
			if v := &b.rows[n]; r.Originals != nil && b.goes(n) {
				v.Placement = v.WithoutBundle()
			}
		}
		batch.Versions = append(batch.Versions, b.rows...)
	}
	if err := r.Catalog.Commit(ctx, batch); err != nil {
		return err
	}
	if err := r.removeLoose(ctx); err != nil {
		return err
	}
	r.pending, r.waiting, r.recorded = nil, 0, time.Now()
	return r.publishFull(ctx)
}

// removeLoose removes the loose files of what was recorded, and then records that.
func (r *run) removeLoose(ctx context.Context) error {
	if r.Originals == nil {
		return nil
	}
	var ids []crate.ID
	var batch catalog.Batch
	for _, b := range r.pending {
		for n, v := range b.rows {
			if !hasFile(&v) || !b.goes(n) {
				continue
			}
			ids = append(ids, v.ID)
			v.Placement = v.WithoutFile()
			batch.Versions = append(batch.Versions, v)
		}
	}
	if len(ids) == 0 {
		return nil
	}
	if err := r.Originals.RemoveLoose(ids); err != nil {
		return err
	}
	r.done.LooseRemoved += int64(len(ids))
	return r.Catalog.Commit(ctx, batch)
}

// hasFile reports whether a version has a loose file that repack removes. Earlier bytes of
// a version stay in republished/: there are few.
func hasFile(v *catalog.Version) bool { return v.Loose && v.Republished == "" }

// proveAll rebuilds every pending version from the disk.
func (r *run) proveAll(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(r.Workers)
	for _, b := range r.pending {
		g.Go(func() error {
			if err := r.prove(ctx, b); err != nil {
				return fmt.Errorf("reading back what was packed of %s in %s: %w", b.rows[0].Name, b.rows[0].Deep.Segment, err)
			}
			return nil
		})
	}
	return g.Wait()
}

// prove rebuilds the versions of a pack that rows name and verifies them with the checksums
// in the catalog. If a pack from before is bad, the run continues: its versions keep their
// other copies.
func (r *run) prove(ctx context.Context, b *built) error {
	err := r.rebuild(ctx, b)
	if err == nil || b.Pack != nil || ctx.Err() != nil {
		return err
	}
	for _, v := range b.rows {
		r.fail(v.ID, err)
	}
	b.rows = nil // is not recorded
	return nil
}

var errOther = errors.New("the pack has other versions than the catalog says")

func (r *run) rebuild(ctx context.Context, b *built) error {
	s, err := r.Segments.Open(b.rows[0].Deep.Segment)
	if err != nil {
		return err
	}
	defer s.Close()
	d, err := s.Directory(deep.Placement{Offset: b.rows[0].Deep.Pack, Size: b.rows[0].Deep.PackSize})
	if err != nil {
		return err
	}
	want := map[int]crate.Key{}
	for _, v := range b.rows {
		if v.Deep.Number >= len(d.Versions) || d.Versions[v.Deep.Number].Key != v.Key() {
			return errOther
		}
		want[v.Deep.Number] = v.Key()
	}
	return s.RebuildAll(ctx, d, func(n int, data []byte, err error) error {
		if key, ok := want[n]; ok {
			if err == nil && sha256.Sum256(data) != key.Checksum {
				err = errOther
			}
			return err
		}
		return nil
	})
}
