//go:build unix

package admin

import "golang.org/x/sys/unix"

// OpenFiles returns how many files this process may have open at a time, or -1 if that is
// unknown. The Go runtime has already raised the soft limit to the hard one.
func OpenFiles() int {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil || limit.Cur > 1<<30 {
		return -1
	}
	return int(limit.Cur)
}
