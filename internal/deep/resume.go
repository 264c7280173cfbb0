package deep

import (
	"errors"
	"fmt"
	"io"
	"path"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
)

// Resume takes up the unfinished segment name where a crash has left it. Every
// pack is told to each, in the order of the file; the bytes of its frames are
// those that were written. What follows the last whole pack, a torn one or the
// seek table of a segment that was finished but not published, is cut away. When
// Resume returns, all packs that it told are durable.
//
// Errors: fs.ErrNotExist; *DamageError, and nothing was changed, if a whole pack
// follows one that is not: no crash does that to packs that were synced one by one;
// durable.ErrLinked, as for bundles; those of each.
func Resume(fsys durable.FS, name string, each func(*Directory) error) (*Writer, error) {
	part := name + PartExt
	if _, err := fsys.Stat(part); err != nil { // Append would create it
		return nil, fmt.Errorf("resuming segment: %w", err)
	}
	file, err := fsys.Append(part)
	if err != nil {
		return nil, fmt.Errorf("resuming segment: %w", err)
	}
	w := newWriter(fsys, name, file)
	if err := w.resume(part, each); err != nil {
		return nil, fmt.Errorf("resuming segment %s: %w", part, errors.Join(err, file.Close()))
	}
	return w, nil
}

func (w *Writer) resume(part string, each func(*Directory) error) error {
	info, err := w.file.Stat()
	if err != nil {
		return err
	}
	if err := w.replay(&Reader{part, w.file, info.Size()}, each); err != nil {
		return err
	}
	if w.sum.FileSize < info.Size() {
		if err := w.cut(w.sum.FileSize); err != nil {
			return err
		}
	}
	if err := w.sync(); err != nil {
		return err
	}
	return w.fsys.SyncDir(path.Dir(w.name))
}

// replay brings the Writer to where it was behind the last whole pack.
func (w *Writer) replay(r *Reader, each func(*Directory) error) error {
	for w.sum.FileSize < r.size {
		d, err := r.whole(w.sum.FileSize)
		if err != nil {
			return r.checkTail(w.sum.FileSize, err)
		}
		if w.sum.Packs == MaxPacks {
			return ErrFull
		}
		// As if it had been written now.
		if _, err := io.Copy(w.hash, io.NewSectionReader(w.file, d.Offset, d.Size)); err != nil {
			return err
		}
		w.add(d)
		w.sum.FileSize += d.Size
		if err := each(d); err != nil {
			return err
		}
	}
	return nil
}

// whole returns the directory at offset if the pack is whole.
func (r *Reader) whole(offset int64) (*Directory, error) {
	d, err := r.directory(offset)
	if err != nil {
		return nil, err
	}
	buf := buffers.Get().(*[]byte)
	defer buffers.Put(buf)
	*buf, err = r.frame(*buf, d)
	return d, err
}

// checkTail fails if what would be cut away from offset on holds a whole pack.
func (r *Reader) checkTail(offset int64, cause error) error {
	if unreadable(cause) {
		return cause
	}
	for at := offset; ; {
		next, err := r.search(at+1, r.size)
		if errors.Is(err, errNone) {
			return nil
		}
		if err != nil {
			return err
		}
		if _, err := r.whole(next); err == nil {
			return &DamageError{r.name, offset, next, "", cause}
		} else if unreadable(err) {
			return err
		}
		at = next
	}
}

// cut takes everything from offset on away.
func (w *Writer) cut(offset int64) error {
	if err := w.file.Truncate(offset); err != nil {
		return w.fail(err)
	}
	if _, err := w.file.Seek(offset, io.SeekStart); err != nil {
		return w.fail(err)
	}
	w.sum.FileSize = offset
	return nil
}
