// Package partfile implements files that grow by appending, survive a crash, and get their
// name once complete: bundles, and segments of the deep archive.
//
// A file is {name}.part until it is published, and is hashed as it is written. After a
// failed write or sync it is dead: every later call returns ErrBroken. What was synced
// before is safe. After a failed write, [Resume] finds it again. After a failed sync,
// reading bytes back in this run does not prove that they are on the disk (Linux marks the
// pages clean), so what was appended since the last Sync should be stored again, in another
// file.
package partfile

import (
	"cmp"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"path"
	"sync"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
)

// Ext is the suffix of an unpublished file.
const Ext = ".part"

var (
	// ErrBroken means that an earlier write or sync of this File failed.
	ErrBroken = errors.New("file cannot be written to after an error")
	// ErrUnfinished means that the file must be finished before it is published.
	ErrUnfinished = errors.New("file is not finished")
	// ErrFinished means that nothing can be appended.
	ErrFinished = errors.New("file is finished")

	errClosed = errors.New("file is closed")
)

// File is a growing file. All methods may be called concurrently; they run one at a time,
// except that bytes may be appended during Sync.
type File struct {
	fsys durable.FS
	kind string // kind of file, for errors: bundle
	name string

	// syncing is held while the file is synced without mu, and by methods that end the
	// file. It is locked before mu.
	syncing sync.Mutex

	mu   sync.Mutex // guards what follows
	file durable.File
	size int64
	hash hash.Hash // of the bytes up to size
	err  error     // why the File can no longer be written
}

// Create makes {name}.part. Errors: fs.ErrExist if it exists.
func Create(fsys durable.FS, kind, name string) (*File, error) {
	file, err := fsys.Create(name + Ext)
	if err != nil {
		return nil, fmt.Errorf("creating %s: %w", kind, err)
	}
	if err := fsys.SyncDir(path.Dir(name)); err != nil {
		return nil, fmt.Errorf("creating %s %s: %w", kind, name, errors.Join(err, file.Close()))
	}
	return newFile(fsys, kind, name, file), nil
}

func newFile(fsys durable.FS, kind, name string, file durable.File) *File {
	return &File{fsys: fsys, kind: kind, name: name, file: file, hash: sha256.New()}
}

// Size returns the size of the file, in bytes.
func (f *File) Size() int64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.size
}

// Err returns why the file can no longer be written, or nil if it can.
func (f *File) Err() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.err
}

// Write appends bytes. They are durable after the next Sync.
func (f *File) Write(b []byte) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.err != nil {
		return 0, f.err
	}
	n, err := f.file.Write(b)
	f.size += int64(n)
	if err == nil && n < len(b) {
		err = io.ErrShortWrite
	}
	if err != nil {
		return n, f.fail(err)
	}
	f.hash.Write(b)
	return n, nil
}

func (f *File) fail(err error) error {
	f.err = fmt.Errorf("%w: %w", ErrBroken, err)
	return err
}

// A Mark is a position to which a File can return.
type Mark struct {
	size int64
	hash hash.Hash
}

// Mark returns the current end of the file.
func (f *File) Mark() Mark {
	f.mu.Lock()
	defer f.mu.Unlock()
	c, err := f.hash.(hash.Cloner).Clone()
	if err != nil {
		panic(err) // SHA-256 of the standard library can be cloned
	}
	return Mark{f.size, c}
}

// Back removes what was written since m.
func (f *File) Back(m Mark) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.err != nil {
		return f.err
	}
	f.hash = m.hash
	return f.cut(m.size)
}

// cut removes everything from offset on.
func (f *File) cut(offset int64) error {
	if err := f.file.Truncate(offset); err != nil {
		return f.fail(err)
	}
	if _, err := f.file.Seek(offset, io.SeekStart); err != nil {
		return f.fail(err)
	}
	f.size = offset
	return nil
}

// Sync makes durable everything that was appended before. What is appended meanwhile may or
// may not be durable.
func (f *File) Sync() error {
	f.syncing.Lock()
	defer f.syncing.Unlock()
	if err := f.Err(); err != nil {
		return err
	}
	err := f.file.Sync()
	if err == nil {
		return nil
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	return fmt.Errorf("syncing %s: %w", f.kind, f.fail(err))
}

// sync is Sync for a caller that holds both mutexes.
func (f *File) sync() error {
	if err := f.file.Sync(); err != nil {
		return fmt.Errorf("syncing %s: %w", f.kind, f.fail(err))
	}
	return nil
}

// end begins a method that ends the file: no other method runs meanwhile.
func (f *File) end() (unlock func()) {
	f.syncing.Lock()
	f.mu.Lock()
	return func() { f.mu.Unlock(); f.syncing.Unlock() }
}

// Finish makes everything durable, and returns the SHA-256 of the file, which can then be
// published.
func (f *File) Finish() (sum crate.Checksum, err error) {
	defer f.end()()
	if f.err != nil {
		return sum, f.err
	}
	if err := f.sync(); err != nil {
		return sum, err
	}
	f.err = ErrFinished
	f.hash.Sum(sum[:0])
	return sum, nil
}

// Publish closes the file, which must be finished, and gives it its name.
func (f *File) Publish() error {
	defer f.end()()
	if f.err != ErrFinished {
		return fmt.Errorf("publishing %s: %w", f.kind, cmp.Or(f.err, ErrUnfinished))
	}
	f.err = errClosed
	if err := f.file.Close(); err != nil {
		return fmt.Errorf("closing %s: %w", f.kind, err)
	}
	return Publish(f.fsys, f.kind, f.name)
}

// Publish durably renames {name}.part to name. If name exists, it returns fs.ErrExist and
// changes nothing, unless it is the same file because an earlier Publish was interrupted:
// then it completes that.
func Publish(fsys durable.FS, kind, name string) error {
	err := fsys.Publish(name+Ext, name)
	if err == nil {
		err = fsys.SyncDir(path.Dir(name))
	}
	if err != nil {
		return fmt.Errorf("publishing %s: %w", kind, err)
	}
	return nil
}

// Close leaves the file as it is, for [Resume], and syncs nothing. After Publish it does
// nothing.
func (f *File) Close() error {
	defer f.end()()
	if f.err == errClosed {
		return nil
	}
	f.err = errClosed
	return f.file.Close()
}
