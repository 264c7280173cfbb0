//go:build unix && !linux

package durable

import "golang.org/x/sys/unix"

// blockSize returns the unit in which a file system counts its blocks: here f_bsize, while
// f_iosize is the preferred transfer size (statfs(2)).
func blockSize(st *unix.Statfs_t) int64 { return int64(st.Bsize) }
