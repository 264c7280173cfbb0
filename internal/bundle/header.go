package bundle

import (
	"bytes"
	"errors"
	"fmt"
	"path"
	"strconv"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/bundle/member"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
)

const (
	// paxName is the name in the header of a PAX record. A tar that does not support PAX
	// writes the record to a file of that name.
	paxName = "PaxHeaders.0/crate"
	// maxHeader is the size of the longest header: PAX header, record, header.
	maxHeader = 3 * member.BlockSize
)

// appendHeader appends the tar header of a member.
func appendHeader(dst []byte, id crate.ID, size int64) []byte {
	name := id.LoosePath()
	if len(name) > member.MaxName {
		record := member.PAXRecord(name)
		dst = appendBlock(dst, paxName, int64(len(record)), member.TypePAX)
		dst = append(dst, record...)
		dst = append(dst, make([]byte, member.Padding(int64(len(record))))...)
		name = name[:member.MaxName]
	}
	return appendBlock(dst, name, size, member.TypeRegular)
}

// appendBlock appends one USTAR header.
func appendBlock(dst []byte, name string, size int64, typeflag byte) []byte {
	var b [member.BlockSize]byte
	copy(b[0:member.MaxName], name)
	copy(b[100:], "0000644\x000000000\x000000000\x00") // mode, uid, gid
	copy(b[124:], fmt.Appendf(nil, "%011o\x0000000000000\x00", size))
	b[member.TypeAt] = typeflag
	copy(b[257:], "ustar\x0000")
	copy(b[329:], "0000000\x000000000\x00") // devmajor, devminor
	copy(b[148:], fmt.Appendf(nil, "%06o\x00 ", member.HeaderSum(b[:])))
	return append(dst, b[:]...)
}

// headerSizeOf returns the size of the header that appendHeader appends.
func headerSizeOf(id crate.ID) int {
	if len(id.LoosePath()) > member.MaxName {
		return maxHeader
	}
	return member.BlockSize
}

// headerSize returns the size of a member's header, given its first block.
func headerSize(block []byte) int {
	if block[member.TypeAt] == member.TypePAX {
		return maxHeader
	}
	return member.BlockSize
}

var errHeader = errors.New("not a tar header of this format")

// parseHeader is the inverse of appendHeader. b begins with the header and has at least
// headerSize bytes.
func parseHeader(b []byte) (id crate.ID, size int64, err error) {
	b = b[:headerSize(b)]
	last := b[len(b)-member.BlockSize:]
	name, _, _ := bytes.Cut(last[:member.MaxName], []byte{0})
	if len(b) == maxHeader {
		record, _, _ := bytes.Cut(b[member.BlockSize:2*member.BlockSize], []byte{'\n'})
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

// contentSize returns the size of the decompressed content of a member's frame.
func contentSize(header int, size int64) int64 { return int64(header) + size + member.Padding(size) }
