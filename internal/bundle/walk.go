package bundle

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"io"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/bundle/member"
)

// windowSize is how many bytes are read at a time: a small frame fits.
const windowSize = 4 << 20

// walker verifies the frames of a bundle one by one.
type walker struct {
	window
	member.Budget
	large Sink // nil: discard the bytes of large members
}

func newWalker(r io.ReaderAt, size int64) *walker {
	n := max(0, min(size, windowSize))
	return &walker{window: window{r: r, size: size, buf: make([]byte, 0, n)}, Budget: member.NewBudget(size)}
}

// step is what was found at an offset.
type step struct {
	member Member // its Placement is the frame's, whatever the frame is
	shape
	data   []byte  // of a small member
	memory *[]byte // from buffers
	keeper Keeper  // of a large member; nil: none
	end    bool    // the end frame
	err    error   // the frame is unusable
}

// next returns the offset after the frame.
func (s *step) next() int64 { return s.member.Offset + s.member.FrameSize }

// drop releases the bytes of a member.
func (s *step) drop() {
	if s.memory != nil {
		buffers.Put(s.memory)
	}
	if s.keeper != nil {
		s.keeper.Drop()
	}
	s.data, s.memory, s.keeper = nil, nil, nil
}

// frame verifies the frame at offset to its last byte. After ErrBomb, the caller must not
// try another frame.
func (w *walker) frame(offset int64) step {
	s := step{member: Member{Placement: Placement{Offset: offset}}}
	if s.shape, s.err = w.shape(offset); s.err != nil {
		return s
	}
	s.member.FrameSize = s.size
	w.cost += s.content
	if !s.small() {
		s.verifyLarge(w.r, w.large, w.Spend)
		return s
	}
	frame, err := w.at(offset, int(s.size))
	if err == nil {
		err = w.Spend(s.content)
	}
	if s.err = err; err == nil {
		s.verifySmall(frame)
	}
	return s
}

// verifySmall decodes a frame in memory.
func (s *step) verifySmall(frame []byte) {
	s.memory = buffers.Get().(*[]byte)
	*s.memory, s.err = decodeAll(*s.memory, frame, s.content)
	if s.err == nil && isEnd(*s.memory) {
		s.end = true
	} else if s.err == nil {
		s.member.ID, s.data, s.err = split(*s.memory)
		s.member.Size, s.member.Checksum = int64(len(s.data)), sha256.Sum256(s.data)
	}
	if s.err != nil || s.end {
		s.drop()
	}
}

// verifyLarge decodes a frame from r piece by piece, as far as spend allows.
func (s *step) verifyLarge(r io.ReaderAt, large Sink, spend func(int64) error) {
	if s.err = s.decodeLarge(r, large, spend); s.err != nil {
		s.drop()
	}
}

func (s *step) decodeLarge(r io.ReaderAt, large Sink, spend func(int64) error) error {
	if err := spend(maxBlock); err != nil { // the cost of reading the header
		return err
	}
	body, id, err := openStream(io.NewSectionReader(r, s.member.Offset, s.size), s.content)
	if err != nil {
		return err
	}
	defer body.Close()
	// Only once the header is known to agree: a flipped bit in the declared size of a frame
	// must not use up the budget of the others.
	if err := spend(s.content); err != nil {
		return err
	}
	s.member.ID, s.member.Size = id, body.size
	h := sha256.New()
	var to io.Writer = h
	if large != nil {
		if s.keeper = large(id, body.size); s.keeper != nil {
			to = io.MultiWriter(h, &quiet{w: s.keeper})
		}
	}
	buf := buffers.Get().(*[]byte)
	defer buffers.Put(buf)
	*buf = grow(*buf, maxBlock)
	_, err = io.CopyBuffer(to, onlyReader{body}, *buf)
	h.Sum(s.member.Checksum[:0])
	return err
}

// quiet writes until an error, and discards the rest: an error of a Keeper is not an error
// of the bundle.
type quiet struct {
	w      io.Writer
	failed bool
}

func (q *quiet) Write(p []byte) (int, error) {
	if !q.failed {
		_, err := q.w.Write(p)
		q.failed = err != nil
	}
	return len(p), nil
}

// onlyReader hides the other methods of a reader from io.Copy.
type onlyReader struct{ io.Reader }

var (
	frameStart = binary.LittleEndian.AppendUint32(nil, frameMagic)
	errGivenUp = errors.New("too many false starts of frames: the rest was skipped")
)

// search finds the next usable frame from offset on, without a seek table. Only inside a
// damaged frame can it find one that is not a frame of this bundle: a crate may contain a
// bundle.
func (w *walker) search(offset int64) step {
	const falseStart = 1 << 10
	// A real bundle has few false starts. A hostile one must not make us read it again and
	// again.
	budget := w.cost + 4*w.size + 64<<20
	for {
		b, err := w.upTo(offset, windowSize/4)
		if err != nil {
			return step{err: err}
		}
		at := bytes.Index(b, frameStart)
		switch {
		case at >= 0:
			s := w.frame(offset + int64(at))
			if s.err == nil || errors.Is(s.err, ErrBomb) {
				return s
			}
			w.cost += falseStart
			if w.cost > budget {
				return step{err: errGivenUp}
			}
			offset += int64(at) + 1
		case len(b) < len(frameStart):
			return step{err: io.EOF}
		default:
			offset += int64(len(b) - len(frameStart) + 1)
		}
	}
}
