package partfile

import (
	"errors"
	"fmt"
	"io"
	"path"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
)

// Tail is a file as a crash left it; nothing in it is verified yet.
type Tail struct {
	f    *File
	size int64
}

// Size returns the number of bytes in the file, good or not.
func (t *Tail) Size() int64 { return t.size }

// Kept returns the number of bytes that were kept, from the beginning.
func (t *Tail) Kept() int64 { return t.f.size }

// ReadAt implements io.ReaderAt.
func (t *Tail) ReadAt(p []byte, off int64) (int, error) { return t.f.file.ReadAt(p, off) }

// Keep hashes the next n bytes, which the caller has verified, as if they had just been
// written.
func (t *Tail) Keep(n int64) error {
	_, err := io.Copy(t.f.hash, io.NewSectionReader(t.f.file, t.f.size, n))
	if err == nil {
		t.f.size += n
	}
	return err
}

// Resume opens {name}.part as a crash left it. check verifies it from the beginning and
// keeps the good part; if check returns an error, Resume returns it and changes nothing.
// Otherwise it cuts off what check did not keep; what check kept is durable when Resume
// returns. Errors: fs.ErrNotExist; durable.ErrLinked; those of check.
func Resume(fsys durable.FS, kind, name string, check func(*Tail) error) (*File, error) {
	part := name + Ext
	if _, err := fsys.Stat(part); err != nil { // Append would create it
		return nil, fmt.Errorf("resuming %s: %w", kind, err)
	}
	file, err := fsys.Append(part)
	if err != nil {
		return nil, fmt.Errorf("resuming %s: %w", kind, err)
	}
	f := newFile(fsys, kind, name, file)
	if err := f.resume(check); err != nil {
		return nil, fmt.Errorf("resuming %s %s: %w", kind, part, errors.Join(err, file.Close()))
	}
	return f, nil
}

func (f *File) resume(check func(*Tail) error) error {
	info, err := f.file.Stat()
	if err != nil {
		return err
	}
	if err := check(&Tail{f, info.Size()}); err != nil {
		return err
	}
	if f.size < info.Size() {
		if err := f.cut(f.size); err != nil {
			return err
		}
	}
	if err := f.sync(); err != nil {
		return err
	}
	return f.fsys.SyncDir(path.Dir(f.name))
}
