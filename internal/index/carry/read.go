package carry

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/klauspost/compress/zlib"
)

const (
	maxLines   = 200_000
	maxLine    = 200
	maxObjects = 100_000_000
	maxObject  = 64 << 20 // bytes
)

// ReadHeader reads the header of a bundle; the pack follows in r. Errors: ErrFormat.
func ReadHeader(r *bufio.Reader) (h Header, err error) {
	head, err := r.Peek(len(signature))
	if err != nil && !errors.Is(err, io.EOF) {
		return h, err
	}
	if string(head) != signature {
		return h, fmt.Errorf("%w: it does not begin with %q", ErrFormat, signature)
	}
	if _, err := r.Discard(len(signature)); err != nil {
		return h, err
	}
	h.Days = map[string]string{}
	for range maxLines {
		line, err := readLine(r)
		if err != nil {
			return h, err
		}
		if line == "" && h.Commit == "" {
			return h, fmt.Errorf("%w: it does not name %s", ErrFormat, branch)
		}
		if line == "" {
			return h, nil
		}
		if err := h.add(line); err != nil {
			return h, err
		}
	}
	return h, fmt.Errorf("%w: its header has more than %d lines", ErrFormat, maxLines)
}

// readLine reads a terminated line and returns it without its end.
func readLine(r *bufio.Reader) (string, error) {
	var line []byte
	for len(line) <= maxLine {
		c, err := r.ReadByte()
		if err != nil {
			return "", fmt.Errorf("%w: its header is cut off: %w", ErrFormat, unexpected(err))
		}
		if c == '\n' {
			return string(line), nil
		}
		line = append(line, c)
	}
	return "", fmt.Errorf("%w: a line of its header has more than %d bytes", ErrFormat, maxLine)
}

func unexpected(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// Kinds of objects in a pack; an index has no others.
const (
	kindCommit   = 1
	kindTree     = 2
	kindBlob     = 3
	kindOfsDelta = 6
	kindRefDelta = 7
)

// A packCheck reads a pack as git does, without interpreting its objects: git holds each
// object in memory, and trusts the size in the pack.
type packCheck struct {
	r    *bufio.Reader
	zlib io.ReadCloser
}

// checkPack checks that a pack keeps within the limits. Git checks that its objects are
// complete and have the right ids. Errors: ErrFormat.
func checkPack(r *bufio.Reader) error {
	var head [12]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return fmt.Errorf("%w: its pack is cut off: %w", ErrFormat, unexpected(err))
	}
	n := binary.BigEndian.Uint32(head[8:])
	if string(head[:4]) != "PACK" || binary.BigEndian.Uint32(head[4:]) != 2 || n > maxObjects {
		return fmt.Errorf("%w: it has no pack, or one of %d objects", ErrFormat, n)
	}
	p := packCheck{r: r}
	for i := range n {
		if err := p.object(); err != nil {
			return fmt.Errorf("%w: object %d of its pack: %w", ErrFormat, i, unexpected(err))
		}
	}
	if rest, err := io.Copy(io.Discard, r); err != nil || rest != 20 {
		return fmt.Errorf("%w: after its pack are %d bytes, want the 20 of its checksum (%w)", ErrFormat, rest, err)
	}
	return nil
}

// object reads an object and checks its size, and the size that it expands to.
func (p *packCheck) object() error {
	first, err := p.r.ReadByte()
	if err != nil {
		return err
	}
	size := int64(first & 15)
	if first >= 128 {
		more, err := binary.ReadUvarint(p.r)
		if err != nil || more > maxObject {
			return errors.Join(err, fmt.Errorf("it has more than %d bytes", maxObject))
		}
		size |= int64(more << 4)
	}
	kind := first >> 4 & 7
	switch kind {
	case kindCommit, kindTree, kindBlob:
	case kindOfsDelta:
		_, err = binary.ReadUvarint(p.r) // another encoding, of the same length
	case kindRefDelta:
		_, err = p.r.Discard(20)
	default:
		err = fmt.Errorf("it is of kind %d, which an index does not have", kind)
	}
	if err != nil {
		return err
	}
	if size > maxObject {
		return fmt.Errorf("it has more than %d bytes", maxObject)
	}
	return p.content(size, kind >= kindOfsDelta)
}

// content reads compressed data, and for a delta the size of its result.
func (p *packCheck) content(size int64, delta bool) error {
	if err := p.reset(); err != nil {
		return err
	}
	in := bufio.NewReaderSize(io.LimitReader(p.zlib, size+1), 64)
	read := int64(0)
	if delta {
		base, n, err := deltaSize(in)
		if err != nil {
			return err
		}
		made, m, err := deltaSize(in)
		if err != nil {
			return err
		}
		if base > maxObject || made > maxObject {
			return fmt.Errorf("it makes %d bytes of %d, at most %d are to be", made, base, maxObject)
		}
		read = n + m
	}
	rest, err := io.Copy(io.Discard, in)
	if err == nil && read+rest != size {
		err = fmt.Errorf("it has %d bytes or more, not the %d that it says", read+rest, size)
	}
	return err
}

func (p *packCheck) reset() (err error) {
	if p.zlib == nil {
		p.zlib, err = zlib.NewReader(p.r)
		return err
	}
	return p.zlib.(zlib.Resetter).Reset(p.r, nil)
}

// deltaSize parses the size at the beginning of a delta, and returns the length of its
// encoding.
func deltaSize(r *bufio.Reader) (size uint64, n int64, err error) {
	for shift := 0; shift < 63; shift += 7 {
		c, err := r.ReadByte()
		if err != nil {
			return 0, n, err
		}
		n++
		size |= uint64(c&127) << shift
		if c < 128 {
			return size, n, nil
		}
	}
	return 0, n, errors.New("its delta has no size")
}
