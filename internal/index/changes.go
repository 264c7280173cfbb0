package index

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
)

// maxChanges bounds what Changes holds in memory. For more changes, reading the whole index
// costs hardly more.
const maxChanges = 10_000

// ErrManyChanges means that so many files differ that comparing them one by one is not
// worthwhile.
var ErrManyChanges = errors.New("too many index files have changed")

// Changes compares the index with an earlier commit of it. It returns an index of only the
// new and changed files, and of those at the paths in also, which should be few; and the
// paths of the removed files. The returned index is valid as long as x, and need not be
// closed.
//
// Errors: ErrManyChanges. Any error means that the whole index must be read: git may no
// longer have the earlier commit, and a plain folder never has it.
func (x *Index) Changes(ctx context.Context, since string, also []string) (changed *Index, gone []string, err error) {
	repo := x.repo
	if repo == nil {
		return nil, nil, errors.New("comparing with an earlier index: this one is a plain folder")
	}
	if err := checkCommit(since); err != nil {
		return nil, nil, fmt.Errorf("comparing with an earlier index: %w", err)
	}
	files, gone, err := repo.diff(ctx, since, x.revision.Commit)
	if err == nil {
		files, err = repo.find(ctx, x.revision.Commit, also, files)
	}
	if err != nil {
		return nil, nil, fmt.Errorf("comparing with commit %s: %w", since, err)
	}
	part := *x // it has the same past
	part.source = selection{x.source, files}
	return &part, gone, nil
}

func checkCommit(id string) error {
	if _, err := hex.DecodeString(id); err != nil || len(id) != 2*len(Blob{}) {
		return fmt.Errorf("%q is not the id of a commit", id)
	}
	return nil
}

// diff returns the index files in which two commits differ.
func (r *repository) diff(ctx context.Context, from, to string) (changed []listed, gone []string, err error) {
	err = r.eachDifference(ctx, from, to, func(before, after listed) error {
		switch {
		case len(changed)+len(gone) == maxChanges:
			return ErrManyChanges
		case after.Path != "":
			changed = append(changed, after)
		case before.err == nil:
			gone = append(gone, before.Path)
		}
		return nil
	})
	return changed, gone, err
}

// find adds to files what a commit has at some paths, and sorts them.
func (r *repository) find(ctx context.Context, commit string, paths []string, files []listed) ([]listed, error) {
	for some := range slices.Chunk(paths, 500) { // the length of a command line is limited
		err := r.eachListed(ctx, func(f listed) error {
			files = append(files, f)
			return nil
		}, append([]string{"-z", "--full-tree", commit, "--"}, some...)...)
		if err != nil {
			return nil, err
		}
	}
	byPath := func(a, b listed) int { return strings.Compare(a.Path, b.Path) }
	slices.SortFunc(files, byPath)
	return slices.CompactFunc(files, func(a, b listed) bool { return a.Path == b.Path }), nil
}

// eachDifference calls fn for the paths at which two commits differ, ordered by path. A
// side that is not an index file, or is absent, has no Path.
func (r *repository) eachDifference(ctx context.Context, from, to string, fn func(before, after listed) error) error {
	d := differ{fn: fn}
	return r.EachField(ctx, d.field, "diff-tree", "-r", "-z", "--raw", "--no-abbrev", "--no-renames", from, to)
}

// A differ reads the output of diff-tree: ":{mode} {mode} {id} {id} {status}", NUL,
// path, NUL.
type differ struct {
	fn   func(before, after listed) error
	meta [][]byte // precedes the path that it describes
}

func (d *differ) field(field []byte) error {
	if d.meta == nil {
		d.meta = bytes.Fields(bytes.Clone(field))
		if len(d.meta) != 5 {
			return fmt.Errorf("unexpected output of diff-tree: %.100q", field)
		}
		return nil
	}
	meta, path := d.meta, string(field)
	d.meta = nil
	before, err := parseSide(bytes.TrimPrefix(meta[0], []byte(":")), meta[2], path)
	if err != nil {
		return err
	}
	after, err := parseSide(meta[1], meta[3], path)
	if err == nil && (before.Path != "" || after.Path != "") {
		err = d.fn(before, after)
	}
	return err
}

// parseSide parses what one of two commits has at a path.
func parseSide(mode, id []byte, path string) (listed, error) {
	if string(mode) == "000000" { // nothing
		return listed{}, nil
	}
	return parsePath(mode, id, path)
}

// selection is a source that lists only some of its files.
type selection struct {
	source
	files []listed
}

func (s selection) list(context.Context) iter.Seq2[listed, error] {
	return func(yield func(listed, error) bool) {
		for _, f := range s.files {
			if !yield(f, nil) {
				return
			}
		}
	}
}

// Close implements source: the owner of the index closes it.
func (selection) Close() error { return nil }
