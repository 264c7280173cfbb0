package durable

import (
	"unsafe"

	"golang.org/x/sys/windows"
)

// State is not a method of File, because tests' files do not need one.
func (f *file) State() (State, error) {
	info, err := f.Stat()
	if err != nil {
		return State{}, err
	}
	var id windows.ByHandleFileInformation
	var times fileBasicInfo
	err = control(f.f, func(fd uintptr) error {
		if err := windows.GetFileInformationByHandle(windows.Handle(fd), &id); err != nil {
			return err
		}
		return windows.GetFileInformationByHandleEx(windows.Handle(fd), windows.FileBasicInfo, (*byte)(unsafe.Pointer(&times)), uint32(unsafe.Sizeof(times)))
	})
	if err != nil {
		return State{}, translate(err)
	}
	modified := info.ModTime().UnixNano()
	changed := modified
	if times.ChangeTime.HighDateTime != 0 { // FAT has none
		changed = times.ChangeTime.Nanoseconds()
	}
	return State{
		ID: uint64(id.FileIndexHigh)<<32 | uint64(id.FileIndexLow), Size: info.Size(),
		Modified: modified, Changed: changed,
	}, nil
}

// fileBasicInfo is FILE_BASIC_INFO.
type fileBasicInfo struct {
	CreationTime, LastAccessTime, LastWriteTime, ChangeTime windows.Filetime
	FileAttributes                                          uint32
	_                                                       uint32
}
