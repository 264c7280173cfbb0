//go:build unix

package durable

import (
	"errors"

	"golang.org/x/sys/unix"
)

var (
	// EFBIG comes from RLIMIT_FSIZE (ulimit -f) and from file systems that cannot hold a
	// file of that size. The signal of that limit, SIGXFSZ, would end a C program; the Go
	// runtime ignores it, so the write just fails (C11).
	noSpaceErrnos  = []unix.Errno{unix.ENOSPC, unix.EDQUOT, unix.EFBIG}
	readOnlyErrnos = []unix.Errno{unix.EROFS}
	// A link (O_NOFOLLOW), a folder opened for writing, a socket.
	notRegularErrnos = []unix.Errno{unix.ELOOP, unix.EISDIR, unix.ENXIO}
	// fsync of a folder on NFS, FUSE and proc (C30).
	noFolderSyncErrnos = []unix.Errno{unix.EINVAL, unix.ENOTSUP, unix.EOPNOTSUPP, unix.ENOSYS}
)

// linkRefused reports whether a file system has no hard links (vfat and exfat say EPERM)
// or refuses another one for this file.
func linkRefused(err error) bool {
	return errors.Is(err, errors.ErrUnsupported) ||
		errors.Is(err, unix.EPERM) || errors.Is(err, unix.EINVAL) || errors.Is(err, unix.EMLINK)
}
