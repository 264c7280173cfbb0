package bundle

import (
	"errors"
	"fmt"
	"io"
	"iter"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
)

// Entry is a member of an archive that is being scanned. Its bytes are read
// from it before the next one is asked for; whatever is not read is skipped.
// Nothing has verified them before the scan comes to its end without an error.
type Entry struct {
	ID   crate.ID
	Size int64
	r    io.Reader
	left int64
}

// Read reads the crate's bytes.
func (e *Entry) Read(p []byte) (int, error) {
	if e.left == 0 {
		return 0, io.EOF
	}
	n, err := e.r.Read(p[:min(int64(len(p)), e.left)])
	e.left -= int64(n)
	switch {
	case err == io.EOF && e.left == 0:
		err = nil
	case err != nil:
		err = fmt.Errorf("reading %s: %w", e.ID, noEOF(err))
	}
	return n, err
}

// An EntryError says that a member is no crate.
type EntryError struct {
	Name string // as it is in the archive: anything
	Err  error
}

func (e *EntryError) Error() string { return fmt.Sprintf("member %q: %v", e.Name, e.Err) }
func (e *EntryError) Unwrap() error { return e.Err }

// Scan reads a .tar.zst of size bytes from the beginning to the end: a bundle of
// v1.1.0, or one of ours. Headers may name any mode, owner and time, which are
// ignored, but nothing other than regular files with the path of a crate, at most
// MaxMembers of at most MaxSize bytes; ErrBomb if they have far more together than
// size.
//
// A member with another path yields an *EntryError, and the next one follows;
// any other error ends the sequence. The whole stream is read and its checksum
// compared, also behind the end of the archive, where only the padding of a
// stock tar may follow.
func Scan(r io.Reader, size int64) iter.Seq2[*Entry, error] {
	return func(yield func(*Entry, error) bool) {
		z, err := newDecoder(r)
		defer freeDecoder(z)
		if err == nil {
			err = scan(z, newBudget(size), yield)
		}
		if err != nil && err != errStopped {
			yield(nil, fmt.Errorf("reading archive: %w", err))
		}
	}
}

// isStream reports whether a file begins like a bundle of v1.1.0: a frame with a
// tar header in it that we would not write. It is sure of it if the frame does
// not declare its content size, which is so unless it is a small one.
func isStream(r io.ReaderAt, size int64) (stream, sure bool) {
	z, err := newDecoder(io.NewSectionReader(r, 0, size))
	defer freeDecoder(z)
	if err == nil {
		_, _, err = readForeign(z)
	}
	var head [maxFrameHeader]byte
	if err == nil {
		err = readAt(r, head[:], 0)
	}
	return err == nil, err == nil && head[4]&declaresSize == 0
}

// errStopped: the consumer wants no more.
var errStopped = errors.New("stopped")

func scan(r io.Reader, left budget, yield func(*Entry, error) bool) error {
	for n := 0; ; n++ {
		name, size, err := readForeign(r)
		if err == io.EOF {
			return readRest(r)
		}
		if err != nil {
			return err
		}
		if n == MaxMembers {
			return ErrTooMany
		}
		if err := left.spend(size); err != nil {
			return err
		}
		e := &Entry{Size: size, r: r, left: size}
		var more bool
		if e.ID, err = crate.ParseLoosePath(name); err != nil {
			more = yield(nil, &EntryError{name, err})
		} else {
			more = yield(e, nil)
		}
		if !more {
			return errStopped
		}
		if _, err := io.CopyN(io.Discard, r, e.left+padding(size)); err != nil {
			return noEOF(err)
		}
	}
}

// readRest reads the stream behind the end of the archive, so that its checksum
// is compared. A stock tar fills its last record of 20 blocks with zeros.
func readRest(r io.Reader) error {
	const most = 18 * blockSize
	b, err := io.ReadAll(io.LimitReader(r, most+1))
	if err == nil && (len(b) > most || !isZero(b)) {
		err = ErrTrailing
	}
	return err
}
