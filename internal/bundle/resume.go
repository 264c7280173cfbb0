package bundle

import (
	"cmp"
	"io"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/bundle/member"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/partfile"
)

// Resume opens the unfinished bundle name where a crash has left it. It verifies every
// member and calls each with it, in the order of the file; an error of each ends it. It
// truncates what follows the last whole member: a torn one, or the end of a bundle that was
// finished but not published. When Resume returns, all members passed to each are durable.
//
// Errors: fs.ErrNotExist; *DamageError, if whole members follow one that is not: no crash
// does that to synced members, so Resume changes nothing. Reader.Members finds the intact
// ones, to be copied into another bundle. durable.ErrLinked: the file has a second name. If
// that is the final one, [Publish] completes an interrupted Publish; otherwise
// [durable.Separate] makes the file one that can be resumed.
func Resume(fsys durable.FS, name string, each func(Member) error) (*Writer, error) {
	w := new(Writer)
	file, err := partfile.Resume(fsys, kind, name, func(t *partfile.Tail) error { return w.replay(t, each) })
	if err != nil {
		return nil, err
	}
	w.file = file
	return w, nil
}

// replay reads all whole members, and restores the state that the Writer had after them.
func (w *Writer) replay(t *partfile.Tail, each func(Member) error) error {
	disk := &watched{ReaderAt: t}
	walk := newWalker(disk, t.Size())
	walk.Budget = member.Unlimited
	for {
		s := walk.frame(t.Kept())
		if s.end {
			return nil
		}
		if s.err != nil {
			return cmp.Or(checkTail(walk, t.Kept(), s.err), disk.err)
		}
		if w.sum.Members == MaxMembers {
			return ErrTooMany
		}
		s.drop()
		if err := t.Keep(s.next() - t.Kept()); err != nil {
			return err
		}
		w.add(s.member)
		if err := each(s.member); err != nil {
			return err
		}
	}
}

// checkTail returns an error if the tail to truncate, from offset on, has a whole member.
func checkTail(walk *walker, offset int64, cause error) error {
	next := walk.search(offset + 1)
	switch {
	case next.err == nil && !next.end:
		return &DamageError{offset, next.member.Offset, cause}
	case next.err == nil, next.err == io.EOF:
		return nil
	}
	return next.err
}

// watched remembers read errors: a disk that fails to read today has not lost its bytes, so
// nothing may be truncated.
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
