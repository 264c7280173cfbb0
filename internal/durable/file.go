package durable

import (
	"io"
	"io/fs"
	"os"
	"syscall"
)

// file is the File of the operating system. It forwards method by method
// instead of embedding *os.File: a promoted ReadFrom would let io.Copy write
// around the translation of errors.
type file struct {
	f *os.File
	// atEnd: seek to the end before each write, where the system's own append
	// mode cannot be had together with Truncate (Windows).
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

// Sync is fsync; on macOS, where fsync leaves the bytes in the drive's cache,
// package os uses F_FULLFSYNC; on Windows it is FlushFileBuffers.
func (f *file) Sync() error { return translate(f.f.Sync()) }

// SyscallConn is no method of File either: the kernel reads from files of the system alone.
func (f *file) SyscallConn() (syscall.RawConn, error) { return f.f.SyscallConn() }

func (f *file) Close() error { return translate(f.f.Close()) }
