package index

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
)

// A Difference is an index file that differs between two commits. Before or After is nil if
// the file does not exist there.
type Difference struct {
	Path          string
	Before, After *Crate
}

// Differences yields the index files that differ between two commits of the index's past
// that At returned, ordered by path. It reads only those and holds one at a time, whatever
// their number. The caller may keep what it yields.
//
// An error ends the sequence: ErrNoPast, or git failed, or ctx ended.
func (x *Index) Differences(ctx context.Context, from, to Revision) iter.Seq2[*Difference, error] {
	return func(yield func(*Difference, error) bool) {
		err := x.differences(ctx, from, to, func(d *Difference) bool { return yield(d, nil) })
		if err != nil && !errors.Is(err, errStopped) {
			yield(nil, fmt.Errorf("comparing commit %.12s of index %s with %.12s: %w", from.Commit, x.dir, to.Commit, err))
		}
	}
}

func (x *Index) differences(ctx context.Context, from, to Revision, yield func(*Difference) bool) error {
	if x.repo == nil {
		return ErrNoPast
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	objects, err := x.repo.openObjects(ctx)
	if err != nil {
		return err
	}
	files := &fileReader{gitLookup{objects.Batch}, fileParser{log: x.log}}
	err = x.repo.eachDifference(ctx, from.Commit, to.Commit, func(before, after listed) error {
		d := &Difference{Path: before.Path}
		if after.Path != "" {
			d.Path = after.Path
		}
		var err error
		if d.Before, err = files.read(before); err != nil {
			return err
		}
		if d.After, err = files.read(after); err != nil {
			return err
		}
		if !yield(d) {
			return errStopped
		}
		return nil
	})
	if err != nil {
		cancel() // git may be writing an answer
		_ = objects.Close()
		return err
	}
	return objects.Close()
}

// A fileReader reads index files by the ids of their content.
type fileReader struct {
	gitLookup
	parser fileParser
}

// read returns the listed file, or nil for an absent one. An error is git's; that of a
// single file is in Crate.Err.
func (r *fileReader) read(f listed) (*Crate, error) {
	if f.Path == "" {
		return nil, nil
	}
	cr := &Crate{File: f.File, Err: f.err}
	if cr.Err != nil {
		return cr, nil
	}
	content, _, err := r.object(f.Blob.String(), "blob")
	switch {
	case errors.Is(err, fs.ErrNotExist): // a partial clone
		cr.Err = errMissing
	case errors.As(err, new(*fileError)):
		cr.Err = err
	case err != nil:
		return nil, fmt.Errorf("reading blob %s of %s: %w", f.Blob, f.Path, err)
	default:
		r.parser.file(cr, content, nil)
	}
	return cr, nil
}
