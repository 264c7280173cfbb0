package export

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
)

// pointName is the file that names the commit of a tree. A tree without it follows the
// current index.
const pointName = StateDir + "/as-of"

// maxPoint bounds its size in bytes: it is a commit ID.
const maxPoint = 64

// A PointError says that a tree is of another point in time.
type PointError struct {
	Want, Have string // commit IDs; empty: the current index
}

func (e *PointError) Error() string {
	return fmt.Sprintf("the tree is of %s, and would be mixed with %s: give another folder", pointText(e.Have), pointText(e.Want))
}

func pointText(commit string) string {
	if commit == "" {
		return "the index as it is now"
	}
	return fmt.Sprintf("the index at commit %.40q", commit)
}

// layoutName is the file that names the layout of a tree, unless it is Static.
const layoutName = StateDir + "/layout"

// ErrLayout says that a tree has another layout.
var ErrLayout = errors.New("the tree has another layout: use another folder")

// claimLayout sets the layout of a new tree, and checks that of an existing one.
func claimLayout(out durable.FS, layout Layout) error {
	have, err := durable.ReadFile(out, layoutName, maxPoint)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("reading which layout the export has: %w", err)
	}
	was := strings.TrimSpace(string(have))
	if was == layout.String() || was == "" && layout == Static {
		return nil
	}
	_, err = out.ReadDir(IndexDir)
	if was != "" || !errors.Is(err, fs.ErrNotExist) {
		return ErrLayout
	}
	if err := durable.WriteFile(out, layoutName, []byte(layout.String()+"\n")); err != nil {
		return fmt.Errorf("writing which layout the export has: %w", err)
	}
	return nil
}

// claim sets the commit of a new tree, and checks that of an existing one. The caller holds
// the lock.
func claim(out durable.FS, layout Layout, commit string) error {
	if err := claimLayout(out, layout); err != nil {
		return err
	}
	have, err := durable.ReadFile(out, pointName, maxPoint)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("reading which commit the export is of: %w", err)
	}
	was := strings.TrimSpace(string(have))
	if was == commit {
		return nil
	}
	_, err = out.ReadDir(layout.indexDir())
	if was != "" || !errors.Is(err, fs.ErrNotExist) {
		return &PointError{Want: commit, Have: was}
	}
	if err := durable.WriteFile(out, pointName, []byte(commit+"\n")); err != nil {
		return fmt.Errorf("writing which commit the export is of: %w", err)
	}
	return nil
}
