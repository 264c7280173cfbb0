package clone

import (
	"context"
	"errors"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/git"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/index"
)

// A repository is one that may be a clone of an index.
type repository struct{ *git.Repository }

// disarm keeps git from running the filters of the configuration when it compares files of
// the working tree: an empty command runs nothing.
func (r *repository) disarm(ctx context.Context) error {
	names, err := optional(r.Output(ctx, "config", "--name-only", "-z", "--get-regexp", `^filter\..*\.(clean|smudge|process|required)$`))
	for name := range strings.SplitSeq(names, "\x00") {
		switch {
		case strings.HasSuffix(name, ".required"):
			r.Config = append(r.Config, name+"=false")
		case name != "":
			r.Config = append(r.Config, name+"=")
		}
	}
	return err
}

// eachEdit calls fn for the files whose content in the working tree, or in git's index, is
// not in HEAD. A merely missing file is not an edit: when it is restored, nothing is lost.
func (r *repository) eachEdit(ctx context.Context, fn func(path string) error) error {
	return r.EachField(ctx, func(field []byte) error {
		entry := string(field)
		if len(entry) < 4 || strings.Trim(entry[:2], " D") == "" {
			return nil
		}
		return fn(entry[3:])
	}, "status", "--porcelain", "-z", "--untracked-files=no", "--no-renames", "--ignore-submodules=all")
}

// eachUntracked calls fn for the files that git does not track, including ignored ones, and
// for nested repositories.
func (r *repository) eachUntracked(ctx context.Context, fn func(path string) error) error {
	return r.EachField(ctx, func(p []byte) error { return fn(strings.TrimSuffix(string(p), "/")) }, "ls-files", "--others", "-z")
}

// A workTree finds what would be lost if the working tree moved to another commit.
type workTree struct {
	root  *os.Root
	names *git.Batch
	known []string // commits of the index: their content is not lost
}

// obstacles calls fn for the files that checking out a commit would overwrite or remove,
// and whose content is in no commit of the index: edited tracked files, and untracked files
// in the place of a file of the commit. HEAD counts as a commit of the index, and so does
// the commit at which an earlier update was interrupted.
func (r *repository) obstacles(ctx context.Context, commit string, fn func(path string) error, known ...string) error {
	root, err := os.OpenRoot(r.Tree)
	if err != nil {
		return err
	}
	defer root.Close()
	names, err := r.Batch(ctx, "--batch-check=%(objecttype) %(objectname)")
	if err != nil {
		return err
	}
	w := &workTree{root, names, append(known, commit)}
	err = r.eachEdit(ctx, func(p string) error {
		if kept, err := w.kept(p); kept || err != nil {
			return err
		}
		return fn(p)
	})
	if err == nil {
		err = r.eachUntracked(ctx, func(p string) error {
			if free, err := w.free(commit, p); free || err != nil {
				return err
			}
			return fn(p)
		})
	}
	return errors.Join(err, names.Close())
}

// kept reports whether a commit of the index has the content of a file.
func (w *workTree) kept(p string) (bool, error) {
	_, id, err := index.ReadFile(w.root, p)
	if err != nil {
		return false, nil // a link, or too large: not part of the index in any case
	}
	for _, commit := range w.known {
		if header, err := w.names.Ask(commit + ":" + p); err != nil || header == "blob "+id.String() {
			return err == nil, err
		}
	}
	return false, nil
}

// free reports whether a commit has nothing in the place of an untracked file, or exactly
// that file.
func (w *workTree) free(commit, p string) (bool, error) {
	if strings.Contains(p, "\n") {
		return false, nil // git cannot answer this
	}
	header, err := w.names.Ask(commit + ":" + p)
	if err != nil {
		return false, err
	}
	if !strings.HasSuffix(header, " missing") {
		return w.kept(p)
	}
	for dir := path.Dir(p); dir != "."; dir = path.Dir(dir) {
		if header, err := w.names.Ask(commit + ":" + dir); err != nil || strings.HasPrefix(header, "blob ") {
			return false, err
		}
	}
	return true, nil
}

// aside is the folder in the git directory for files that were in the way of an update.
const aside = "clonecratesio-aside"

// moveAside moves files that would be lost to a folder named after the time.
func (u *updater) moveAside(ctx context.Context, repo *repository, commit string, known ...string) error {
	to := filepath.Join(repo.Dir, aside, time.Now().UTC().Format("20060102T150405.000000000Z"))
	n := 0
	err := repo.obstacles(ctx, commit, func(p string) error {
		n++
		target := filepath.Join(to, filepath.FromSlash(p))
		if err := os.MkdirAll(filepath.Dir(target), 0o777); err != nil {
			return err
		}
		return os.Rename(filepath.Join(repo.Tree, filepath.FromSlash(p)), target)
	}, known...)
	if n > 0 {
		u.cfg.Log.Warn("files of the index that were edited, or were in the way, were moved aside", "files", n, "to", to)
	}
	return err
}
