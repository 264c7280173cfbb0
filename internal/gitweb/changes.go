package gitweb

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/git"
)

// noBlob is git's ID for the blob of a missing file.
const noBlob = "0000000000000000000000000000000000000000"

// write writes the commit in the format of git-fast-import(1): all files, or the changes to
// the tree of the previous commit.
func (r *Registry) write(ctx context.Context, index *git.Repository, head git.Revision, to io.Writer) error {
	const message = "What this mirror holds"
	files, begin := r.allFiles, "deleteall"
	if !r.whole.IsZero() {
		tree, err := (&git.Repository{Dir: r.cfg.Dir}).Output(ctx, "rev-parse", "--verify", "refs/heads/master^{tree}")
		if err != nil {
			return err
		}
		files, begin = r.changedFiles, "M 040000 "+tree+" " // the path is empty
	}
	fmt.Fprintf(to, "commit refs/heads/master\ncommitter CloneCratesio <> %d +0000\ndata %d\n%s\n%s\n", head.Time.Unix(), len(message), message, begin)
	if err := inline(to, "config.json", r.cfg.Config); err != nil {
		return err
	}
	err := files(ctx, index, head.Commit, func(file, blob string) error { return r.writeCrate(ctx, to, file, blob) })
	if err == nil {
		_, err = io.WriteString(to, "done\n")
	}
	return err
}

// allFiles calls fn for each file of the index.
func (r *Registry) allFiles(ctx context.Context, index *git.Repository, commit string, fn func(file, blob string) error) error {
	return index.EachField(ctx, func(field []byte) error {
		entry, file, ok := strings.Cut(string(field), "\t")
		kind := strings.Fields(entry)
		if !ok || len(kind) != 3 || kind[1] != "blob" || !crate.IsIndexPath(file) {
			return nil
		}
		return fn(file, kind[2])
	}, "ls-tree", "-r", "-z", "--full-tree", commit)
}

// changedFiles calls fn for each file that has changed since the last commit, with noBlob if
// it was removed, and for each file that was not shown completely.
func (r *Registry) changedFiles(ctx context.Context, index *git.Repository, commit string, fn func(file, blob string) error) error {
	files := maps.Clone(r.open)
	var meta []string
	err := index.EachField(ctx, func(field []byte) error {
		if meta == nil { // ":{mode} {mode} {id} {id} {status}"; the path is the next field
			if meta = strings.Fields(string(field)); len(meta) != 5 {
				return fmt.Errorf("unexpected output of diff-tree: %.100q", field)
			}
			return nil
		}
		if file := string(field); crate.IsIndexPath(file) {
			files[file] = meta[3]
			r.open[file] = meta[3] // until it is shown completely
		}
		meta = nil
		return nil
	}, "diff-tree", "-r", "-z", "--raw", "--no-abbrev", "--no-renames", r.last.head.Commit, commit)
	for _, file := range slices.Sorted(maps.Keys(files)) {
		if err == nil {
			err = fn(file, files[file])
		}
	}
	return err
}

// writeCrate writes the visible part of a crate.
func (r *Registry) writeCrate(ctx context.Context, to io.Writer, file, blob string) error {
	if blob == noBlob { // the mirror may still show what the previous commit named
		delete(r.open, file)
		return remove(to, file)
	}
	c, err := r.cfg.Mirror.Crate(ctx, path.Base(file))
	absent := errors.Is(err, fs.ErrNotExist)
	if err != nil && !absent {
		return err
	}
	switch {
	case absent && r.whole.IsZero():
		r.leaveOpen(file, blob)
		return nil
	case absent:
		return remove(to, file)
	}
	if body := c.Body(); git.BlobID(body).String() != blob { // a version is not stored, or the mirror still shows the previous commit
		r.leaveOpen(file, blob)
		return inline(to, file, body)
	}
	delete(r.open, file)
	_, err = fmt.Fprintf(to, "M 100644 %s %s\n", blob, file)
	return err
}

// leaveOpen adds a crate that is not shown completely to those that the next updates check
// again. While a mirror is filled, or partial, there may be many: it adds only as many as one
// update can afford.
func (r *Registry) leaveOpen(file, blob string) {
	if r.whole.IsZero() && len(r.open) < maxAtFirst {
		r.open[file] = blob
	}
}

func remove(to io.Writer, file string) error {
	_, err := fmt.Fprintf(to, "D %s\n", file)
	return err
}

func inline(to io.Writer, file string, body []byte) error {
	_, err := fmt.Fprintf(to, "M 100644 inline %s\ndata %d\n%s\n", file, len(body), body)
	return err
}
