//go:build unix

package durable

import (
	"cmp"
	"errors"
	"fmt"
	"os"
)

func (d *folder) syncDir(name string) error {
	f, err := d.root.OpenFile(name, os.O_RDONLY|dirFlag, 0)
	if err != nil {
		return err
	}
	return cmp.Or(syncOpenDir(f), f.Close())
}

// syncOpenDir syncs the names in a folder. It returns errors.ErrUnsupported if the file
// system refuses to.
func syncOpenDir(f *os.File) error {
	err := f.Sync()
	if err != nil && isAny(cause(err), noFolderSyncErrnos) {
		return fmt.Errorf("%w: %w", errors.ErrUnsupported, cause(err))
	}
	return err
}
