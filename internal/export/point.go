package export

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
)

// pointName is the file that names the commit of a tree; a tree that has none is of the
// index as it was when it was exported last.
const pointName = StateDir + "/as-of"

// maxPoint bounds what is read of it: it is the id of a commit.
const maxPoint = 64

// A PointError says that a tree is of another point in time.
type PointError struct {
	Want, Have string // ids of commits; empty: the index as it is now
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

// layoutName is the file that says which layout a tree has, if it is not Static.
const layoutName = StateDir + "/layout"

// ErrLayout: a tree has another layout.
var ErrLayout = errors.New("the tree has another layout, and would be mixed: give another folder")

// claimLayout makes a tree one of a layout, if it is new, and otherwise makes sure that
// it is.
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

// claim makes a tree that of a commit, if it is new, and otherwise makes sure that it
// is. The caller holds the lock.
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
