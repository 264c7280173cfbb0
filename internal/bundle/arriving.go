package bundle

import (
	"bytes"
	"fmt"
	"io"
	"iter"
)

// Arriving yields the members of a finished bundle of size bytes that is still being
// received, in the order of the file. Each is verified to its last byte and hashed, on all
// cores. ReadAt must wait until the bytes are there. Arriving reads from front to end, the
// bytes of large members twice.
//
// It is stricter than [Reader.Members], since nothing after damage needs to be salvaged:
// the first error ends the sequence. Errors: *DamageError, also for read errors, and with
// ErrFormat if the file does not begin with a member; ErrTable. A bundle without any error
// is one that this package could have written.
func Arriving(r io.ReaderAt, size int64) iter.Seq2[Member, error] {
	return func(yield func(Member, error) bool) {
		a := newAhead(newWalker(r, size))
		defer a.stop()
		var table []byte
		for at, n := int64(0), 0; ; n++ {
			s := a.frame(at)
			if s.err == nil && !s.end && n == MaxMembers {
				s.drop()
				s.err = ErrTooMany
			}
			if s.err != nil && n == 0 {
				s.err = fmt.Errorf("%w: %w", ErrFormat, s.err)
			}
			if s.err != nil {
				yield(Member{}, &DamageError{at, size, s.err})
				return
			}
			s.drop()
			table, at = appendEntry(table, s.size, s.shape.content), s.next()
			if s.end {
				if err := a.table(at, tableFrame(table)); err != nil {
					yield(Member{}, err)
				}
				return
			}
			if !yield(s.member, nil) {
				return
			}
		}
	}
}

// table compares the bytes after the end of the archive with the expected ones.
func (a *ahead) table(at int64, want []byte) error {
	got := make([]byte, len(want))
	if a.size-at != int64(len(want)) {
		return fmt.Errorf("%w: %d bytes are behind the archive, want %d", ErrTable, a.size-at, len(want))
	}
	if err := readAt(a.r, got, at); err != nil {
		return &DamageError{at, a.size, err}
	}
	if !bytes.Equal(got, want) {
		return fmt.Errorf("%w: it says something else than the frames", ErrTable)
	}
	return nil
}
