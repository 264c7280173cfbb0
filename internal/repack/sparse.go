package repack

import (
	"context"
	"errors"
	"io/fs"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/catalog"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/deep"
)

// adopt records the packs that an earlier run wrote but was interrupted before recording.
func (r *run) adopt(ctx context.Context) error {
	for _, rows := range r.Segments.found {
		if err := r.append(ctx, &built{rows: rows, keep: true}); err != nil {
			return err
		}
	}
	r.Segments.found = nil
	return r.record(ctx)
}

// markPublished records as whole the segments that an earlier run published but was
// interrupted before recording.
func (r *run) markPublished(ctx context.Context) error {
	segments, err := r.Catalog.Segments(ctx)
	if err != nil {
		return err
	}
	for _, s := range segments {
		if s.Whole {
			continue
		}
		found, err := r.Segments.describe(ctx, s.Name)
		if errors.Is(err, fs.ErrNotExist) { // unfinished
			continue
		}
		if err == nil {
			err = r.Catalog.Commit(ctx, catalog.Batch{Segments: []catalog.Bundle{found}})
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// findSparse finds the segments whose rows name less than half of them.
func (r *run) findSparse(ctx context.Context) error {
	segments, err := r.Catalog.Segments(ctx)
	if err != nil {
		return err
	}
	live, err := r.Catalog.PackedBytes(ctx)
	if err != nil {
		return err
	}
	r.sparse = map[string]bool{}
	for _, s := range segments {
		if !s.Whole || s.Thrown() {
			continue
		}
		size, err := r.Segments.size(s.Name)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		if live[s.Name] < size/2 || err != nil && live[s.Name] == 0 {
			r.sparse[s.Name] = true
		}
	}
	return nil
}

// finish ends a run that reached the end of the catalog.
func (r *run) finish(ctx context.Context) error {
	if !r.KeepOpen {
		if err := r.publish(ctx); err != nil {
			return err
		}
	}
	if err := r.removeSparse(ctx); err != nil || r.Originals == nil {
		return err
	}
	return r.Originals.FreeBundles(ctx)
}

func (r *run) publishFull(ctx context.Context) error {
	if !r.Segments.isFull() {
		return nil
	}
	return r.publish(ctx)
}

// publish gives the current segment its name and records that it is whole.
func (r *run) publish(ctx context.Context) error {
	name, sum, err := r.Segments.publish()
	if err != nil || name == "" {
		return err
	}
	r.done.SegmentsPublished++
	return r.Catalog.Commit(ctx, catalog.Batch{Segments: []catalog.Bundle{{
		Name: name, Whole: true, Entries: sum.Versions, Bytes: sum.Size, Checksum: sum.Checksum,
	}}})
}

// removeSparse removes segments that no row names any more.
func (r *run) removeSparse(ctx context.Context) error {
	if len(r.sparse) == 0 {
		return nil
	}
	live, err := r.Catalog.PackedBytes(ctx)
	if err != nil {
		return err
	}
	for name := range r.sparse {
		if live[name] > 0 { // part of it could not be packed again
			continue
		}
		if err := r.Segments.remove(name); err != nil {
			return err
		}
		r.done.SegmentsRemoved++
		if err := r.Catalog.Commit(ctx, catalog.Batch{Segments: []catalog.Bundle{{Name: name, Whole: true}}}); err != nil {
			return err
		}
	}
	return nil
}

// held returns the rows of a crate that are in the deep archive, are not packed again, and
// have other copies that repack must remove.
func (r *run) held(rows, chosen []catalog.Version, hot crate.Key) (list []catalog.Version) {
	if r.Originals == nil {
		return nil
	}
	packed := map[crate.Key]bool{hot: true}
	for i := range chosen {
		packed[chosen[i].Key()] = true
	}
	for i := range rows {
		v := &rows[i]
		if v.Deep.Segment != "" && (v.Bundle != "" || hasFile(v)) && !packed[v.Key()] {
			list = append(list, *v)
		}
	}
	return list
}

// count counts the versions of a crate.
func (r *run) count(rows, chosen []catalog.Version, merged int) {
	r.done.Merged += int64(merged)
	r.Progress.Seen.Add(int64(len(rows)))
	if len(chosen) > 0 {
		return
	}
	for i := range rows {
		if rows[i].Deep.Segment == "" {
			r.done.Waiting++
		}
	}
}

// countPack counts a written pack.
func (r *run) countPack(p *deep.Pack) {
	r.done.Packed += p.Size()
	for i := range p.Versions {
		v := &p.Versions[i]
		r.done.Versions++
		r.done.Size += v.Size
		if v.Encoder == deep.Verbatim {
			r.done.Verbatim[v.Reason]++
		}
	}
	r.Progress.Versions.Store(r.done.Versions)
	r.Progress.Bytes.Store(r.done.Size)
	r.Progress.Packed.Store(r.done.Packed)
}
