package index

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"iter"
	"path"
	"strings"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/git"
)

// list yields the index files of a commit. Git's order, bytewise by path, is also ours.
func (r *repository) list(ctx context.Context, commit string) iter.Seq2[listed, error] {
	return func(yield func(listed, error) bool) {
		err := r.eachListed(ctx, func(f listed) error {
			if !yield(f, nil) {
				return errStopped
			}
			return nil
		}, "-r", "-z", "--full-tree", commit)
		if err != nil && !errors.Is(err, errStopped) {
			yield(listed{}, fmt.Errorf("listing commit %s: %w", commit, err))
		}
	}
}

// eachListed calls fn for each index path in the output of ls-tree.
func (r *repository) eachListed(ctx context.Context, fn func(listed) error, args ...string) error {
	return r.EachField(ctx, func(line []byte) error {
		f, err := parseTreeLine(line)
		if err == nil && f.Path != "" {
			err = fn(f)
		}
		return err
	}, append([]string{"ls-tree"}, args...)...)
}

// CountFiles returns the number of index files of a commit.
func CountFiles(ctx context.Context, repo *git.Repository, commit string) (n int64, err error) {
	for _, err := range (&repository{repo}).list(ctx, commit) {
		if err != nil {
			return 0, err
		}
		n++
	}
	return n, nil
}

// parseTreeLine parses "{mode} {type} {id}\t{path}". Path is empty if the line is not about
// an index file.
func parseTreeLine(line []byte) (listed, error) {
	meta, name, _ := bytes.Cut(line, []byte("\t"))
	mode, rest, _ := bytes.Cut(meta, []byte(" "))
	_, id, _ := bytes.Cut(rest, []byte(" "))
	f, err := parsePath(mode, id, string(name))
	if err != nil {
		return listed{}, fmt.Errorf("unexpected line of ls-tree: %.100q", line)
	}
	return f, nil
}

// parsePath parses git's description of a path. The result has an empty Path if it is not
// an index file.
func parsePath(mode, id []byte, name string) (listed, error) {
	f := listed{File: File{Path: name}}
	if n, err := hex.Decode(f.Blob[:], id[:min(len(id), 2*len(f.Blob))]); err != nil || n != len(f.Blob) {
		return listed{}, fmt.Errorf("%.100q is not the id of a blob", id)
	}
	regular := string(mode) == "100644" || string(mode) == "100755"
	switch {
	case regular && crate.IsIndexPath(f.Path):
		f.err = checkName(f.Path)
	case !regular && (crate.IsIndexPath(f.Path) || isPrefix(f.Path)):
		f.err = fmt.Errorf("%w, git mode %s", errNotRegular, mode)
	default:
		f.Path = ""
	}
	return f, nil
}

// errNotRegular is for symbolic links, FIFOs, devices and submodules. They are never
// followed or opened.
var errNotRegular = errors.New("not a regular file")

// ErrName means that an index has a crate whose name a mirror cannot store.
var ErrName = errors.New("cannot be mirrored")

// checkName rejects the file of a crate that cargo would find but that cannot be stored
// here. Skipping it silently would make an incomplete mirror look complete.
func checkName(p string) error {
	if err := crate.CheckName(path.Base(p)); err != nil {
		return fmt.Errorf("%w: %w", ErrName, err)
	}
	return nil
}

// isPrefix reports whether dir is a folder in which an index has files or further such
// folders: "1", "3/a", "se", "se/rd".
func isPrefix(dir string) bool {
	first, second, deep := strings.Cut(dir, "/")
	switch {
	case !deep && (first == "1" || first == "2" || first == "3"):
		return true
	case !deep:
		return crate.IsIndexPath(first + "/aa/" + first + "aa")
	case first == "3":
		return crate.IsIndexPath("3/" + second + "/" + second + "aa")
	default:
		return crate.IsIndexPath(dir + "/" + first + second)
	}
}
