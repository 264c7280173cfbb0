package durable

import (
	"cmp"
	"os"
)

// CheckFolderSync syncs the names in a folder given by its path, and fails
// with errors.ErrUnsupported on systems (Windows) and file systems (some of
// NFS and FUSE) that cannot. FS.SyncDir tolerates that in silence, because
// nothing can be done about it; a program that starts should say once that a
// power cut may undo the last renames there.
func CheckFolderSync(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return PathError("syncdir", dir, err)
	}
	return PathError("syncdir", dir, cmp.Or(syncOpenDir(f), f.Close()))
}
