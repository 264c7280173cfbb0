package durable

import (
	"errors"
	"os"
	"slices"

	"golang.org/x/sys/unix"
)

// syncAll syncs the file system of the folder, and those mounted beneath it that were
// written to.
//
// It must use descriptors that were opened at the beginning: since Linux 5.8, syncfs
// reports a failed write-back that happened after the descriptor was opened or last
// reported one. A new descriptor would miss the failure of a file that was written, closed
// and flushed by the kernel a minute ago. Each failure is reported once: after an error,
// nothing written since the last success counts as durable.
func (d *folder) syncAll() error {
	d.mu.Lock()
	files := []*os.File{d.top}
	for _, f := range d.mounts {
		files = append(files, f)
	}
	d.mu.Unlock()
	for _, f := range files {
		if err := syncfs(f); err != nil {
			return err
		}
	}
	return nil
}

// These file systems are served by another process or machine. The kernel sends it the
// bytes, but passes on only fsync, not syncfs (fs/fuse/inode.c, fuse_sync_fs; 9p and cifs
// have no sync_fs).
var noSyncfs = []int64{
	unix.FUSE_SUPER_MAGIC, unix.V9FS_MAGIC, unix.CIFS_SUPER_MAGIC, unix.SMB2_SUPER_MAGIC, unix.SMB_SUPER_MAGIC,
}

func syncfs(f *os.File) error {
	return control(f, func(fd uintptr) error {
		var st unix.Statfs_t
		if err := unix.Fstatfs(int(fd), &st); err != nil {
			return err
		}
		// The magic numbers have 32 bits; some systems extend the sign.
		if slices.Contains(noSyncfs, int64(uint32(st.Type))) {
			return errors.ErrUnsupported
		}
		return unix.Syncfs(int(fd))
	})
}
