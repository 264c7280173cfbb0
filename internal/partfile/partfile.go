// Package partfile is a file that grows by appending, survives a crash, and gets its name
// when it is whole: a bundle, a segment of the deep archive.
//
// It is {name}.part until it is published, and is hashed as it is written. After a failed
// write or sync it is dead: every later call returns ErrBroken. What was synced before is
// safe. After a failed write [Resume] finds it again; after a failed sync nothing that is
// read back in this run proves that it is on the disk (Linux marks the pages clean), so
// what was appended since the last Sync should be stored again, in another file.
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

// Ext ends the name of a file that is not published.
const Ext = ".part"

var (
	// ErrBroken: an earlier write or sync of this File failed.
	ErrBroken = errors.New("file cannot be written to after an error")
	// ErrUnfinished: only what is finished is published.
	ErrUnfinished = errors.New("file is not finished")
	// ErrFinished: nothing can be appended to it.
	ErrFinished = errors.New("file is finished")

	errClosed = errors.New("file is closed")
)

// File is one that grows. All methods may be called concurrently; they take turns, but for
// Sync, beside which bytes are appended.
type File struct {
	fsys durable.FS
	kind string // of file, for errors: bundle
	name string

	// syncing is held while the file is synced without mu, and by what ends it. It is
	// taken before mu.
	syncing sync.Mutex

	mu   sync.Mutex // guards what follows
	file durable.File
	size int64
	hash hash.Hash // of the bytes up to size
	err  error     // why the File cannot be written any more
}

// Create makes {name}.part. It fails with fs.ErrExist if that is there.
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

// Size is how many bytes the file has.
func (f *File) Size() int64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.size
}

// Err is why the file cannot be written any more; nil if it can.
func (f *File) Err() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.err
}

// Write appends. It is durable after the next Sync.
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

// A Mark is a place to which a File can be taken back.
type Mark struct {
	size int64
	hash hash.Hash
}

// Mark marks the end of the file as it is.
func (f *File) Mark() Mark {
	f.mu.Lock()
	defer f.mu.Unlock()
	c, err := f.hash.(hash.Cloner).Clone()
	if err != nil {
		panic(err) // SHA-256 of the standard library can be cloned
	}
	return Mark{f.size, c}
}

// Back takes back what was written since m.
func (f *File) Back(m Mark) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.err != nil {
		return f.err
	}
	f.hash = m.hash
	return f.cut(m.size)
}

// cut takes everything from offset on away.
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

// Sync makes everything durable that was appended before. What is appended meanwhile may
// or may not be.
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

// sync is Sync for those who hold both mutexes.
func (f *File) sync() error {
	if err := f.file.Sync(); err != nil {
		return fmt.Errorf("syncing %s: %w", f.kind, f.fail(err))
	}
	return nil
}

// end begins a method that ends the file: no other method runs beside it.
func (f *File) end() (unlock func()) {
	f.syncing.Lock()
	f.mu.Lock()
	return func() { f.mu.Unlock(); f.syncing.Unlock() }
}

// Finish makes all durable, and returns the SHA-256 of the file, which then waits to be
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

// Publish renames {name}.part to name, durably. It fails with fs.ErrExist, changing
// nothing, if anything is there already; where the same file is, because an earlier Publish
// was cut off, it completes that.
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

// Close leaves the file as it is, for [Resume]; after Publish it does nothing. It syncs
// nothing.
func (f *File) Close() error {
	defer f.end()()
	if f.err == errClosed {
		return nil
	}
	f.err = errClosed
	return f.file.Close()
}
