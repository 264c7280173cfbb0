package deep

import (
	"bytes"
	"errors"
	"iter"
	"slices"
)

// Directories yields the directory of each pack, in the order of the file. It does not read
// data frames. Damage yields a *DamageError instead of a directory, and the next pack
// follows. ErrTable or ErrUnfinished may come last. A read error ends the sequence.
func (r *Reader) Directories() iter.Seq2[*Directory, error] {
	return func(yield func(*Directory, error) bool) {
		t, tableErr := readTable(r.r, r.size)
		if unreadable(tableErr) {
			yield(nil, r.damage(Placement{}, "", tableErr))
			return
		}
		w := &walk{Reader: r, table: t, claimed: claimedStart(r.r, r.size)}
		for offset := int64(0); !w.atEnd(offset); {
			d, next, err := w.step(offset)
			if !yield(d, err) || err != nil && !IsDamage(err) {
				return
			}
			offset = next
		}
		if err := w.verdict(tableErr); err != nil {
			yield(nil, err)
		}
	}
}

// walk walks from pack to pack.
type walk struct {
	*Reader
	table   *table // nil: none
	claimed int64  // offset of the table according to the last bytes; -1: none

	wrong bool // the table disagrees with the packs
	ended bool // at something that begins like a table
}

// atEnd reports whether no pack can begin at offset.
func (w *walk) atEnd(offset int64) bool {
	if w.table != nil {
		return offset >= w.table.start
	}
	if offset < w.size {
		var magic [4]byte
		w.ended = offset == w.claimed || readAt(w.r, magic[:], offset) == nil && magic == tableStart
	}
	return w.ended || offset >= w.size
}

// step returns the directory or the damage at offset, and the offset to continue from.
func (w *walk) step(offset int64) (*Directory, int64, error) {
	d, err := w.directory(offset)
	if err == nil {
		w.wrong = w.wrong || w.table != nil && !w.table.has(d)
		return d, offset + d.Size, nil
	}
	if unreadable(err) {
		return nil, 0, w.damage(Placement{Offset: offset}, "", err)
	}
	end := w.size
	if w.table != nil {
		end = w.table.after(offset)
	} else if next, searchErr := w.search(offset+1, w.size); searchErr == nil {
		end = next
	} else if unreadable(searchErr) {
		return nil, 0, w.damage(Placement{Offset: offset}, "", searchErr)
	}
	return nil, end, w.damage(Placement{offset, end - offset}, "", err)
}

// verdict returns the error about the end of the file.
func (w *walk) verdict(tableErr error) error {
	switch {
	case w.table == nil && !w.ended:
		return ErrUnfinished
	case w.table == nil:
		return errors.Join(ErrTable, tableErr)
	case w.wrong:
		return ErrTable
	}
	return nil
}

var errNone = errors.New("no pack")

// search returns the offset of the first whole directory between offset and end. Only
// inside a damaged pack can it find one that is not of this segment: a crate may contain a
// segment.
func (r *Reader) search(offset, end int64) (int64, error) {
	const chunk = 1 << 20
	// A real segment has few false starts. A hostile one must not make us read and hash it
	// again and again.
	budget := 4*r.size + 64<<20
	buf := make([]byte, min(chunk, max(0, end-offset)))
	for at := offset + frameHead; at < end && budget >= 0; {
		b := buf[:min(int64(len(buf)), end-at)]
		if err := readAt(r.r, b, at); err != nil {
			return 0, err
		}
		n := bytes.Index(b, []byte(signature))
		if n < 0 {
			at += int64(max(1, len(b)-len(signature)+1))
			continue
		}
		start := at + int64(n) - frameHead
		if _, err := r.directory(start); err == nil || unreadable(err) {
			return start, err
		}
		at += int64(n) + 1
		budget -= maxDirectory + int64(len(b))
	}
	return 0, errNone
}

// has reports whether the table agrees with the directory of a pack.
func (t *table) has(d *Directory) bool {
	n, found := slices.BinarySearch(t.starts, d.Offset)
	return found && bytes.Equal(t.entries[n*packEntry:][:packEntry], appendEntry(nil, d))
}

// after returns the offset of the first pack after offset, or of the table.
func (t *table) after(offset int64) int64 {
	n, found := slices.BinarySearch(t.starts, offset)
	if found {
		n++
	}
	return t.end(n - 1)
}

// end returns the end of pack n.
func (t *table) end(n int) int64 {
	if n+1 < len(t.starts) {
		return t.starts[n+1]
	}
	return t.start
}
