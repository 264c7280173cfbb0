package durable

import (
	"os"

	"golang.org/x/sys/windows"
)

const lockFlags = windows.O_FILE_FLAG_OPEN_REPARSE_POINT

// errLocked is LockFileEx's error when the lock is held.
var errLocked = windows.ERROR_LOCK_VIOLATION

// flock locks one byte far beyond the end: other processes cannot read locked bytes on
// Windows, and must be able to read the owner.
func flock(f *os.File) error {
	return control(f, func(h uintptr) error {
		behind := windows.Overlapped{OffsetHigh: 1 << 30}
		return windows.LockFileEx(windows.Handle(h),
			windows.LOCKFILE_EXCLUSIVE_LOCK|windows.LOCKFILE_FAIL_IMMEDIATELY, 0, 1, 0, &behind)
	})
}
