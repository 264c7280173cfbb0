package export

import (
	"context"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/index"
)

// removeStale removes the index files of crates that are no longer shown.
func (r *bucketRun) removeStale(ctx context.Context) error {
	var stale []string
	for name := range r.state.has {
		if !r.shown[name] {
			stale = append(stale, name)
		}
	}
	slices.Sort(stale)
	if !r.AcceptShrink {
		if err := index.CheckShrink(int64(len(stale)), int64(len(r.state.has)), "crates of the export are not held by the mirror", "look whether it is the right mirror"); err != nil {
			return err
		}
	}
	for batch := range slices.Chunk(stale, batchSize) {
		if err := r.claim.check(ctx); err != nil {
			return err
		}
		if err := r.state.forget(batch); err != nil {
			return err
		}
		err := each(ctx, len(batch), func(ctx context.Context, n int) error {
			return r.To.Remove(ctx, path.Join(IndexDir, batch[n]))
		})
		if err != nil {
			return fmt.Errorf("removing an index file: %w", err)
		}
		r.Progress.removed.Add(int64(len(batch)))
		if err := r.state.removed(batch); err != nil {
			return err
		}
	}
	return nil
}

// prune removes crate files that no line of the bucket's own index names.
func (r *bucketRun) prune(ctx context.Context) error {
	folder, named := "", map[string]bool(nil)
	for o, err := range r.To.List(ctx, cratesDir+"/") {
		if err != nil {
			return fmt.Errorf("listing the crates of the export: %w", err)
		}
		name, file, ok := strings.Cut(strings.TrimPrefix(o.Key, cratesDir+"/"), "/")
		if !ok || strings.Contains(file, "/") || path.Ext(file) != crate.Ext || crate.CheckName(name) != nil {
			continue // not ours
		}
		if name != folder {
			if named, err = r.named(ctx, name); err != nil {
				return err
			}
			folder = name
		}
		if named[file] {
			continue
		}
		// Another run may have put it before its line.
		if err := r.claim.check(ctx); err != nil {
			return err
		}
		if err := r.To.Remove(ctx, o.Key); err != nil {
			return fmt.Errorf("removing crate files that no line names: %w", err)
		}
		r.Progress.pruned.Add(1)
	}
	return nil
}

// named returns the crate files that the bucket's index file of a crate names.
func (r *bucketRun) named(ctx context.Context, name string) (map[string]bool, error) {
	body, err := r.read(ctx, crate.IndexPath(name))
	if err != nil {
		return nil, err
	}
	return filesNamed(name, body)
}
