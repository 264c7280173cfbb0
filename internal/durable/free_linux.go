package durable

import "golang.org/x/sys/unix"

// blockSize returns the unit in which a file system counts its blocks: the fragment size,
// as in statvfs(3), and not the preferred transfer size, which on NFS and FUSE may be a
// hundred times as large.
func blockSize(st *unix.Statfs_t) int64 {
	if st.Frsize > 0 {
		return int64(st.Frsize)
	}
	return int64(st.Bsize) // file systems that do not report it mean the same
}
