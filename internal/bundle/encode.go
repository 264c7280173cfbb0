package bundle

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/bundle/member"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
)

// Frame is a member that is ready to be appended to a bundle.
type Frame struct {
	ID       crate.ID
	Size     int64          // of the crate, in bytes
	Checksum crate.Checksum // of the very bytes that were encoded (E11)
	Encoded  []byte         // the frame
}

// Encode makes the frame of a crate. It keeps nothing of data, and puts the
// frame into buf[:0] if that is large enough; buf may be nil. Many goroutines
// may encode at a time; a crate of many megabytes is better given to
// [Writer.AppendFrom].
func Encode(buf []byte, id crate.ID, data []byte) (Frame, error) {
	size := int64(len(data))
	if err := check(id, size); err != nil {
		return Frame{}, err
	}
	f := Frame{ID: id, Size: size}
	var header [maxHeader]byte
	head := appendHeader(header[:0], id, size)
	n := contentSize(len(head), size)
	if n > smallContent {
		out := bytes.NewBuffer(buf[:0])
		src := newSource(head, bytes.NewReader(data), size)
		if err := encodeStream(out, src, n); err != nil {
			return Frame{}, fmt.Errorf("encoding %s: %w", id, err)
		}
		f.Encoded, f.Checksum = out.Bytes(), src.checksum()
		return f, nil
	}
	scratch := buffers.Get().(*[]byte)
	defer buffers.Put(scratch)
	*scratch = grow(*scratch, n)
	content := *scratch
	copy(content, head)
	body := content[len(head):]
	clear(body[copy(body, data):])
	// Whatever happens to data meanwhile, what is hashed is what is encoded.
	f.Checksum = sha256.Sum256(body[:size])
	f.Encoded = encodeAll(grow(buf, maxFrameSize(n))[:0], content)
	return f, nil
}

// check refuses what cannot be a member.
func check(id crate.ID, size int64) error {
	if err := id.Check(); err != nil {
		return err
	}
	if size < 0 || size > MaxSize {
		return fmt.Errorf("%s: %d bytes do not fit into a bundle, it takes at most %d a crate", id, size, int64(MaxSize))
	}
	return nil
}

// source is the content of a member's frame: header, bytes, padding. It hashes
// the bytes as they pass.
type source struct {
	io.Reader
	hash hash.Hash
}

func newSource(head []byte, data io.Reader, size int64) *source {
	h := sha256.New()
	pad := make([]byte, member.Padding(size))
	return &source{io.MultiReader(
		bytes.NewReader(head),
		io.TeeReader(exactly(data, size), h),
		bytes.NewReader(pad),
	), h}
}

func (s *source) checksum() (sum crate.Checksum) {
	s.hash.Sum(sum[:0])
	return sum
}

// exactly reads size bytes of r, and fails if there are fewer or more.
func exactly(r io.Reader, size int64) io.Reader { return &exactReader{r: r, left: size} }

var errLonger = errors.New("there are more bytes than the size says")

type exactReader struct {
	r    io.Reader
	left int64
	end  error // what is behind the last byte, once it was looked at
}

func (e *exactReader) Read(p []byte) (int, error) {
	if e.left == 0 {
		return 0, e.atEnd()
	}
	n, err := e.r.Read(p[:min(int64(len(p)), e.left)])
	e.left -= int64(n)
	switch {
	case err == io.EOF && e.left > 0:
		err = io.ErrUnexpectedEOF
	case err == io.EOF:
		err = nil // the next call finds it again
	}
	return n, err
}

// atEnd is io.EOF if nothing is left to read.
func (e *exactReader) atEnd() error {
	if e.end == nil {
		var more [1]byte
		n, err := io.ReadFull(e.r, more[:])
		if n > 0 {
			err = errLonger
		}
		e.end = err
	}
	return e.end
}
