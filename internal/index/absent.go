package index

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"slices"
	"strconv"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/git"
)

// AbsentSince reports whether the index lacked a version for a while between an earlier
// commit, which had it, and the opened one, and returns the first commit without it. It
// searches what the repository has of that time: the history of the opened commit, as far
// as it goes, and the recorded days. If the repository no longer has the commit, or the
// index is a plain folder, it finds nothing, which is not an error.
func (x *Index) AbsentSince(ctx context.Context, id crate.ID, since string) (Revision, bool, error) {
	if x.repo == nil {
		return Revision{}, false, nil
	}
	rev, err := x.repo.absentSince(ctx, id, since, x.revision.Commit)
	if err != nil {
		return Revision{}, false, fmt.Errorf("looking for a commit of the index without %s: %w", id, err)
	}
	return rev, rev.Commit != "", nil
}

func (r *repository) absentSince(ctx context.Context, id crate.ID, since, until string) (found Revision, err error) {
	if err := checkCommit(since); err != nil {
		return Revision{}, err
	}
	from, err := r.Revision(ctx, since+"^{commit}")
	if errors.Is(err, git.ErrUnborn) {
		return Revision{}, nil
	}
	if err != nil {
		return Revision{}, err
	}
	past, err := r.openPast(ctx, id)
	if err != nil {
		return Revision{}, err
	}
	defer func() { err = errors.Join(err, past.close()) }()
	// Git lists commits from the last to the first.
	err = r.EachCommit(ctx, func(rev Revision) error {
		has, err := past.has(rev.Commit)
		if err == nil && !has {
			found = rev
		}
		return err
	}, "--max-age="+strconv.FormatInt(from.Time.Unix(), 10), until, "--glob="+DaysRef+"/*", "--not", from.Commit)
	return found, err
}

// A past finds out commit by commit whether a version was there. A file that is the same in
// many commits, as most are, is read once.
type past struct {
	id    crate.ID
	path  string
	names *git.Batch      // returns the blob at the path
	files *gitLookup      // reads the blob
	known map[string]bool // by the id of the blob
}

func (r *repository) openPast(ctx context.Context, id crate.ID) (*past, error) {
	names, err := r.Batch(ctx, "--batch-check=%(objectname)")
	if err != nil {
		return nil, err
	}
	files, err := r.openObjects(ctx)
	if err != nil {
		return nil, errors.Join(err, names.Close())
	}
	return &past{id, crate.IndexPath(id.Name), names, &gitLookup{files.Batch}, map[string]bool{}}, nil
}

func (p *past) close() error { return errors.Join(p.names.Close(), p.files.Close()) }

func (p *past) has(commit string) (bool, error) {
	blob, err := p.names.Ask(commit + ":" + p.path)
	if err != nil {
		return false, err
	}
	has, found := p.known[blob]
	if found {
		return has, nil
	}
	content, _, err := p.files.lookup(commit, p.path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return false, nil
	case errors.As(err, new(*fileError)):
		return true, nil // we cannot rule it out
	case err != nil:
		return false, err
	}
	p.known[blob] = p.named(content)
	return p.known[blob], nil
}

// named reports whether an index file has a line for the version, good or bad. A file that
// cannot be parsed may have one.
func (p *past) named(content []byte) bool {
	c := &Crate{File: File{Path: p.path}}
	(&fileParser{log: slog.New(slog.DiscardHandler)}).file(c, content, nil)
	key := p.id.FoldKey()
	return c.Err != nil ||
		slices.ContainsFunc(c.Entries, func(e Entry) bool { return e.FoldKey() == key }) ||
		slices.ContainsFunc(c.Bad, func(e *LineError) bool { return e.ID.FoldKey() == key })
}
