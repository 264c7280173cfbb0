// Package durable is the interface between this program and file systems. It is the only
// package that deals with fsync, rename, locks and the differences between Linux, macOS and
// Windows in them.
//
// An [FS] is a folder. Names are slash-separated, relative and clean ([io/fs.ValidPath]);
// no name, symbolic link or rename reaches outside the folder. All code above this package
// follows three rules:
//
//   - A final name is never opened for writing. Bytes are written under a
//     temporary name of the same FS and get their final name with Publish or
//     Replace once they are complete.
//   - Publish never replaces anything. Replace is for files that we alone own
//     (catalogs, cursors), never for crates or bundles.
//   - Nothing is durable until it was synced: a file's bytes by File.Sync, its
//     name by SyncDir of its folder, or both, and everything else that was
//     done through the FS before, by SyncAll.
//
// A [WholeFile] implements them for one file, a [Batch] for many. Other packages call
// Publish or Replace only for files that are already whole.
//
// After a failed write or sync, a file must be abandoned: a later sync may report success
// although bytes are lost, since the kernel may drop dirty pages after a failed fsync.
//
// Tests use the file systems of package durabletest: one that loses what was not synced,
// one that fails at the n-th operation, one that kills the process there.
package durable

import (
	"errors"
	"io"
	"io/fs"
	"syscall"
)

// File is an open file of an FS. Its methods must not be called concurrently, except
// ReadAt, and Sync, which may run during writes.
type File interface {
	io.Reader
	io.ReaderAt
	io.Writer
	io.Seeker
	io.Closer
	Stat() (fs.FileInfo, error)
	Truncate(size int64) error
	// Sync makes the bytes durable that were written before the call, but not the file's
	// name.
	Sync() error
}

// Reader is the reading half of an FS.
type Reader interface {
	// Open opens a regular file for reading. The last element of name is not
	// followed if it is a symbolic link. Errors: fs.ErrNotExist; ErrNotRegular
	// for a link, FIFO, device or folder (and it never blocks on a FIFO).
	Open(name string) (File, error)
	// Stat describes name itself and follows no link.
	Stat(name string) (fs.FileInfo, error)
	// ReadDir lists a folder, sorted by name. "." is the FS itself.
	ReadDir(name string) ([]fs.DirEntry, error)
}

// FS is a folder that we write to. All methods may be called concurrently. Files that root
// creates in another user's folder belong to that user. Errors are *fs.PathError or
// *os.LinkError and work with errors.Is for fs.ErrNotExist, fs.ErrExist, ErrNotRegular,
// ErrNoSpace and ErrReadOnly.
type FS interface {
	Reader
	// Create creates a file with mode 0644, open for reading and writing. Errors:
	// fs.ErrExist.
	Create(name string) (File, error)
	// CreatePrivate is like Create, but only the owner may ever read the file: mode 0600.
	// On Windows, where a file has the access list of its folder, it is the same as Create.
	CreatePrivate(name string) (File, error)
	// Append opens a regular file for reading and appending, and creates it if absent. It
	// is for unfinished files (".part", ".log"), which do not have final names. Errors:
	// ErrNotRegular; ErrLinked if the bytes may also be those of a final name.
	Append(name string) (File, error)
	// MkdirAll creates a folder and its parents with mode 0755. It succeeds if the folder
	// exists.
	MkdirAll(name string) error
	// Publish renames the file temp to name atomically. If anything has that name, it
	// changes nothing and returns fs.ErrExist.
	Publish(temp, name string) error
	// Replace renames the file temp to name atomically. It replaces a regular file with
	// that name.
	Replace(temp, name string) error
	// Remove removes a file or an empty folder.
	Remove(name string) error
	// SyncDir makes the names in a folder durable that were created, renamed or removed
	// before the call. It does nothing on systems that cannot (Windows).
	SyncDir(name string) error
	// SyncAll makes everything durable that was written, created, renamed or removed before
	// the call. It returns errors.ErrUnsupported if one file system cannot be synced (any
	// system but Linux; FUSE, 9P and SMB on Linux); the caller then syncs file by file.
	SyncAll() error
	// Free returns how many bytes and how many files can still be created (-1: unknown).
	Free() (bytes, files int64, err error)
	// Close releases the folder. Open files stay usable.
	Close() error
}

// Errors that callers decide on. The operating system's errors are translated where they
// occur, so errors.Is works on every system.
var (
	// ErrNotRegular says that the name is not of a regular file.
	ErrNotRegular = errors.New("not a regular file")
	// ErrNoSpace says that the disk, its inodes, the quota or the file size limit is used
	// up (ENOSPC, EDQUOT, EFBIG; ERROR_DISK_FULL on Windows).
	ErrNoSpace = errors.New("no space left")
	// ErrLinked says that the file to append to has a second name (a hard link), whose
	// bytes would change, too. [Separate] makes it possible.
	ErrLinked = errors.New("file has several hard links, appending would change them all")
	// ErrEscapes says that a link below the folder leads out of it.
	ErrEscapes = errors.New("a symbolic link leads out of the folder, and is not followed; use a mount instead")
	// ErrReadOnly says that the file system cannot be written to (EROFS).
	ErrReadOnly = errors.New("read-only file system")
	// ErrTooLarge says that a file exceeds its reader's limit.
	ErrTooLarge = errors.New("file is too large")
)

// IsBroken reports whether err means that the disk as a whole cannot be written to, so that
// no other attempt can succeed: it is full, read-only or failing.
func IsBroken(err error) bool {
	return errors.Is(err, ErrNoSpace) || errors.Is(err, ErrReadOnly) || errors.Is(err, syscall.EIO)
}
