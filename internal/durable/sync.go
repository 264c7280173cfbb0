package durable

import (
	"cmp"
	"os"
)

// CheckFolderSync syncs the names in a folder given by its path. It returns
// errors.ErrUnsupported on systems (Windows) and file systems (some NFS and FUSE) that
// cannot. FS.SyncDir ignores that silently, because nothing can be done about it; a program
// should say once, on startup, that a power cut may undo the last renames there.
func CheckFolderSync(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return PathError("syncdir", dir, err)
	}
	return PathError("syncdir", dir, cmp.Or(syncOpenDir(f), f.Close()))
}
