package index

import (
	"bufio"
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"iter"
	"slices"
	"strings"
)

// maxChanges bounds what Changes holds in memory. Of more changes, reading the
// whole index costs hardly more.
const maxChanges = 10_000

// ErrManyChanges: more files differ than are worth comparing one by one.
var ErrManyChanges = errors.New("too many index files have changed")

// Changes compares the index with an earlier commit of it. It returns an index
// of those files alone that are new or not the same, and of those at the paths
// also, which there should be few of; and the paths of the files that are gone.
// What it returns is valid as long as x is, and need not be closed.
//
// Errors: ErrManyChanges; others, too, mean that the whole index must be read:
// git may not have the earlier commit any more, and a plain folder never has.
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
	err = r.read(ctx, func(out io.Reader) error {
		return eachDifference(out, func(f listed, deleted bool) error {
			switch {
			case len(changed)+len(gone) == maxChanges:
				return ErrManyChanges
			case !deleted:
				changed = append(changed, f)
			case f.err == nil:
				gone = append(gone, f.Path)
			}
			return nil
		})
	}, "diff-tree", "-r", "-z", "--raw", "--no-abbrev", "--no-renames", from, to)
	return changed, gone, err
}

// find adds what a commit has at some paths to files, and puts all in order.
func (r *repository) find(ctx context.Context, commit string, paths []string, files []listed) ([]listed, error) {
	for some := range slices.Chunk(paths, 500) { // a command line has its limits
		err := r.read(ctx, func(out io.Reader) error {
			return eachTreeLine(out, func(f listed) bool { files = append(files, f); return true })
		}, append([]string{"ls-tree", "-z", "--full-tree", commit, "--"}, some...)...)
		if err != nil {
			return nil, err
		}
	}
	byPath := func(a, b listed) int { return strings.Compare(a.Path, b.Path) }
	slices.SortFunc(files, byPath)
	return slices.CompactFunc(files, func(a, b listed) bool { return a.Path == b.Path }), nil
}

// read runs git and gives its output to fn, which need not read all of it if it
// fails.
func (r *repository) read(ctx context.Context, fn func(out io.Reader) error, args ...string) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	p, err := r.start(ctx, args...)
	if err != nil {
		return err
	}
	p.in.Close()
	if err := fn(p.out); err != nil {
		cancel()
		_ = p.wait() // it was killed
		return err
	}
	return p.wait()
}

// eachDifference reads the output of diff-tree: ":{mode} {mode} {id} {id}
// {status}", NUL, path, NUL. What is deleted is described as it was.
func eachDifference(out io.Reader, fn func(f listed, deleted bool) error) error {
	fields := bufio.NewScanner(out)
	fields.Buffer(nil, maxTreeLine)
	fields.Split(splitNUL)
	for fields.Scan() {
		meta := bytes.Fields(bytes.Clone(fields.Bytes()))
		if len(meta) != 5 || !fields.Scan() {
			return fmt.Errorf("unexpected output of diff-tree: %.100q", meta)
		}
		mode, id := meta[1], meta[3]
		deleted := string(meta[4]) == "D"
		if deleted {
			mode, id = bytes.TrimPrefix(meta[0], []byte(":")), meta[2]
		}
		f, err := parsePath(mode, id, fields.Text())
		if err == nil && f.Path != "" {
			err = fn(f, deleted)
		}
		if err != nil {
			return err
		}
	}
	return fields.Err()
}

// selection is a source of which some files alone are listed.
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

// Close implements source: whoever opened the index closes it.
func (selection) Close() error { return nil }
