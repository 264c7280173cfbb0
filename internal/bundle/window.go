package bundle

import (
	"fmt"
	"io"
)

// window reads a file forward through a buffer, without copying from it.
type window struct {
	r     io.ReaderAt
	size  int64  // of the file, or of the part that may be read
	buf   []byte // the bytes last read; its capacity stays the same
	start int64  // offset of buf in the file
	// cost is the number of bytes read, decoded or searched, roughly. It must stay bounded
	// for a hostile file.
	cost int64
}

// upTo returns n bytes from offset on, or fewer at the end of the file. They are valid
// until the next call.
func (w *window) upTo(offset int64, n int) ([]byte, error) {
	n = int(min(int64(n), w.size-offset))
	if n <= 0 {
		return nil, nil
	}
	at := offset - w.start
	if at < 0 || at+int64(n) > int64(len(w.buf)) {
		all := min(int64(cap(w.buf)), w.size-offset)
		w.buf, w.start, at = w.buf[:all], offset, 0
		w.cost += all
		if err := readAt(w.r, w.buf, offset); err != nil {
			w.buf = w.buf[:0]
			return nil, err
		}
	}
	return w.buf[at:][:n], nil
}

// at returns n bytes from offset on.
func (w *window) at(offset int64, n int) ([]byte, error) {
	b, err := w.upTo(offset, n)
	if err == nil && len(b) < n {
		err = io.ErrUnexpectedEOF
	}
	return b, err
}

// shape is the structure of a frame, as found without decoding.
type shape struct {
	size    int64 // of the frame
	content int64 // that it declares
}

func (s shape) small() bool { return s.content <= smallContent }

// shape walks the blocks of the frame at offset.
func (w *window) shape(offset int64) (shape, error) {
	head, err := w.upTo(offset, maxFrameHeader)
	if err != nil {
		return shape{}, err
	}
	content, n, err := parseFrameHeader(head)
	if err != nil {
		return shape{}, err
	}
	end, err := w.skipBlocks(offset+int64(n), content/ourBlock+2)
	if err != nil {
		return shape{}, err
	}
	const checksum = 4
	s := shape{size: end + checksum - offset, content: content}
	if s.size > w.size-offset {
		return shape{}, io.ErrUnexpectedEOF
	}
	if s.size > maxFrameSize(content) {
		return shape{}, fmt.Errorf("%w: %d bytes for %d bytes of content", errFrame, s.size, content)
	}
	return s, nil
}

// skipBlocks returns the offset after the blocks of a frame (RFC 8878, 3.1.1.2).
func (w *window) skipBlocks(offset, most int64) (int64, error) {
	const (
		header     = 3
		stepCost   = 16
		rle, wrong = 1, 3 // types
	)
	for ; most > 0; most-- {
		b, err := w.at(offset, header)
		if err != nil {
			return 0, err
		}
		w.cost += stepCost
		block := int64(b[0]) | int64(b[1])<<8 | int64(b[2])<<16
		size := block >> 3
		if size > maxBlock {
			return 0, fmt.Errorf("%w: block of %d bytes at offset %d", errFrame, size, offset)
		}
		switch block >> 1 & 3 {
		case rle:
			size = 1
		case wrong:
			return 0, fmt.Errorf("%w: reserved block at offset %d", errFrame, offset)
		}
		offset += header + size
		if block&1 == 1 {
			return offset, nil
		}
	}
	return 0, fmt.Errorf("%w: too many blocks before offset %d", errFrame, offset)
}
