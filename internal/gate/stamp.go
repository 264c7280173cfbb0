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

// maxStamped bounds how many files are looked at. A folder with more is read again when
// the process is asked to, or the policy file changes.
const maxStamped = 200_000

var errEnough = errors.New("enough was looked at")

// A stamp changes with the content of files and folders; making one does not read them.
type stamp struct {
	sum    hash.Hash64
	files  int
	newest time.Time // when the last of them was written
}

func newStamp() *stamp { return &stamp{sum: fnv.New64a()} }

func (s *stamp) value() uint64 { return s.sum.Sum64() }

// add adds a file, or a folder with all that is in it.
func (s *stamp) add(name string) {
	if real, err := filepath.EvalSymlinks(name); err == nil {
		name = real // a link to a folder is not walked through
	}
	// What cannot be read is part of the sum: it changes when it can be.
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

// filesOf are the files that say what is read of one that a policy names: of a git
// repository those that say what HEAD's commit is, which is all that is read. Git writes
// the working tree before them.
func filesOf(ctx context.Context, name string) []string {
	root, err := os.OpenRoot(name)
	if err != nil {
		return []string{name} // a file, or not there
	}
	defer root.Close()
	if gitDir, _ := git.Find(root); gitDir != "" {
		if names, err := (&git.Repository{Dir: gitDir}).HeadFiles(ctx); err == nil {
			return names
		}
	}
	return []string{name}
}
