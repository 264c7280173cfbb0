//go:build unix && !linux

package durable

import "golang.org/x/sys/unix"

// blockSize is the unit in which a file system counts its blocks: here f_bsize is
// that, and f_iosize the size that it likes for a transfer (statfs(2)).
func blockSize(st *unix.Statfs_t) int64 { return int64(st.Bsize) }
