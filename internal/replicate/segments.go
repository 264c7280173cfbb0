package replicate

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"runtime"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sync/semaphore"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/catalog"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/deep"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/root"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/store"
)

// takeSegment copies one segment of the deep archive.
func (j *replication) takeSegment(ctx context.Context, f *root.File) error {
	folder, name := j.deep, path.Join(arriving, f.Name)
	check := &unpacking{of: f}
	err := j.fetch(ctx, folder, root.DeepDir, f, func(file io.ReaderAt) error {
		check.judging = newJudging(j)
		return check.run(ctx, file)
	})
	if err != nil {
		return err
	}
	as, err := j.segmentName(ctx)
	if err != nil {
		return err
	}
	if err := folder.Publish(name, as); err != nil {
		return err
	}
	if err := folder.SyncDir("."); err != nil {
		return err
	}
	if err := j.recordSegment(ctx, as, f, check.verdicts); err != nil {
		return err
	}
	j.taken[as] = true
	j.res.Segments++
	j.res.Versions += int64(f.Entries)
	j.res.Bytes += f.Size
	j.res.Unnamed += check.unnamed
	j.cfg.Log.Info("copied a segment", "segment", f.Name, "as", as, "versions", f.Entries, "bytes", f.Size)
	return nil
}

// segmentName returns the name of the next segment.
func (j *replication) segmentName(ctx context.Context) (string, error) {
	entries, err := j.deep.ReadDir(".")
	if err != nil {
		return "", err
	}
	known, err := j.w.Catalog.Segments(ctx)
	if err != nil {
		return "", err
	}
	next := 0
	seen := func(name string) {
		if n, err := deep.ParseFileName(name); err == nil {
			next = max(next, n.Number+1)
		}
	}
	for _, e := range entries {
		seen(e.Name())
		if name := e.Name(); path.Ext(name) == deep.PartExt {
			seen(name[:len(name)-len(deep.PartExt)])
		}
	}
	for i := range known {
		seen(known[i].Name)
	}
	if number := j.w.SegmentNumber(); number != nil {
		if next, err = number(next); err != nil {
			return "", err
		}
	}
	return deep.FileName(next), nil
}

// unpacking is the check of one segment, which rebuilds every crate.
type unpacking struct {
	of *root.File
	judging
}

// rebuildMemory bounds the memory of all rebuilds together, in bytes; a rebuild that needs
// more runs alone.
const rebuildMemory = 1 << 30

// run judges and rebuilds every crate of a segment, on all cores.
func (u *unpacking) run(ctx context.Context, file io.ReaderAt) error {
	r, err := deep.Open(u.of.Name, file, u.of.Size)
	if err != nil {
		return &MembersError{[]string{err.Error()}}
	}
	memory := semaphore.NewWeighted(rebuildMemory)
	rebuilds, inside := errgroup.WithContext(ctx)
	rebuilds.SetLimit(runtime.GOMAXPROCS(0))
	for d, err := range r.Directories() {
		if deep.IsDamage(err) || errors.Is(err, deep.ErrTable) || errors.Is(err, deep.ErrUnfinished) {
			err = &MembersError{[]string{err.Error()}}
		}
		if err == nil {
			err = u.judgePack(inside, d)
		}
		cost := min(costOf(d), rebuildMemory)
		if err == nil {
			err = memory.Acquire(inside, cost)
		}
		if err != nil {
			rebuilds.Go(func() error { return err })
			break
		}
		rebuilds.Go(func() error {
			defer memory.Release(cost)
			return rebuildPack(inside, r, d)
		})
	}
	if err := rebuilds.Wait(); err != nil {
		return err
	}
	return u.end(ctx, u.of)
}

func (u *unpacking) judgePack(ctx context.Context, d *deep.Directory) error {
	for n := range d.Versions {
		if len(u.verdicts) == u.of.Entries {
			return &MembersError{[]string{fmt.Sprintf("more than %d crates are in it", u.of.Entries)}}
		}
		if err := u.add(ctx, d.Versions[n].Key, d.Versions[n].Size); err != nil {
			return err
		}
	}
	return nil
}

// costOf returns the memory for rebuilding the crates of a pack, in bytes.
func costOf(d *deep.Directory) (most int64) {
	if d == nil {
		return 0
	}
	for n := range d.Versions {
		most = max(most, d.Cost(n))
	}
	return most
}

// rebuildPack rebuilds every crate of a pack, and verifies it with the pack's checksum.
func rebuildPack(ctx context.Context, r *deep.Reader, d *deep.Directory) error {
	var wrong []string
	err := r.Check(ctx, d, deep.Crates, func(n int, err error) {
		if err != nil {
			wrong = append(wrong, fmt.Sprintf("%s: %v", d.Versions[n].ID, err))
		}
	})
	if deep.IsDamage(err) {
		wrong, err = append(wrong, err.Error()), nil
	}
	if err == nil && len(wrong) > 0 {
		err = &MembersError{wrong}
	}
	return err
}

// recordSegment records the checked crates of a segment in the catalog.
func (j *replication) recordSegment(ctx context.Context, name string, f *root.File, verdicts []judgement) error {
	file, err := j.deep.Open(name)
	if err != nil {
		return err
	}
	defer file.Close()
	if err := j.w.Catalog.Commit(ctx, catalog.Batch{Segments: []catalog.Bundle{catalog.Adopting(name)}}); err != nil {
		return err
	}
	rec := recording{j: j}
	for d, err := range deep.OpenKnown(name, file, f.Size).Directories() {
		if err != nil {
			return err
		}
		for n := range d.Versions {
			v := &d.Versions[n]
			place := store.Placement{Deep: store.DeepPlace{Segment: name, Pack: d.Offset, PackSize: d.Size, Number: n}}
			if err := rec.add(ctx, catalog.Version{ID: v.ID, Checksum: v.Checksum, Size: v.Size}, place, verdicts[rec.n]); err != nil {
				return err
			}
		}
	}
	if err := rec.flush(ctx); err != nil {
		return err
	}
	whole := catalog.Bundle{Name: name, Whole: true, Entries: f.Entries, Bytes: f.Bytes, Checksum: f.SHA256}
	return j.w.Catalog.Commit(ctx, catalog.Batch{Segments: []catalog.Bundle{whole}})
}
