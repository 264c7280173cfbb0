package durable

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// cloneFile calls FICLONE; ioctl_ficlone(2) lists its errors. Most of them are about the
// two files, and a copy is possible then.
func cloneFile(to, from *os.File) error {
	return control(to, func(dst uintptr) error {
		return control(from, func(src uintptr) error {
			err := ignoringEINTR(func() error { return unix.IoctlFileClone(int(dst), int(src)) })
			for _, refusal := range []error{unix.EOPNOTSUPP, unix.EXDEV, unix.EINVAL, unix.ENOTTY, unix.ENOSYS, unix.EPERM, unix.EBADF, unix.ETXTBSY} {
				if err == refusal {
					return fmt.Errorf("%w: %w", errors.ErrUnsupported, err)
				}
			}
			return err
		})
	})
}
