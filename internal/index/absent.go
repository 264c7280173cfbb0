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

// AbsentSince reports whether the index was without a version for a while
// between an earlier commit, which had it, and the one that was opened; and the
// first commit without it. What is known of that time is what the repository has:
// the history of the opened commit, as far as it goes, and the days that were
// kept. A commit that the repository does not have any more, and a plain folder,
// tell nothing: that is no error.
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
	// Git goes from the last commit to the first.
	err = r.EachCommit(ctx, func(rev Revision) error {
		has, err := past.has(rev.Commit)
		if err == nil && !has {
			found = rev
		}
		return err
	}, "--max-age="+strconv.FormatInt(from.Time.Unix(), 10), until, "--glob="+DaysRef+"/*", "--not", from.Commit)
	return found, err
}

// A past says of one commit after the other whether it has a version. A file that
// is the same in many commits, as most are, is read once.
type past struct {
	id    crate.ID
	path  string
	names *git.Batch      // says which blob the path is
	files *gitLookup      // reads it
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
		return true, nil // for all that is known
	case err != nil:
		return false, err
	}
	p.known[blob] = p.named(content)
	return p.known[blob], nil
}

// named reports whether an index file has a line for the version, be it a bad one. A file
// that cannot be parsed may have one.
func (p *past) named(content []byte) bool {
	c := &Crate{File: File{Path: p.path}}
	(&fileParser{log: slog.New(slog.DiscardHandler)}).file(c, content, nil)
	key := p.id.FoldKey()
	return c.Err != nil ||
		slices.ContainsFunc(c.Entries, func(e Entry) bool { return e.FoldKey() == key }) ||
		slices.ContainsFunc(c.Bad, func(e *LineError) bool { return e.ID.FoldKey() == key })
}
