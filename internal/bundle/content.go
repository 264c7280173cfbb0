package bundle

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"sync"

	"github.com/klauspost/compress/zstd"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/bundle/member"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
)

// Content is the bytes of one member. It verifies the checksum of the frame before it
// returns the last byte; the caller must compare the bytes with the crate's checksum. Read
// and Seek must not be called concurrently; ReadAt may be.
type Content struct {
	id   crate.ID
	size int64
	body
}

type body interface {
	io.ReadSeekCloser
	io.ReaderAt
}

// ID returns the crate that the bytes claim to be.
func (c *Content) ID() crate.ID { return c.id }

// Size returns the size of the crate in bytes.
func (c *Content) Size() int64 { return c.size }

// split parses the decoded content of a frame.
func split(content []byte) (id crate.ID, data []byte, err error) {
	if len(content) < member.BlockSize || len(content) < headerSize(content) {
		return id, nil, errHeader
	}
	id, size, err := parseHeader(content)
	if err != nil {
		return id, nil, err
	}
	head := headerSize(content)
	if int64(len(content)) != contentSize(head, size) || !member.IsZero(content[int64(head)+size:]) {
		return id, nil, fmt.Errorf("member %q: %d bytes of content do not fit its size %d", id, len(content), size)
	}
	return id, content[head:][:size], nil
}

// memory is the body of a small member.
type memory struct {
	*bytes.Reader
	free func()
}

// Close returns the memory for the next member.
func (m *memory) Close() error {
	if m.free == nil {
		return fs.ErrClosed
	}
	m.Reset(nil)
	m.free()
	m.free = nil
	return nil
}

// stream is the body of a large member. It decodes as it is read, and starts again when the
// reader seeks back.
type stream struct {
	frame  *io.SectionReader
	head   int // size of the member's header
	size   int64
	cursor int64 // offset of Read and Seek

	mu  sync.Mutex // guards the fields below
	z   *zstd.Decoder
	pos int64 // z's position in the crate's bytes
}

// openStream decodes the header of the member in a frame.
func openStream(frame *io.SectionReader, content int64) (*stream, crate.ID, error) {
	s := &stream{frame: frame, head: member.BlockSize}
	id, err := s.open(content)
	if err != nil {
		s.Close()
		return nil, id, err
	}
	return s, id, nil
}

func (s *stream) open(content int64) (id crate.ID, err error) {
	if s.z, err = newDecoder(s.frame); err != nil {
		return id, err
	}
	head := make([]byte, member.BlockSize, maxHeader)
	if _, err := io.ReadFull(s.z, head); err != nil {
		return id, err
	}
	s.head = headerSize(head)
	head = head[:s.head]
	if _, err := io.ReadFull(s.z, head[member.BlockSize:]); err != nil {
		return id, err
	}
	id, s.size, err = parseHeader(head)
	if err == nil && contentSize(s.head, s.size) != content {
		err = fmt.Errorf("member %q: %d bytes of content do not fit its size %d", id, content, s.size)
	}
	return id, err
}

func (s *stream) Read(p []byte) (int, error) {
	n, err := s.ReadAt(p, s.cursor)
	s.cursor += int64(n)
	if n > 0 && err == io.EOF {
		err = nil
	}
	return n, err
}

func (s *stream) ReadAt(p []byte, off int64) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.z == nil {
		return 0, fs.ErrClosed
	}
	if off < 0 {
		return 0, fs.ErrInvalid
	}
	if off >= s.size {
		return 0, io.EOF
	}
	if err := s.goTo(off); err != nil {
		return 0, err
	}
	n, err := io.ReadFull(s.z, p[:min(int64(len(p)), s.size-s.pos)])
	s.pos += int64(n)
	if err == nil && s.pos == s.size {
		err = s.finish()
	}
	if err != nil {
		s.pos = -1 // the next read starts again
		return 0, noEOF(err)
	}
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// goTo decodes up to the byte at off.
func (s *stream) goTo(off int64) error {
	if s.pos == off {
		return nil
	}
	skip := off - s.pos
	if s.pos < 0 || skip < 0 {
		if _, err := s.frame.Seek(0, io.SeekStart); err != nil {
			return err
		}
		if err := s.z.Reset(s.frame); err != nil {
			return err
		}
		skip = int64(s.head) + off
	}
	s.pos = -1
	if _, err := io.CopyN(io.Discard, s.z, skip); err != nil {
		return noEOF(err)
	}
	s.pos = off
	return nil
}

// finish reads what follows the crate's bytes: zeros, and the checksum of the frame, which
// the decoder verifies.
func (s *stream) finish() error {
	rest, err := io.ReadAll(io.LimitReader(s.z, member.BlockSize))
	if err != nil {
		return err
	}
	if int64(len(rest)) != member.Padding(s.size) || !member.IsZero(rest) {
		return errHeader
	}
	return nil
}

func noEOF(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}

func (s *stream) Seek(offset int64, whence int) (int64, error) {
	switch whence {
	case io.SeekCurrent:
		offset += s.cursor
	case io.SeekEnd:
		offset += s.size
	}
	if offset < 0 {
		return 0, errors.New("seeking before the start of a crate")
	}
	s.cursor = offset
	return offset, nil
}

func (s *stream) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.z == nil {
		return fs.ErrClosed
	}
	freeDecoder(s.z)
	s.z = nil
	return nil
}
