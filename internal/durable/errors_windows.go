package durable

import (
	"errors"
	"syscall"

	"golang.org/x/sys/windows"
)

var (
	noSpaceErrnos = []syscall.Errno{
		windows.ERROR_DISK_FULL, windows.ERROR_HANDLE_DISK_FULL, windows.ERROR_DISK_QUOTA_EXCEEDED,
		windows.ERROR_DISK_RESOURCES_EXHAUSTED, windows.ERROR_FILE_TOO_LARGE,
	}
	readOnlyErrnos = []syscall.Errno{windows.ERROR_WRITE_PROTECT}
	// A link that is not followed, a folder opened for writing.
	notRegularErrnos = []syscall.Errno{syscall.ELOOP, syscall.EISDIR}
)

// linkRefused reports whether a file system has no hard links (FAT, exFAT) or refuses
// another one for this file.
func linkRefused(err error) bool {
	return errors.Is(err, errors.ErrUnsupported) ||
		errors.Is(err, windows.ERROR_INVALID_FUNCTION) || errors.Is(err, windows.ERROR_INVALID_PARAMETER) ||
		errors.Is(err, windows.ERROR_TOO_MANY_LINKS) || errors.Is(err, windows.ERROR_NOT_SAME_DEVICE)
}
