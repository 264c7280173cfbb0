package bundle

import (
	"bytes"
	"errors"
	"fmt"
	"path"
	"strconv"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
)

const (
	blockSize = 512
	// maxName is the longest path that the name field of a tar header holds.
	maxName = 100
	// paxName is the name in the header of a PAX record. A tar that does not
	// know PAX writes the record to a file of that name.
	paxName = "PaxHeaders.0/crate"
	// maxHeader is the size of the longest header: PAX header, record, header.
	maxHeader = 3 * blockSize
	// typeAt is where a header says what it is.
	typeAt = 156
)

const (
	typeRegular = '0'
	typePAX     = 'x'
)

// appendHeader appends the tar header of a member.
func appendHeader(dst []byte, id crate.ID, size int64) []byte {
	name := id.LoosePath()
	if len(name) > maxName {
		record := paxRecord(name)
		dst = appendBlock(dst, paxName, int64(len(record)), typePAX)
		dst = append(dst, record...)
		dst = append(dst, make([]byte, padding(int64(len(record))))...)
		name = name[:maxName]
	}
	return appendBlock(dst, name, size, typeRegular)
}

// appendBlock appends one USTAR header.
func appendBlock(dst []byte, name string, size int64, typeflag byte) []byte {
	var b [blockSize]byte
	copy(b[0:maxName], name)
	copy(b[100:], "0000644\x000000000\x000000000\x00") // mode, uid, gid
	copy(b[124:], fmt.Appendf(nil, "%011o\x0000000000000\x00", size))
	b[typeAt] = typeflag
	copy(b[257:], "ustar\x0000")
	copy(b[329:], "0000000\x000000000\x00") // devmajor, devminor
	copy(b[148:], fmt.Appendf(nil, "%06o\x00 ", headerSum(b[:])))
	return append(dst, b[:]...)
}

// headerSum is the checksum of a tar header: the sum of its bytes, those of the
// checksum itself counted as spaces.
func headerSum(b []byte) int {
	sum := 8 * int(' ')
	for i, c := range b[:blockSize] {
		if i < 148 || i >= 156 {
			sum += int(c)
		}
	}
	return sum
}

// paxRecord returns "{length} path={name}\n", where length counts its own
// digits too.
func paxRecord(name string) string {
	const frame = len(" path=\n")
	n := frame + len(name)
	n += len(strconv.Itoa(n + len(strconv.Itoa(n))))
	return strconv.Itoa(n) + " path=" + name + "\n"
}

// padding returns how many zeros follow n bytes in a tar archive.
func padding(n int64) int64 { return -n & (blockSize - 1) }

// headerSizeOf returns the size of what appendHeader appends.
func headerSizeOf(id crate.ID) int {
	if len(id.LoosePath()) > maxName {
		return maxHeader
	}
	return blockSize
}

// headerSize returns the size of a member's header, from its first block.
func headerSize(block []byte) int {
	if block[typeAt] == typePAX {
		return maxHeader
	}
	return blockSize
}

var errHeader = errors.New("tar header is not one that we write")

// parseHeader is the inverse of appendHeader. b begins with the header and has
// at least headerSize bytes.
func parseHeader(b []byte) (id crate.ID, size int64, err error) {
	b = b[:headerSize(b)]
	last := b[len(b)-blockSize:]
	name, _, _ := bytes.Cut(last[:maxName], []byte{0})
	if len(b) == maxHeader {
		record, _, _ := bytes.Cut(b[blockSize:2*blockSize], []byte{'\n'})
		_, name, _ = bytes.Cut(record, []byte(" path="))
	}
	if id, err = crate.ParseFileName(path.Base(string(name))); err != nil {
		return id, 0, fmt.Errorf("member %q: %w", name, err)
	}
	if size, err = strconv.ParseInt(string(last[124:135]), 8, 64); err != nil || size < 0 || size > MaxSize {
		return id, 0, fmt.Errorf("member %q: size %q is not 0 to %d", name, last[124:135], int64(MaxSize))
	}
	var want [maxHeader]byte
	if !bytes.Equal(b, appendHeader(want[:0], id, size)) {
		return id, 0, fmt.Errorf("member %q: %w", name, errHeader)
	}
	return id, size, nil
}

// contentSize returns the size of what a member's frame decompresses to.
func contentSize(header int, size int64) int64 { return int64(header) + size + padding(size) }

func isZero(b []byte) bool { return len(bytes.Trim(b, "\x00")) == 0 }
