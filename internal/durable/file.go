package durable

import (
	"io"
	"io/fs"
	"os"
	"syscall"
)

// file is the File of the operating system. It forwards each method instead of embedding
// *os.File: with a promoted ReadFrom, io.Copy would bypass the translation of errors.
type file struct {
	f *os.File
	// atEnd makes writes seek to the end first, where the system's append mode cannot be
	// combined with Truncate (Windows).
	atEnd bool
}

func (f *file) Read(p []byte) (int, error) {
	n, err := f.f.Read(p)
	return n, translate(err)
}

func (f *file) ReadAt(p []byte, off int64) (int, error) {
	n, err := f.f.ReadAt(p, off)
	return n, translate(err)
}

func (f *file) Write(p []byte) (int, error) {
	if f.atEnd {
		if _, err := f.f.Seek(0, io.SeekEnd); err != nil {
			return 0, translate(err)
		}
	}
	n, err := f.f.Write(p)
	return n, translate(err)
}

func (f *file) Seek(offset int64, whence int) (int64, error) {
	n, err := f.f.Seek(offset, whence)
	return n, translate(err)
}

func (f *file) Stat() (fs.FileInfo, error) {
	info, err := f.f.Stat()
	return info, translate(err)
}

func (f *file) Truncate(size int64) error { return translate(f.f.Truncate(size)) }

// Sync calls fsync; on macOS, where fsync leaves the bytes in the drive's cache, package os
// uses F_FULLFSYNC; on Windows it is FlushFileBuffers.
func (f *file) Sync() error { return translate(f.f.Sync()) }

// SyscallConn is not a method of File, because the kernel can only read from files of the
// system.
func (f *file) SyscallConn() (syscall.RawConn, error) { return f.f.SyscallConn() }

func (f *file) Close() error { return translate(f.f.Close()) }
