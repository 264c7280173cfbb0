package durable

import (
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// link links the open file itself. AT_EMPTY_PATH would need a privilege; via /proc any user
// may do it (open(2), O_TMPFILE).
func (d *folder) link(f *os.File, name string) error {
	return d.in(name, func(dir int, base string) error {
		return control(f, func(fd uintptr) error {
			open := "/proc/self/fd/" + strconv.Itoa(int(fd))
			return unix.Linkat(unix.AT_FDCWD, open, dir, base, unix.AT_SYMLINK_FOLLOW)
		})
	})
}
