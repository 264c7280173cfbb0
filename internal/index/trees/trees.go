// Package trees finds changed files of a git index for callers that read their content
// elsewhere: it fetches commits and trees, but no file content if the server can omit it
// (gitprotocol-v2(5), "filter").
//
// # Storage
//
// The package keeps a separate bare repository, of some 15 MB for crates.io. It is a
// convenience: without it, all files count as changed.
//
//	refs/heads/now     the newest fetched commit, without history
//	refs/heads/before  the commit up to which the caller knows all changes
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
	Dir string // of the repository; made if it does not exist
	URL string // of the index
	// Work runs git for the caller; the Source uses its lock and its progress function.
	Work *git.Porcelain
}

// Changed calls fn for the index files that differ between another commit and the newest
// one, which it returns, with the id of their blob, or zero for a removed file. If the
// other commit is unknown, or very much has changed, it calls fn for all files.
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
		return false // its content is not needed, and not here
	}) {
		if err != nil {
			return err
		}
	}
	return told
}

// fetch fetches the newest commit, and keeps what the previous one needs.
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
	if index.IsCommit(since) { // if it is no longer here, everything counts as changed
		_, _ = work.Run(ctx, "update-ref", "refs/heads/before", since)
	}
	// The remote is only named on the command line, because its URL may contain a password.
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
