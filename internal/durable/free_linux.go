package durable

import "golang.org/x/sys/unix"

// blockSize is the unit in which a file system counts its blocks: the fragment
// size, as statvfs(3) has it, and not the size that it likes for a transfer, which
// on NFS and FUSE may be a hundred times as much.
func blockSize(st *unix.Statfs_t) int64 {
	if st.Frsize > 0 {
		return int64(st.Frsize)
	}
	return int64(st.Bsize) // who does not tell it means the same
}
