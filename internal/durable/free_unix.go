//go:build unix

package durable

import (
	"fmt"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

func (d *folder) free() (bytes, files int64, err error) {
	var st unix.Statfs_t
	if err := control(d.top, func(fd uintptr) error { return unix.Fstatfs(int(fd), &st) }); err != nil {
		return -1, -1, err
	}
	bytes, files = int64(st.Bavail)*blockSize(&st), int64(st.Ffree)
	if st.Blocks == 0 { // a file system that does not count
		bytes = -1
	}
	if st.Files == 0 { // btrfs and others make inodes as they need them
		files = -1
	}
	return bytes, files, nil
}

// links returns how many names a file has.
func links(f *os.File) (uint64, error) {
	info, err := f.Stat()
	if err != nil {
		return 0, err
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return 0, fmt.Errorf("counting names of %s: no stat", f.Name())
	}
	return uint64(st.Nlink), nil
}
