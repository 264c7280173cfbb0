package index

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	pathpkg "path"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/git"
)

// A gitLookup reads files of commits through its own git process.
type gitLookup struct{ *git.Batch }

func (r *repository) newLookup(ctx context.Context) (lookupReader, error) {
	b, err := r.Batch(ctx, "--batch")
	if err != nil {
		return nil, err
	}
	return &gitLookup{b}, nil
}

func (g *gitLookup) close() error { return g.Close() }

func (g *gitLookup) lookup(commit, path string) (content []byte, blob Blob, err error) {
	content, blob, err = g.object(commit+":"+path, "blob")
	if !errors.Is(err, fs.ErrNotExist) {
		return content, blob, err
	}
	folder, _, err := g.object(commit+":"+pathpkg.Dir(path), "tree")
	_, listed := git.InTree(folder, pathpkg.Base(path))
	switch {
	case err == nil && listed: // a partial clone
		err = &fileError{errMissing}
	case err == nil:
		err = fs.ErrNotExist
	case errors.Is(err, fs.ErrNotExist):
		err = g.absent(commit)
	}
	return nil, blob, err
}

// blob implements lookupReader. It reads the folder, which is smaller than many a file in
// it.
func (g *gitLookup) blob(commit, path string) (Blob, error) {
	folder, _, err := g.object(commit+":"+pathpkg.Dir(path), "tree")
	if errors.Is(err, fs.ErrNotExist) {
		err = g.absent(commit)
	}
	if err != nil {
		return Blob{}, err
	}
	id, ok := git.InTree(folder, pathpkg.Base(path))
	if !ok {
		return Blob{}, fs.ErrNotExist
	}
	return id, nil
}

// absent returns fs.ErrNotExist if the folder is missing, and another error if the commit
// is missing, as after a squash and "git gc --prune=now".
func (g *gitLookup) absent(commit string) error {
	_, _, size, err := g.Find(commit)
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("git no longer has commit %s", commit)
	}
	if err == nil {
		_, err = io.CopyN(io.Discard, g.Out, size+int64(len("\n")))
	}
	return cmp.Or(err, fs.ErrNotExist)
}

// revision implements lookupReader.
func (g *gitLookup) revision(prefix string) (Revision, error) {
	rev, err := g.Revision(prefix)
	if wrong, ok := errors.AsType[*git.ObjectError](err); ok {
		err = &fileError{wrong}
	}
	return rev, err
}

// object requests an object and reads it. Errors: those of lookup.
func (g *gitLookup) object(name, want string) (content []byte, id Blob, err error) {
	content, id, err = g.Object(name, want, MaxFile)
	if wrong, ok := errors.AsType[*git.ObjectError](err); ok {
		err = &fileError{checkSize(wrong.Size)}
		if wrong.Kind != want {
			err = &fileError{errNotRegular}
		}
	}
	return content, id, err
}
