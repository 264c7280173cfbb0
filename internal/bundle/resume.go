package bundle

import (
	"cmp"
	"io"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/bundle/member"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/partfile"
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
	w := new(Writer)
	file, err := partfile.Resume(fsys, kind, name, func(t *partfile.Tail) error { return w.replay(t, each) })
	if err != nil {
		return nil, err
	}
	w.file = file
	return w, nil
}

// replay keeps all whole members, and brings the Writer to where it was behind them.
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

// checkTail fails if what would be cut away from offset on holds a whole member.
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
