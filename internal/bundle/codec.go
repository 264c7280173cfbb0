package bundle

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"math/bits"
	"runtime"
	"sync"

	"github.com/klauspost/compress/zstd"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/bundle/member"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
)

// Frame is a member, ready to be appended to a bundle.
type Frame struct {
	ID       crate.ID
	Size     int64          // of the crate, in bytes
	Checksum crate.Checksum // of the bytes that were encoded (E11)
	Encoded  []byte         // the frame
}

// Encode makes the frame of a crate. It does not retain data. It stores the frame in
// buf[:0] if that is large enough; buf may be nil. It may be called concurrently. A crate
// of many megabytes is better written with [Writer.AppendFrom].
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
	// Even if data changes meanwhile, the bytes that are hashed are those that are encoded.
	f.Checksum = sha256.Sum256(body[:size])
	f.Encoded = encodeAll(grow(buf, maxFrameSize(n))[:0], content)
	return f, nil
}

// check rejects a crate that cannot be a member.
func check(id crate.ID, size int64) error {
	if err := id.Check(); err != nil {
		return err
	}
	if size < 0 || size > MaxSize {
		return fmt.Errorf("%s: %d bytes do not fit into a bundle, it takes at most %d a crate", id, size, int64(MaxSize))
	}
	return nil
}

// source yields the content of a member's frame: header, bytes, padding. It hashes the
// bytes as they pass.
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

// exactly reads size bytes of r. It returns an error if there are fewer or more.
func exactly(r io.Reader, size int64) io.Reader { return &exactReader{r: r, left: size} }

var errLonger = errors.New("more bytes than the declared size")

type exactReader struct {
	r    io.Reader
	left int64
	end  error // outcome of the check after the last byte
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
		err = nil // found again by the next call
	}
	return n, err
}

// atEnd returns io.EOF if nothing is left to read.
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

const (
	// maxContent bounds the content of a frame, in bytes: readers of the seekable format
	// reject larger ones.
	maxContent = 1 << 30
	// smallContent is the largest content, in bytes, that is encoded as a single segment,
	// and encoded and decoded in memory.
	smallContent = 1 << 20
	// maxWindow is the largest window for which a reader allocates memory (F5: 31 bytes can
	// request 512 MiB).
	maxWindow = 32 << 20
	// ourBlock is the content of one block that we write, in bytes.
	ourBlock = 64 << 10
	// maxBlock is Zstandard's limit.
	maxBlock = 128 << 10
)

// maxFrameSize bounds the size of a frame for n bytes of content: incompressible content is
// stored, with 3 bytes per block, 14 before the first and 4 after the last.
func maxFrameSize(n int64) int64 { return n + n/256 + 64 }

// MaxFrameSize bounds the frame of any member, in bytes.
const MaxFrameSize = maxContent + maxContent/256 + 64

// encoders holds as many encoders as can work at a time. A sync.Pool had dozens, of a
// megabyte each, where goroutines that held one waited for the garbage collector. A nil
// encoder has yet to be created.
var encoders = make(chan *zstd.Encoder, max(2, min(runtime.GOMAXPROCS(0), 16)))

func init() {
	for range cap(encoders) {
		encoders <- nil
	}
}

// takeEncoder waits for an encoder, which the caller must return to encoders.
func takeEncoder() *zstd.Encoder {
	z := <-encoders
	if z == nil {
		z = newEncoder()
	}
	return z
}

func newEncoder() *zstd.Encoder {
	z, err := zstd.NewWriter(nil,
		zstd.WithEncoderLevel(zstd.SpeedFastest),
		zstd.WithNoEntropyCompression(true),
		zstd.WithSingleSegment(true),
		zstd.WithWindowSize(smallContent),
		zstd.WithEncoderConcurrency(1),
		zstd.WithEncoderCRC(true),
	)
	if err != nil {
		panic(err) // these options are constants
	}
	return z
}

// decoders holds *zstd.Decoder. They start no goroutines, so a dropped decoder costs
// nothing.
var decoders = sync.Pool{New: func() any {
	z, err := zstd.NewReader(nil,
		zstd.WithDecoderConcurrency(1),
		zstd.WithDecoderLowmem(true),
		zstd.WithDecoderMaxWindow(maxWindow),
		zstd.WithDecodeBuffersBelow(0),
	)
	if err != nil {
		panic(err)
	}
	return z
}}

func newDecoder(r io.Reader) (*zstd.Decoder, error) {
	z := decoders.Get().(*zstd.Decoder)
	return z, z.Reset(r)
}

func freeDecoder(z *zstd.Decoder) {
	_ = z.Reset(nil) // drop the source
	decoders.Put(z)
}

// encodeAll appends a frame with a single segment to dst.
func encodeAll(dst, content []byte) []byte {
	z := takeEncoder()
	defer func() { encoders <- z }()
	return z.EncodeAll(content, dst)
}

// encodeStream writes one frame, with a content of exactly size bytes, to w.
func encodeStream(w io.Writer, content io.Reader, size int64) error {
	z := takeEncoder()
	defer func() { encoders <- z }()
	z.ResetContentSize(w, size)
	defer z.Reset(nil)
	n, err := io.Copy(z, io.LimitReader(content, size))
	if err != nil {
		return err
	}
	if n < size {
		return io.ErrUnexpectedEOF
	}
	return z.Close()
}

// decodeAll decodes a frame that declares n bytes of content, at most smallContent, into
// dst[:0].
func decodeAll(dst, frame []byte, n int64) ([]byte, error) {
	z := decoders.Get().(*zstd.Decoder)
	defer decoders.Put(z)
	return z.DecodeAll(frame, grow(dst, n)[:0])
}

// buffers holds *[]byte of any size.
var buffers = sync.Pool{New: func() any { return new([]byte) }}

// grow returns a buffer of n bytes, buf itself if it is large enough. It has some extra
// capacity, for the decoder.
func grow(buf []byte, n int64) []byte {
	if int64(cap(buf)) < n {
		const room = 1 << 10
		return make([]byte, n, max(n+room, 1<<bits.Len64(uint64(n))))
	}
	return buf[:n]
}

// endContent is the content of the end frame: the end of a tar archive.
var endContent [2 * member.BlockSize]byte

// endFrame returns the frame of endContent.
func endFrame() []byte { return encodeAll(nil, endContent[:]) }

func isEnd(content []byte) bool { return bytes.Equal(content, endContent[:]) }
