package bundle

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"path"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/bundle/member"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
)

// Resume takes up the unfinished bundle name where a crash has left it. Every
// member is verified and told to each, in the order of the file; an error of
// each ends it. What follows the last whole member, a torn one or the end of a
// bundle that was finished but not published, is cut away. When Resume returns,
// all members that it told are durable.
//
// Errors: fs.ErrNotExist; *DamageError, and nothing was changed, if whole
// members follow one that is not: no crash does that to members that were
// synced, so they are not cut away. Reader.Members finds those that are good,
// to be put into another bundle. durable.ErrLinked: the file has a second name.
// If that is the final one, [Publish] completes what was cut off; otherwise
// [durable.Separate] makes the file one that can be resumed.
func Resume(fsys durable.FS, name string, each func(Member) error) (*Writer, error) {
	part := name + PartExt
	if _, err := fsys.Stat(part); err != nil { // Append would create it
		return nil, fmt.Errorf("resuming bundle: %w", err)
	}
	file, err := fsys.Append(part)
	if err != nil {
		return nil, fmt.Errorf("resuming bundle: %w", err)
	}
	w := newWriter(fsys, name, file)
	if err := w.resume(each); err != nil {
		return nil, fmt.Errorf("resuming bundle %s: %w", part, errors.Join(err, file.Close()))
	}
	return w, nil
}

func (w *Writer) resume(each func(Member) error) error {
	info, err := w.file.Stat()
	if err != nil {
		return err
	}
	if err := w.replay(info.Size(), each); err != nil {
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

// replay brings the Writer to where it was behind the last whole member.
func (w *Writer) replay(size int64, each func(Member) error) error {
	disk := &watched{ReaderAt: w.file}
	walk := newWalker(disk, size)
	walk.Budget = member.Unlimited
	for {
		s := walk.frame(w.sum.FileSize)
		if s.end {
			return nil
		}
		if s.err != nil {
			return cmp.Or(w.checkTail(walk, s.err), disk.err)
		}
		if w.sum.Members == MaxMembers {
			return ErrTooMany
		}
		s.drop()
		if err := w.rehash(s.member.Placement); err != nil {
			return err
		}
		w.add(s.member)
		w.sum.FileSize = s.next()
		if err := each(s.member); err != nil {
			return err
		}
	}
}

// rehash hashes a frame as if it had been written now.
func (w *Writer) rehash(p Placement) error {
	_, err := io.Copy(w.hash, io.NewSectionReader(w.file, p.Offset, p.FrameSize))
	return err
}

// checkTail fails if what would be cut away holds a whole member.
func (w *Writer) checkTail(walk *walker, cause error) error {
	offset := w.sum.FileSize
	next := walk.search(offset + 1)
	switch {
	case next.err == nil && !next.end:
		return &DamageError{offset, next.member.Offset, cause}
	case next.err == nil, next.err == io.EOF:
		return nil
	}
	return next.err
}

// watched remembers that reading failed: a disk that does not answer today has
// not lost its bytes, so nothing may be cut away.
type watched struct {
	io.ReaderAt
	err error
}

func (w *watched) ReadAt(p []byte, off int64) (int, error) {
	n, err := w.ReaderAt.ReadAt(p, off)
	if err != nil && err != io.EOF {
		w.err = err
	}
	return n, err
}
