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

// noBlob is what git has for the blob of a file that is not there.
const noBlob = "0000000000000000000000000000000000000000"

// write writes the commit in the language of git-fast-import(1): all of it, or what has
// changed on top of the tree of the commit before.
func (r *Registry) write(ctx context.Context, index *git.Repository, head git.Revision, to io.Writer) error {
	const message = "What this mirror holds"
	files, begin := r.allFiles, "deleteall"
	if !r.whole.IsZero() {
		tree, err := (&git.Repository{Dir: r.cfg.Dir}).Output(ctx, "rev-parse", "--verify", "refs/heads/master^{tree}")
		if err != nil {
			return err
		}
		files, begin = r.changedFiles, "M 040000 "+tree+" " // an empty path
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

// allFiles calls fn for all files of the index.
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

// changedFiles calls fn for the files that are not what they were at the last commit, with
// noBlob for those that are gone, and for those that were not shown whole.
func (r *Registry) changedFiles(ctx context.Context, index *git.Repository, commit string, fn func(file, blob string) error) error {
	files := maps.Clone(r.open)
	var meta []string
	err := index.EachField(ctx, func(field []byte) error {
		if meta == nil { // ":{mode} {mode} {id} {id} {status}", and the path follows
			if meta = strings.Fields(string(field)); len(meta) != 5 {
				return fmt.Errorf("unexpected output of diff-tree: %.100q", field)
			}
			return nil
		}
		if file := string(field); crate.IsIndexPath(file) {
			files[file] = meta[3]
			r.open[file] = meta[3] // until it is seen whole
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

// writeCrate writes what is shown of a crate.
func (r *Registry) writeCrate(ctx context.Context, to io.Writer, file, blob string) error {
	if blob == noBlob { // though the mirror may show what the commit before named
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
	if body := c.Body(); git.BlobID(body).String() != blob { // something is not held, or what is shown is of the commit before
		r.leaveOpen(file, blob)
		return inline(to, file, body)
	}
	delete(r.open, file)
	_, err = fmt.Fprintf(to, "M 100644 %s %s\n", blob, file)
	return err
}

// leaveOpen has the next looks look at a crate too, which is not shown whole: while a mirror
// is filled, or partial, at as many as one look may cost.
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
