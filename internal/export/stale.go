package export

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/index"
)

// removeStale removes the index files of crates that are no longer shown.
func (r *run) removeStale(ctx context.Context) error {
	var stale []string
	total := int64(0)
	err := r.walkIndex(ctx, ".", func(name string) {
		total++
		if !r.shown[name] {
			stale = append(stale, name)
		}
	})
	if err != nil {
		return err
	}
	if !r.AcceptShrink {
		if err := index.CheckShrink(int64(len(stale)), total, "crates of the export are not held by the mirror", "look whether it is the right mirror"); err != nil {
			return err
		}
	}
	for _, name := range stale {
		if err := r.disk.remove(r.index(name)); err != nil {
			return fmt.Errorf("removing an index file: %w", err)
		}
		r.Progress.removed.Add(1)
	}
	return nil
}

// walkIndex calls f for each index file of the tree.
func (r *run) walkIndex(ctx context.Context, dir string, f func(name string)) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	entries, err := r.disk.ReadDir(r.index(dir))
	if err != nil {
		return fmt.Errorf("listing the index of the export: %w", err)
	}
	for _, e := range entries {
		name := path.Join(dir, e.Name())
		if !e.IsDir() {
			if crate.CheckIndexPath(name) {
				f(name)
			}
		} else if name == ".git" {
			continue
		} else if err := r.walkIndex(ctx, name, f); err != nil {
			return err
		}
	}
	return nil
}

// prune removes crate files that no line of the tree names.
func (r *run) prune(ctx context.Context) error {
	if r.Layout == LocalRegistry {
		return r.pruneFlat(ctx)
	}
	folders, err := r.disk.ReadDir(cratesDir)
	if err != nil {
		return fmt.Errorf("listing the crates of the export: %w", err)
	}
	for _, e := range folders {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if !e.IsDir() || crate.CheckName(e.Name()) != nil {
			continue // not ours
		}
		if err := r.pruneCrate(e.Name()); err != nil {
			return fmt.Errorf("removing crate files that no line names: %w", err)
		}
	}
	return r.disk.syncRemoved()
}

// pruneFlat is prune for layouts in which the files of all crates are in one folder.
func (r *run) pruneFlat(ctx context.Context) error {
	files, err := r.disk.ReadDir(".")
	if err != nil {
		return fmt.Errorf("listing the crates of the export: %w", err)
	}
	named, of := map[string]bool{}, ""
	for _, f := range files {
		id, err := crate.ParseFileName(f.Name())
		if err != nil || f.IsDir() {
			continue // not ours
		}
		if err := context.Cause(ctx); err != nil {
			return err
		}
		if id.Name != of { // files of one crate are neighbours, almost always
			if named, err = r.named(id.Name); err != nil {
				return err
			}
			of = id.Name
		}
		if named[f.Name()] {
			continue
		}
		if err := r.disk.remove(f.Name()); err != nil {
			return fmt.Errorf("removing crate files that no line names: %w", err)
		}
		r.Progress.pruned.Add(1)
	}
	return r.disk.syncRemoved()
}

func (r *run) pruneCrate(name string) error {
	named, err := r.named(name)
	if err != nil {
		return err
	}
	dir := folderOf(name)
	files, err := r.disk.ReadDir(dir)
	if err != nil {
		return err
	}
	left := len(files)
	for _, f := range files {
		if f.IsDir() || path.Ext(f.Name()) != crate.Ext || named[f.Name()] {
			continue
		}
		if err := r.disk.remove(path.Join(dir, f.Name())); err != nil {
			return err
		}
		left--
		r.Progress.pruned.Add(1)
	}
	if left == 0 {
		return r.disk.remove(dir)
	}
	return nil
}

// named returns the crate files in the folder of a crate that the tree's own index names.
func (r *run) named(name string) (map[string]bool, error) {
	body, err := durable.ReadFile(r.disk, r.index(crate.IndexPath(name)), index.MaxFile)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	return filesNamed(name, body)
}

// filesNamed returns the crate files in the folder of a crate that an index file names.
func filesNamed(name string, body []byte) (map[string]bool, error) {
	named := map[string]bool{}
	for line := range bytes.Lines(body) {
		e, err := index.ParseLine(bytes.TrimSuffix(line, []byte("\n")))
		if err != nil {
			return nil, fmt.Errorf("reading the line of %s in the export: %w", e.ID, err)
		}
		if e.Name != name {
			continue
		}
		for _, file := range fileNames(e.ID) {
			named[file] = true
		}
	}
	return named, nil
}
