package bundle

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/bundle/member"
)

const (
	frameMagic     = 0xFD2FB528 // magic number of a Zstandard frame, RFC 8878, 3.1.1
	maxFrameHeader = 10
	// Frame_Header_Descriptor: the width of the content size, whether the content is a
	// single segment, and always a checksum.
	size16Segment = 0x64
	size32Segment = 0xA4
	size32Window  = 0x84
	// window1MiB is the Window_Descriptor of smallContent.
	window1MiB = 0x50
)

var errFrame = errors.New("not a zstd frame of this format")

// appendFrameHeader appends the header of a frame for content of n bytes.
func appendFrameHeader(dst []byte, n int64) []byte {
	const least = 256 // the smallest value of a 16-bit size
	dst = binary.LittleEndian.AppendUint32(dst, frameMagic)
	switch {
	case n < least+1<<16:
		dst = append(dst, size16Segment)
		return binary.LittleEndian.AppendUint16(dst, uint16(n-least))
	case n <= smallContent:
		dst = append(dst, size32Segment)
	default:
		dst = append(dst, size32Window, window1MiB)
	}
	return binary.LittleEndian.AppendUint32(dst, uint32(n))
}

// parseFrameHeader returns the content size of the frame at the start of b, and the size of
// its header. It rejects every header that we do not write, such as one that requests a
// window of 512 MiB (F5).
func parseFrameHeader(b []byte) (content int64, size int, err error) {
	if len(b) < maxFrameHeader {
		return 0, 0, io.ErrUnexpectedEOF
	}
	switch b[4] {
	case size16Segment:
		content = int64(binary.LittleEndian.Uint16(b[5:])) + 256
	case size32Segment:
		content = int64(binary.LittleEndian.Uint32(b[5:]))
	case size32Window:
		content = int64(binary.LittleEndian.Uint32(b[6:]))
	}
	var want [maxFrameHeader]byte
	head := appendFrameHeader(want[:0], content)
	if !bytes.HasPrefix(b, head) {
		return 0, 0, fmt.Errorf("%w: it starts with %x", errFrame, b[:maxFrameHeader])
	}
	if content > maxContent || content%member.BlockSize != 0 {
		return 0, 0, fmt.Errorf("%w: %d bytes of content", errFrame, content)
	}
	return content, len(head), nil
}
