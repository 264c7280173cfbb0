// Package durable is the seam between this program and file systems: the one
// room that knows about fsync, rename, locks and the ways in which Linux,
// macOS and Windows differ in them.
//
// An [FS] is a folder. Names are slash-separated, relative and clean
// ([io/fs.ValidPath]); no name, symbolic link or rename reaches outside the
// folder. Three rules hold everywhere above this package:
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
// Who keeps them need not repeat them: a [WholeFile] writes one file, a [Batch] many
// of them. No other room calls Publish or Replace but for files that are whole
// already.
//
// After a failed write or sync the file is dead: it must be abandoned, never
// synced again and called good (after a failed fsync the kernel may drop the
// dirty pages and report success the next time).
//
// Tests replace the disk with the file systems of package durabletest: one
// that forgets what was not synced, one that fails at the n-th operation, one
// that kills the process there.
package durable

import (
	"errors"
	"io"
	"io/fs"
	"syscall"
)

// File is an open file of an FS. Its methods may be called by one goroutine at a time,
// except ReadAt, which may be called by many, and Sync, which may run beside writes.
type File interface {
	io.Reader
	io.ReaderAt
	io.Writer
	io.Seeker
	io.Closer
	Stat() (fs.FileInfo, error)
	Truncate(size int64) error
	// Sync makes the file's bytes durable that were written before the call, but
	// not its name.
	Sync() error
}

// Reader is the reading half of an FS.
type Reader interface {
	// Open opens a regular file for reading. The last element of name is not
	// followed if it is a symbolic link. Errors: fs.ErrNotExist; ErrNotRegular
	// for a link, FIFO, device or folder (and it never blocks on a FIFO).
	Open(name string) (File, error)
	// Stat describes name itself, following no link.
	Stat(name string) (fs.FileInfo, error)
	// ReadDir lists a folder, sorted by name. "." is the FS itself.
	ReadDir(name string) ([]fs.DirEntry, error)
}

// FS is a folder that we write to. All methods may be called concurrently. What
// root creates in another user's folder belongs to that user.
// Errors are *fs.PathError or *os.LinkError and work with errors.Is for
// fs.ErrNotExist, fs.ErrExist, ErrNotRegular, ErrNoSpace and ErrReadOnly.
type FS interface {
	Reader
	// Create creates a file that did not exist (fs.ErrExist otherwise), mode
	// 0644, open for reading and writing.
	Create(name string) (File, error)
	// CreatePrivate is Create of a file that its owner alone may read, from its
	// first instant on: mode 0600. On Windows, where a file has the access list
	// of its folder, it is Create.
	CreatePrivate(name string) (File, error)
	// Append opens a regular file for reading and appending, created if
	// absent. It is for unfinished files (".part", ".log"), which are not final
	// names. It fails with ErrNotRegular, or with ErrLinked where the bytes
	// might be those of a final name.
	Append(name string) (File, error)
	// MkdirAll creates a folder and its parents, mode 0755. A folder that is
	// there is success.
	MkdirAll(name string) error
	// Publish renames the file temp to name in one step, and fails with
	// fs.ErrExist, changing nothing, if anything is there already.
	Publish(temp, name string) error
	// Replace renames the file temp to name in one step, replacing a regular
	// file that is there.
	Replace(temp, name string) error
	// Remove removes a file or an empty folder.
	Remove(name string) error
	// SyncDir makes the names in a folder durable: those created, renamed to
	// or removed before the call. Where a system offers no such thing
	// (Windows), it does nothing.
	SyncDir(name string) error
	// SyncAll makes everything durable that was written, created, renamed or
	// removed before the call. Where there is no such call for one file system
	// (any system but Linux; FUSE, 9P and SMB on Linux) it fails with
	// errors.ErrUnsupported; the caller then syncs file by file.
	SyncAll() error
	// Free reports how many bytes and how many files can still be created
	// (-1: unknown).
	Free() (bytes, files int64, err error)
	// Close releases the folder. Open files stay usable.
	Close() error
}

// Errors that code decides on. The operating system's own are translated where
// they arise, so errors.Is works on every system.
var (
	// ErrNotRegular: the name is there but is not a regular file.
	ErrNotRegular = errors.New("not a regular file")
	// ErrNoSpace: the disk, its inodes, the quota or the file size limit is
	// used up (ENOSPC, EDQUOT, EFBIG; ERROR_DISK_FULL on Windows).
	ErrNoSpace = errors.New("no space left")
	// ErrLinked: the file to be appended to has a second name (a hard link),
	// where its bytes would change too. After [Separate] it can be.
	ErrLinked = errors.New("file has several hard links, appending would change them all")
	// ErrEscapes: a link below the folder leads out of it.
	ErrEscapes = errors.New("a symbolic link leads out of the folder, which is not followed; mount there what is elsewhere")
	// ErrReadOnly: the file system cannot be written to (EROFS).
	ErrReadOnly = errors.New("read-only file system")
	// ErrTooLarge: a file has more bytes than the limit of its reader.
	ErrTooLarge = errors.New("file is too large")
)

// IsBroken reports whether err says that the disk as a whole cannot be written
// to, so that nothing else that is tried can fare better: it is full, read-only
// or failing.
func IsBroken(err error) bool {
	return errors.Is(err, ErrNoSpace) || errors.Is(err, ErrReadOnly) || errors.Is(err, syscall.EIO)
}
