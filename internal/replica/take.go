package replica

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/catalog"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/root"
)

// take applies a root to the folder, in the steps of the package comment.
func (r *Replica) take(ctx context.Context, next *root.Root) error {
	if err := r.begin(ctx, next); err != nil {
		return err
	}
	known, err := r.writer.Catalog.Bundles(ctx)
	if err != nil {
		return err
	}
	fresh, gone, err := compare(known, next.Bundles)
	if err != nil {
		return err
	}
	packed, err := r.writer.Catalog.Segments(ctx)
	if err != nil {
		return err
	}
	freshToo, goneToo, err := compare(packed, next.Segments)
	if err != nil {
		return err
	}
	if err := r.checkLists(ctx, fresh); err != nil {
		return err
	}
	damaged, err := r.checkSegments(ctx, freshToo)
	if err != nil {
		return err
	}
	links, err := r.in.FetchIndex(ctx, r.cfg.Dirs.Index, &next.Index)
	if err != nil {
		return err
	}
	if err := r.in.MoveIndex(ctx, r.cfg.Dirs.Index, links); err != nil {
		return err
	}
	r.cfg.Show(either(r.State().Root, next))
	for _, f := range fresh {
		if err := r.adopt(ctx, f); err != nil {
			return fmt.Errorf("adopting %s: %w", f.Name, err)
		}
	}
	for _, f := range freshToo {
		if err := r.adoptSegment(ctx, f, damaged[f.Name]); err != nil {
			return fmt.Errorf("adopting %s: %w", f.Name, err)
		}
	}
	if gone || goneToo {
		if err := r.forget(ctx, next); err != nil {
			return err
		}
	}
	r.cfg.Show(next)
	return r.in.Tidy()
}

// either returns what the next root names, and also bundles that the last one named: their
// rows are in the catalog until they are removed.
func either(last, next *root.Root) *root.Root {
	if last == nil {
		return next
	}
	all := *next
	all.Bundles = slices.Concat(last.Bundles, next.Bundles)
	all.Segments = slices.Concat(last.Segments, next.Segments)
	return &all
}

// begin opens the catalog, or makes a new one from the snapshot if that is good.
func (r *Replica) begin(ctx context.Context, next *root.Root) error {
	if r.writer.Catalog != nil {
		return nil
	}
	if r.cfg.Dirs.HasCatalog() || next.Catalog == nil {
		return r.writer.OpenCatalog()
	}
	if err := r.install(ctx, next.Catalog); err != nil {
		if ctx.Err() != nil || durable.IsBroken(err) {
			return err
		}
		r.cfg.Log.Warn("the snapshot of the catalog is not used: the lists of all bundles are read, which takes some minutes for a full mirror", "err", err)
		return r.writer.OpenCatalog()
	}
	if err := r.writer.OpenCatalog(); err != nil {
		return err
	}
	// The snapshot has what its writer held, including what was only on the writer's disk.
	return r.forget(ctx, next)
}

func (r *Replica) install(ctx context.Context, s *root.Snapshot) error {
	if err := r.in.Fetch(ctx, root.CatalogDir, &s.File); err != nil {
		return err
	}
	f, err := r.in.Open(&s.File)
	if err != nil {
		return err
	}
	defer f.Close()
	return catalog.Install(ctx, r.cfg.Dirs.Catalog(), f, s.Size, s.SHA256)
}

// compare returns which bundles a catalog lacks, and whether it knows bundles that are no
// longer named. A bundle never changes: if one has changed, or two roots of a mirror
// contradict each other, that is an error.
func compare(known []catalog.Bundle, named []root.File) (fresh []*root.File, gone bool, err error) {
	have := make(map[string]crate.Checksum, len(known))
	for _, b := range known {
		if have[b.Name] = (crate.Checksum{}); b.Whole {
			have[b.Name] = b.Checksum
		}
	}
	for i := range named {
		f := &named[i]
		sum, ok := have[f.Name]
		delete(have, f.Name)
		switch {
		case !ok || sum == (crate.Checksum{}): // new, or a kill cut its adoption off
			fresh = append(fresh, f)
		case sum != f.SHA256:
			return nil, false, fmt.Errorf("the root names other bytes of %s than before (sha256 %s, was %s), and bundles never change", f.Name, f.SHA256, sum)
		}
	}
	return fresh, len(have) > 0, nil
}

// forget removes from the catalog what the root does not name. Crates of a removed bundle
// may also be in one that stays, and the catalog knows only one place of each, so the
// others are read again.
func (r *Replica) forget(ctx context.Context, next *root.Root) error {
	lost, err := r.writer.Catalog.Keep(ctx, names(next.Bundles), names(next.Segments))
	if err != nil || lost == 0 {
		return err
	}
	r.cfg.Log.Info("bundles or segments are gone from the bucket, and crates with them: what is in the others is read again, should they have them too", "versions", lost)
	return errors.Join(r.bundlesAgain(ctx, next), r.segmentsAgain(ctx, next))
}

func (r *Replica) bundlesAgain(ctx context.Context, next *root.Root) error {
	known, err := r.writer.Catalog.Bundles(ctx)
	if err != nil {
		return err
	}
	for _, f := range both(known, next.Bundles) {
		if err := r.checkLists(ctx, []*root.File{f}); err != nil {
			return err
		}
		if err := r.adopt(ctx, f); err != nil {
			return fmt.Errorf("adopting %s again: %w", f.Name, err)
		}
	}
	return nil
}

func (r *Replica) segmentsAgain(ctx context.Context, next *root.Root) error {
	known, err := r.writer.Catalog.Segments(ctx)
	if err != nil {
		return err
	}
	for _, f := range both(known, next.Segments) {
		damaged, err := r.checkSegment(ctx, f)
		if err != nil {
			return err
		}
		if err := r.adoptSegment(ctx, f, damaged); err != nil {
			return fmt.Errorf("adopting %s again: %w", f.Name, err)
		}
	}
	return nil
}

// both returns the files that a catalog knows and a root names.
func both(known []catalog.Bundle, named []root.File) (files []*root.File) {
	for i := range named {
		if slices.ContainsFunc(known, func(b catalog.Bundle) bool { return b.Name == named[i].Name }) {
			files = append(files, &named[i])
		}
	}
	return files
}

func names(files []root.File) (names []string) {
	for i := range files {
		names = append(names, files[i].Name)
	}
	return names
}
