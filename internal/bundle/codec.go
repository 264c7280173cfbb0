package bundle

import (
	"bytes"
	"io"
	"math/bits"
	"sync"

	"github.com/klauspost/compress/zstd"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/bundle/member"
)

const (
	// maxContent bounds the content of a frame: readers of the seekable format
	// accept no more.
	maxContent = 1 << 30
	// smallContent is up to where frames are encoded and decoded in memory, and
	// are of a single segment.
	smallContent = 1 << 20
	// maxWindow is the largest window that a reader has memory for (F5: 31
	// bytes can ask for 512 MiB).
	maxWindow = 32 << 20
	// ourBlock is how much content we put into a block.
	ourBlock = 64 << 10
	// maxBlock is the most that Zstandard allows.
	maxBlock = 128 << 10
)

// maxFrameSize bounds the frame for n bytes of content: what does not compress
// is stored, with 3 bytes a block, 14 before the first and 4 behind the last.
func maxFrameSize(n int64) int64 { return n + n/256 + 64 }

// MaxFrameSize bounds the frame of any member, in bytes.
const MaxFrameSize = maxContent + maxContent/256 + 64

// encoders holds *zstd.Encoder.
var encoders = sync.Pool{New: func() any {
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
}}

// decoders holds *zstd.Decoder. They start no goroutines, so one that is
// dropped costs nothing.
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
	_ = z.Reset(nil) // drops the source
	decoders.Put(z)
}

// encodeAll appends one frame of a single segment to dst.
func encodeAll(dst, content []byte) []byte {
	z := encoders.Get().(*zstd.Encoder)
	defer encoders.Put(z)
	return z.EncodeAll(content, dst)
}

// encodeStream writes one frame with a content of exactly size bytes to w.
func encodeStream(w io.Writer, content io.Reader, size int64) error {
	z := encoders.Get().(*zstd.Encoder)
	defer encoders.Put(z)
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

// decodeAll decodes a frame that declares n bytes of content, at most
// smallContent, into dst[:0].
func decodeAll(dst, frame []byte, n int64) ([]byte, error) {
	z := decoders.Get().(*zstd.Decoder)
	defer decoders.Put(z)
	return z.DecodeAll(frame, grow(dst, n)[:0])
}

// buffers holds *[]byte of any size.
var buffers = sync.Pool{New: func() any { return new([]byte) }}

// grow returns a buffer of n bytes, buf itself if it is large enough. It has a
// little room behind them, for the decoder.
func grow(buf []byte, n int64) []byte {
	if int64(cap(buf)) < n {
		const room = 1 << 10
		return make([]byte, n, max(n+room, 1<<bits.Len64(uint64(n))))
	}
	return buf[:n]
}

// endContent is what the end frame holds: the end of a tar archive.
var endContent [2 * member.BlockSize]byte

// endFrame returns the frame of endContent.
func endFrame() []byte { return encodeAll(nil, endContent[:]) }

func isEnd(content []byte) bool { return bytes.Equal(content, endContent[:]) }
