//go:build unix

package durable

import (
	"io/fs"
	"syscall"
)

// Inode returns the number of the file in its file system, which no other file
// has at the same time; 0 where the system does not tell.
func Inode(info fs.FileInfo) uint64 {
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return 0
	}
	return uint64(st.Ino)
}
