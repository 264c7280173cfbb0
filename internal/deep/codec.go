package deep

import (
	"errors"
	"fmt"
	"math/bits"
	"sync"

	"github.com/klauspost/compress/zstd"
)

var errFrame = errors.New("not a data frame of this format")

// worthBest is the shortest content, in bytes, for which level "best" is used, which makes
// packs 8 % smaller than "better". Its tables take 34 MiB, and for short content they would
// take longer than all the rest.
const worthBest = 256 << 10

// encodeFrame returns one frame. The tables and history of an encoder are as large as its
// window, so each content gets one that fits. Level 0 means best or better.
func encodeFrame(content []byte, level zstd.EncoderLevel) ([]byte, error) {
	if level == 0 {
		level = zstd.SpeedBetterCompression
		if len(content) >= worthBest {
			level = zstd.SpeedBestCompression
		}
	}
	window := min(max(1<<bits.Len(uint(len(content)-1)), zstd.MinWindowSize), maxWindow)
	z, err := zstd.NewWriter(nil,
		zstd.WithEncoderLevel(level),
		zstd.WithWindowSize(window),
		zstd.WithSingleSegment(len(content) <= maxWindow), // otherwise the smallest declare no size
		zstd.WithEncoderConcurrency(1),
		zstd.WithEncoderCRC(true),
		zstd.WithLowerEncoderMem(true),
	)
	if err != nil {
		return nil, fmt.Errorf("level %d of zstd: %w", level, err)
	}
	return z.EncodeAll(content, nil), z.Close()
}

// decoders holds *zstd.Decoder. They start no goroutines, so a dropped decoder costs
// nothing. They do not verify the checksum of a frame: the sha256 of the frame was
// verified, and what is made of its content is verified again.
var decoders = sync.Pool{New: func() any {
	z, err := zstd.NewReader(nil,
		zstd.WithDecoderConcurrency(1),
		zstd.WithDecoderLowmem(true),
		zstd.WithDecoderMaxWindow(maxWindow),
		zstd.WithDecoderMaxMemory(MaxGiant),
		zstd.IgnoreChecksum(true),
	)
	if err != nil {
		panic(err) // these options are constants
	}
	return z
}}

// decodeFrame decodes a frame that must declare n bytes of content into dst[:0].
func decodeFrame(dst, frame []byte, n int64) ([]byte, error) {
	if err := checkFrame(frame, n); err != nil {
		return dst[:0], err
	}
	z := decoders.Get().(*zstd.Decoder)
	defer decoders.Put(z)
	dst, err := z.DecodeAll(frame, grow(dst, n)[:0])
	if err == nil && int64(len(dst)) != n {
		err = fmt.Errorf("%w: it has %d bytes, want %d", errFrame, len(dst), n)
	}
	return dst, err
}

// checkFrame checks the header of a frame before memory is allocated for it.
func checkFrame(frame []byte, n int64) error {
	var h zstd.Header
	if err := h.Decode(frame); err != nil {
		return fmt.Errorf("%w: %w", errFrame, err)
	}
	window := h.WindowSize
	if h.SingleSegment {
		window = h.FrameContentSize
	}
	if h.Skippable || !h.HasFCS || h.FrameContentSize != uint64(n) || !h.HasCheckSum || h.DictionaryID != 0 || window > maxWindow {
		return fmt.Errorf("%w: it starts with %x", errFrame, frame[:min(len(frame), zstd.HeaderMaxSize)])
	}
	return nil
}

// buffers holds *[]byte of any size.
var buffers = sync.Pool{New: func() any { return new([]byte) }}

// grow returns a buffer of n bytes, buf itself if it is large enough. It has some extra
// capacity, for the decoder.
func grow(buf []byte, n int64) []byte {
	const room = 1 << 10
	if int64(cap(buf)) < n+room {
		return make([]byte, n, n+room)
	}
	return buf[:n]
}
