package durabletest

import "golang.org/x/sys/unix"

// enoughMemory is far more, in bytes, than all concurrent tests need. A container has 64 MB
// by default.
const enoughMemory = 4 << 30

// memory returns a folder in memory with space, in which programs may be started.
func memory() string {
	const dir = "/dev/shm"
	var fs unix.Statfs_t
	if err := unix.Statfs(dir, &fs); err != nil || fs.Type != unix.TMPFS_MAGIC ||
		int64(fs.Bavail)*fs.Bsize < enoughMemory || fs.Flags&unix.ST_NOEXEC != 0 || unix.Access(dir, unix.W_OK) != nil {
		return ""
	}
	return dir
}
