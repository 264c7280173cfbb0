package durable

import (
	"errors"
	"os"
	"syscall"

	"golang.org/x/sys/windows"
)

const (
	dirFlag      = 0
	nonblockFlag = 0
	appendFlag   = 0 // O_APPEND forbids Truncate here; see file.atEnd
)

// links returns how many names a file has.
func links(f *os.File) (uint64, error) {
	var info syscall.ByHandleFileInformation
	err := control(f, func(h uintptr) error {
		return syscall.GetFileInformationByHandle(syscall.Handle(h), &info)
	})
	return uint64(info.NumberOfLinks), err
}

// syncDir does nothing: NTFS journals names itself and has no call for it.
func (d *folder) syncDir(string) error { return nil }

func syncOpenDir(*os.File) error { return errors.ErrUnsupported }

// free uses the path: Windows has no call for an open folder, and does not let an open
// folder be renamed.
func (d *folder) free() (bytes, files int64, err error) {
	dir, err := windows.UTF16PtrFromString(d.root.Name())
	if err != nil {
		return -1, -1, err
	}
	var free uint64
	if err := windows.GetDiskFreeSpaceEx(dir, &free, nil, nil); err != nil {
		return -1, -1, err
	}
	return int64(free), -1, nil
}
