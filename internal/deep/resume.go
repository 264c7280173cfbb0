package deep

import (
	"errors"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/partfile"
)

// Resume opens the unfinished segment name where a crash has left it. It calls each with
// every pack, in the order of the file, after verifying the bytes of its frames. It
// truncates what follows the last whole pack: a torn one, or the seek table of a segment
// that was finished but not published. When Resume returns, all packs passed to each are
// durable.
//
// Errors: fs.ErrNotExist; *DamageError, if a whole pack follows one that is not: no crash
// does that to packs that were synced one by one, so Resume changes nothing;
// durable.ErrLinked, as for bundles; those of each.
func Resume(fsys durable.FS, name string, each func(*Directory) error) (*Writer, error) {
	w := new(Writer)
	file, err := partfile.Resume(fsys, kind, name, func(t *partfile.Tail) error {
		return w.replay(&Reader{name + PartExt, t, t.Size()}, t, each)
	})
	if err != nil {
		return nil, err
	}
	w.file = file
	return w, nil
}

// replay reads all whole packs, and restores the state that the Writer had after them.
func (w *Writer) replay(r *Reader, t *partfile.Tail, each func(*Directory) error) error {
	for t.Kept() < r.size {
		d, err := r.whole(t.Kept())
		if err != nil {
			return r.checkTail(t.Kept(), err)
		}
		if w.sum.Packs == MaxPacks {
			return ErrFull
		}
		if err := t.Keep(d.Size); err != nil {
			return err
		}
		w.add(d)
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

// checkTail returns an error if the tail to truncate, from offset on, has a whole pack.
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
