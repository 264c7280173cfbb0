// Package legacy reads the bundles of CloneCratesio v1.1.0. This comment is their
// specification.
//
// # Bundles of v1.1.0
//
// A bundle is one Zstandard frame (RFC 8878) with a checksum, whose content is one tar
// archive (POSIX USTAR): for each crate a header with its [crate.ID.LoosePath], its bytes,
// and zeros up to a multiple of 512; then two blocks of zeros. A path of more than 100
// bytes uses the header's prefix field, or is preceded by a PAX record with only the path.
// The frame does not declare its content size, unless it is small. There is no table:
// reading a crate means reading all crates before it.
//
// # What is accepted
//
// Headers must be of regular files; mode, owner and time are ignored. Programs have
// disagreed too often on the extensions of GNU tar and PAX (F6), so all others are
// rejected. The bundles of this program are tar archives, too, so this package also reads
// them.
//
// A bundle is treated as hostile: the window of the frame, the size of each member, their
// number and their total size are bounded. Bytes are unverified until the reader has
// reached the end without an error; then the caller must still compare them with the
// crates' checksums.
package legacy

import (
	"errors"
	"fmt"
	"io"
	"iter"

	"github.com/klauspost/compress/zstd"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/bundle/member"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
)

// Reader reads a bundle from beginning to end. It must not be used concurrently.
type Reader struct {
	r      io.ReaderAt
	size   int64
	offset int64
}

// Open returns a Reader of the bundle of size bytes in r. It does not read yet.
func Open(r io.ReaderAt, size int64) *Reader { return &Reader{r: r, size: size} }

// Offset returns how far the file was read, which is somewhat ahead of the member.
func (r *Reader) Offset() int64 { return r.offset }

// A ReadError says that the file could not be read, not that it is damaged.
type ReadError struct{ Err error }

func (e *ReadError) Error() string { return e.Err.Error() }
func (e *ReadError) Unwrap() error { return e.Err }

// read reads the file for the decoder.
func (r *Reader) read(p []byte) (int, error) {
	if r.offset >= r.size {
		return 0, io.EOF
	}
	n, err := r.r.ReadAt(p[:min(int64(len(p)), r.size-r.offset)], r.offset)
	r.offset += int64(n)
	if err == io.EOF && n > 0 {
		err = nil
	}
	if err != nil && err != io.EOF {
		err = &ReadError{err}
	}
	return n, err
}

// readerFunc adapts a function to io.Reader.
type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

// Members yields the members in the order of the bundle, at most [member.MaxMembers] of at
// most [member.MaxSize] bytes each; member.ErrBomb if their total is far larger than the
// file. Calling it again starts from the beginning.
//
// A member whose path is not a crate's yields a *MemberError, and the next one follows; any
// other error ends the sequence. Members reads the whole stream, even after the end of the
// archive, where only the padding of a stock tar may follow, and verifies its checksum.
func (r *Reader) Members() iter.Seq2[*Member, error] {
	return func(yield func(*Member, error) bool) {
		r.offset = 0
		z, err := newDecoder(readerFunc(r.read))
		if err == nil {
			defer z.Close()
			err = members(z, member.NewBudget(r.size), yield)
		}
		if err != nil && err != errStopped {
			yield(nil, fmt.Errorf("reading archive: %w", err))
		}
	}
}

// maxWindow is the largest window for which a reader allocates memory (F5: 31 bytes can
// request 512 MiB).
const maxWindow = 32 << 20

// newDecoder returns a decoder that starts no goroutines.
func newDecoder(r io.Reader) (*zstd.Decoder, error) {
	return zstd.NewReader(r,
		zstd.WithDecoderConcurrency(1),
		zstd.WithDecoderLowmem(true),
		zstd.WithDecoderMaxWindow(maxWindow),
		zstd.WithDecodeBuffersBelow(0),
	)
}

// Is reports whether a file begins like a bundle of v1.1.0: a frame with a tar header in
// it. It is sure if the frame does not declare its content size.
func Is(r io.ReaderAt, size int64) (is, sure bool) {
	z, err := newDecoder(io.NewSectionReader(r, 0, size))
	if err != nil {
		return false, false
	}
	defer z.Close()
	if _, _, err := ReadHeader(z); err != nil {
		return false, false
	}
	var head [5]byte // magic number and Frame_Header_Descriptor
	n, _ := r.ReadAt(head[:], 0)
	return n == len(head), n == len(head) && head[4]&declaresSize == 0
}

// declaresSize masks the descriptor of a frame: at least one bit is set if the frame
// declares its content size.
const declaresSize = 0xE0

// Member is a crate in a bundle that is being read. Its bytes must be read before the next
// member is requested; unread bytes are skipped. They are unverified until the reader
// reaches the end without an error.
type Member struct {
	ID   crate.ID
	Size int64
	r    io.Reader
	left int64
}

// Read reads the crate's bytes.
func (m *Member) Read(p []byte) (int, error) {
	if m.left == 0 {
		return 0, io.EOF
	}
	n, err := m.r.Read(p[:min(int64(len(p)), m.left)])
	m.left -= int64(n)
	switch {
	case err == io.EOF && m.left == 0:
		err = nil
	case err != nil:
		err = fmt.Errorf("reading %s: %w", m.ID, noEOF(err))
	}
	return n, err
}

// A MemberError says that a member is not a crate.
type MemberError struct {
	Name string // as in the archive: not validated
	Err  error
}

func (e *MemberError) Error() string { return fmt.Sprintf("member %q: %v", e.Name, e.Err) }
func (e *MemberError) Unwrap() error { return e.Err }

// errStopped says that the consumer stopped the sequence.
var errStopped = errors.New("stopped")

func members(r io.Reader, left member.Budget, yield func(*Member, error) bool) error {
	for n := 0; ; n++ {
		name, size, err := ReadHeader(r)
		if err == io.EOF {
			return readRest(r)
		}
		if err != nil {
			return err
		}
		if n == member.MaxMembers {
			return member.ErrTooMany
		}
		if err := left.Spend(size); err != nil {
			return err
		}
		m := &Member{Size: size, r: r, left: size}
		var more bool
		if m.ID, err = crate.ParseLoosePath(name); err != nil {
			more = yield(nil, &MemberError{name, err})
		} else {
			more = yield(m, nil)
		}
		if !more {
			return errStopped
		}
		if _, err := io.CopyN(io.Discard, r, m.left+member.Padding(size)); err != nil {
			return noEOF(err)
		}
	}
}

// readRest reads the stream after the end of the archive, so that its checksum is verified.
// A stock tar fills its last record of 20 blocks with zeros.
func readRest(r io.Reader) error {
	const most = 18 * member.BlockSize
	b, err := io.ReadAll(io.LimitReader(r, most+1))
	if err == nil && (len(b) > most || !member.IsZero(b)) {
		err = member.ErrTrailing
	}
	return err
}
