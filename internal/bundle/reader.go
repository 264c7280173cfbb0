package bundle

import (
	"bytes"
	"fmt"
	"io"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/bundle/legacy"
)

// Reader reads a bundle. Its methods may be called concurrently.
type Reader struct {
	r    io.ReaderAt
	size int64
}

// sniff is how many bytes Open searches for a member if the first one is damaged and there
// is no seek table, as in an unfinished bundle.
const sniff = 64 << 20

// Open opens a bundle of size bytes, which may be unfinished. It returns ErrFormat if there
// is neither a seek table at the end nor a member at the beginning, wrapped with ErrStream
// if it is a bundle of v1.1.0. Open does not check the rest of the file. A read error is
// returned as such, not as ErrFormat.
func Open(r io.ReaderAt, size int64) (*Reader, error) {
	w := &watched{ReaderAt: r}
	_, err := readTable(w, size)
	if err == nil || newWalker(w, size).frame(0).err == nil {
		return &Reader{r, size}, nil
	}
	stream, sure := legacy.Is(w, size)
	if !sure && newWalker(w, min(size, sniff)).search(1).err == nil {
		return &Reader{r, size}, nil
	}
	if w.err != nil {
		return nil, fmt.Errorf("opening bundle: %w", w.err)
	}
	if stream {
		err = ErrStream
	}
	return nil, fmt.Errorf("opening bundle: %w (%w)", ErrFormat, err)
}

// OpenKnown is like Open for a file that is known to be a bundle, but reads nothing: where
// each read costs a request, reading a member takes a single one.
func OpenKnown(r io.ReaderAt, size int64) *Reader { return &Reader{r, size} }

// OpenMember opens the member whose frame is at p. It verifies the header, and the whole
// frame of a small member. The caller closes the content.
func (r *Reader) OpenMember(p Placement) (*Content, error) {
	c, err := r.openMember(p)
	if err != nil {
		return nil, fmt.Errorf("reading member at offset %d: %w", p.Offset, err)
	}
	return c, nil
}

func (r *Reader) openMember(p Placement) (*Content, error) {
	if p.Offset < 0 || p.FrameSize <= 0 || p.FrameSize > MaxFrameSize || p.FrameSize > r.size-p.Offset {
		return nil, fmt.Errorf("frame of %d bytes is outside of the bundle, which has %d", p.FrameSize, r.size)
	}
	buf := buffers.Get().(*[]byte)
	defer buffers.Put(buf)
	*buf = grow(*buf, min(p.FrameSize, maxFrameSize(smallContent)))
	w := &window{r: r.r, size: p.Offset + p.FrameSize, buf: (*buf)[:0:len(*buf)]}
	s, err := w.shape(p.Offset)
	if err != nil {
		return nil, err
	}
	if s.size != p.FrameSize {
		return nil, fmt.Errorf("frame has %d bytes, want %d", s.size, p.FrameSize)
	}
	if !s.small() {
		body, id, err := openStream(io.NewSectionReader(r.r, p.Offset, p.FrameSize), s.content)
		if err != nil {
			return nil, err
		}
		return &Content{id, body.size, body}, nil
	}
	frame, err := w.at(p.Offset, int(s.size))
	if err != nil {
		return nil, err
	}
	return openMemory(frame, s.content)
}

// openMemory decodes a small member.
func openMemory(frame []byte, content int64) (*Content, error) {
	out := buffers.Get().(*[]byte)
	free := func() { buffers.Put(out) }
	var err error
	if *out, err = decodeAll(*out, frame, content); err != nil {
		free()
		return nil, err
	}
	id, data, err := split(*out)
	if err != nil {
		free()
		return nil, err
	}
	return &Content{id, int64(len(data)), &memory{bytes.NewReader(data), free}}, nil
}
