// Package trees finds the files of an index in git that have changed, for callers that
// read their contents elsewhere: it fetches commits and trees, and no contents where the
// server leaves them out (gitprotocol-v2(5), "filter").
//
// # What is kept
//
// A bare repository in a folder of its own, of some 15 MB for crates.io. It is a
// convenience: without it, all files count as changed.
//
//	refs/heads/now     the newest commit that was fetched, without its past
//	refs/heads/before  the one up to which the caller knows what changed
package trees

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/git"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/index"
)

// A Source is an index in git.
type Source struct {
	Dir string // of what is kept; made if it is not there
	URL string // of the index
	// Work runs git for the caller; the Source borrows its lock and tells it of progress.
	Work *git.Porcelain
}

// Changed calls fn for the index files that are not the same at the newest commit, which
// it returns, as at another one: with the id of their blob, or zero for one that is gone.
// If that other commit is not known, or very much has changed, it is called for all files.
func (s *Source) Changed(ctx context.Context, since string, fn func(path string, blob git.ID) error) (commit string, err error) {
	defer func() {
		if err != nil && ctx.Err() == nil {
			err = fmt.Errorf("reading what has changed in %s: %w", git.WithoutPassword(s.URL), err)
		}
	}()
	if err := s.fetch(ctx, since); err != nil {
		return "", err
	}
	ix, err := index.Open(ctx, s.Dir, index.Options{})
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, ix.Close()) }()
	if ix.Commit() == since {
		return since, nil
	}
	changed, gone, err := ix.Changes(ctx, since, nil)
	if err != nil {
		changed, gone = ix, nil
	}
	for _, path := range gone {
		if err := fn(path, git.ID{}); err != nil {
			return "", err
		}
	}
	return ix.Commit(), each(ctx, changed, fn)
}

func each(ctx context.Context, ix *index.Index, fn func(path string, blob git.ID) error) error {
	var told error
	for _, err := range ix.Crates(ctx, func(f index.File) bool {
		if told == nil {
			told = fn(f.Path, git.ID(f.Blob))
		}
		return false // its contents are no matter, and not here
	}) {
		if err != nil {
			return err
		}
	}
	return told
}

// fetch fetches the newest commit. What the one before it needs stays.
func (s *Source) fetch(ctx context.Context, since string) error {
	url, err := git.TransportURL(s.URL)
	if err != nil {
		return err
	}
	work := *s.Work
	work.Dir, work.URL = s.Dir, func() string { return url }
	if err := s.init(ctx, work); err != nil {
		return err
	}
	if index.IsCommit(since) { // if it is not here any more, everything counts as changed
		_, _ = work.Run(ctx, "update-ref", "refs/heads/before", since)
	}
	// The remote is named on the command line alone: its URL may have a password in it.
	return work.Network(ctx, s.Dir, "-c", "remote.up.url="+url, "fetch", "--progress", "--filter=blob:none", "--depth=1", "--no-tags",
		"--no-recurse-submodules", "--no-write-fetch-head", "--force", "up", "+HEAD:refs/heads/now")
}

func (s *Source) init(ctx context.Context, work git.Porcelain) error {
	if _, err := os.Stat(filepath.Join(s.Dir, "HEAD")); err == nil {
		return nil
	}
	work.Dir = filepath.Dir(s.Dir)
	_, err := work.Run(ctx, "init", "--bare", "--quiet", "--template=", "--initial-branch=now", "--object-format=sha1", "--end-of-options", s.Dir)
	return err
}
