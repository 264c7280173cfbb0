package gate

import (
	"context"
	"errors"
	"fmt"
	"hash"
	"hash/fnv"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/git"
)

// maxStamped bounds how many files are looked at. A folder with more is read again only when
// the policy file changes or the operator asks.
const maxStamped = 200_000

var errEnough = errors.New("enough was looked at")

// A stamp changes with the content of files and folders. It is made from names, sizes and
// times; no content is read.
type stamp struct {
	sum    hash.Hash64
	files  int
	newest time.Time // time of the last change of any of them
}

func newStamp() *stamp { return &stamp{sum: fnv.New64a()} }

func (s *stamp) value() uint64 { return s.sum.Sum64() }

// add adds a file, or a folder with everything in it.
func (s *stamp) add(name string) {
	if real, err := filepath.EvalSymlinks(name); err == nil {
		name = real // WalkDir does not follow a link to a folder
	}
	// What cannot be read counts, too: the stamp changes when it becomes readable.
	_ = filepath.WalkDir(name, func(path string, _ fs.DirEntry, err error) error {
		if s.files++; s.files > maxStamped {
			return errEnough
		}
		var info fs.FileInfo
		if err == nil {
			info, err = os.Stat(path)
		}
		if err != nil {
			fmt.Fprintf(s.sum, "%s %v\n", path, err)
			return nil
		}
		if !info.IsDir() {
			fmt.Fprintf(s.sum, "%s %d %d\n", path, info.Size(), info.ModTime().UnixNano())
		}
		if info.ModTime().After(s.newest) {
			s.newest = info.ModTime()
		}
		return nil
	})
}

// filesOf returns the files to look at for one that a policy names. For a git repository,
// these are the files that determine the commit of HEAD: only that commit is read, and git
// writes the working tree before them.
func filesOf(ctx context.Context, name string) []string {
	root, err := os.OpenRoot(name)
	if err != nil {
		return []string{name} // a file, or missing
	}
	defer root.Close()
	if gitDir, _ := git.Find(root); gitDir != "" {
		if names, err := (&git.Repository{Dir: gitDir}).HeadFiles(ctx); err == nil {
			return names
		}
	}
	return []string{name}
}
