package deep

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"io"

	"github.com/klauspost/compress/flate"
)

// Flags of a gzip header (RFC 1952, 2.3.1).
const (
	flagHeaderCRC = 1 << 1
	flagExtra     = 1 << 2
	flagName      = 1 << 3
	flagComment   = 1 << 4
	flagsReserved = 0xE0
	gzipTrailer   = 8
	gzipFixed     = 10
	// maxExpansion is the highest compression ratio of deflate.
	maxExpansion = 1032
)

var gzipStart = []byte{0x1f, 0x8b, 8}

// member is a parsed gzip file with one member.
type member struct {
	header []byte
	stream []byte // raw deflate
	tar    []byte
}

// openMember parses a .crate, or returns why it cannot be packed.
func openMember(file []byte, maxTar int64) (member, Reason) {
	n := gzipHeader(file)
	if n == 0 {
		return member{}, NotGzip
	}
	m := member{header: file[:n]}
	src := bytes.NewReader(file[n:]) // an io.ByteReader: nothing is read beyond the end
	z := flate.NewReader(src)
	var tar bytes.Buffer
	tar.Grow(int(sizeHint(file, maxTar)) + bytes.MinRead)
	switch _, err := tar.ReadFrom(io.LimitReader(z, maxTar+1)); {
	case int64(tar.Len()) > maxTar:
		return member{}, TarTooLong
	case err != nil:
		return member{}, DamagedStream
	}
	m.tar = tar.Bytes()
	tail := file[len(file)-src.Len():]
	m.stream = file[n : len(file)-len(tail)]
	want := appendTrailer(nil, m.tar)
	switch {
	case !bytes.HasPrefix(tail, want):
		return member{}, DamagedStream
	case bytes.HasPrefix(tail[gzipTrailer:], gzipStart):
		return member{}, SeveralMembers
	case len(tail) > gzipTrailer:
		return member{}, TrailingBytes
	}
	return m, NoReason
}

// sizeHint returns the length of the tar according to the file.
func sizeHint(file []byte, most int64) int64 {
	if len(file) < 4 {
		return 0
	}
	claim := int64(binary.LittleEndian.Uint32(file[len(file)-4:]))
	return min(claim, most, maxExpansion*int64(len(file)))
}

// gzipHeader returns the length of the header at the start of a file, or 0 if there is
// none, or it is longer than a directory allows.
func gzipHeader(b []byte) int {
	if len(b) < gzipFixed || !bytes.HasPrefix(b, gzipStart) || b[3]&flagsReserved != 0 {
		return 0
	}
	b = b[:min(len(b), maxHeader+1)]
	flags, n := b[3], gzipFixed
	if flags&flagExtra != 0 {
		if len(b) < n+2 {
			return 0
		}
		n += 2 + int(binary.LittleEndian.Uint16(b[n:]))
	}
	for _, text := range []byte{flagName, flagComment} {
		if flags&text == 0 {
			continue
		}
		if n > len(b) {
			return 0
		}
		end := bytes.IndexByte(b[n:], 0)
		if end < 0 {
			return 0
		}
		n += end + 1
	}
	if flags&flagHeaderCRC != 0 {
		n += 2
	}
	if n > min(len(b), maxHeader) {
		return 0
	}
	return n
}

// appendTrailer appends the trailer of the gzip member of a tar.
func appendTrailer(dst, tar []byte) []byte {
	dst = binary.LittleEndian.AppendUint32(dst, crc32.ChecksumIEEE(tar))
	return binary.LittleEndian.AppendUint32(dst, uint32(len(tar)))
}
