// Package member is what bundles of every format have in common: crates as members of a tar
// archive, and the limits of every reader.
package member

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
)

const (
	// MaxSize bounds a crate, in bytes, so that with header and Padding it stays within the
	// 1 GiB that readers of the seekable format accept in one frame.
	MaxSize = 1<<30 - 4*BlockSize
	// MaxMembers bounds the members of one bundle, and so the memory of a reader: the seek
	// table has at most 8 MiB.
	MaxMembers = 1 << 20
)

// Errors of every format.
var (
	// ErrBomb says that the bundle decompresses to far more than a real one of its size.
	ErrBomb = fmt.Errorf("bundle holds more than %d times its size: the rest is given up", maxRatio)
	// ErrTrailing says that there is data after the end of the archive.
	ErrTrailing = errors.New("data after the end of the archive")
	// ErrTooMany says that there are too many members or lines.
	ErrTooMany = errors.New("too many entries")
)

// Parts of a USTAR header.
const (
	BlockSize = 512
	// MaxName is the longest path that the name field of a tar header holds.
	MaxName = 100
	// TypeAt is the offset of the type flag in a header.
	TypeAt = 156
)

// Type flags of a header.
const (
	TypeRegular = '0'
	TypePAX     = 'x'
)

// HeaderSum returns the checksum of a tar header: the sum of its bytes, with the checksum
// itself counted as spaces.
func HeaderSum(b []byte) int {
	sum := 8 * int(' ')
	for i, c := range b[:BlockSize] {
		if i < 148 || i >= 156 {
			sum += int(c)
		}
	}
	return sum
}

// PAXRecord returns "{length} path={name}\n", where length includes its own digits.
func PAXRecord(name string) string {
	const frame = len(" path=\n")
	n := frame + len(name)
	n += len(strconv.Itoa(n + len(strconv.Itoa(n))))
	return strconv.Itoa(n) + " path=" + name + "\n"
}

// Padding returns how many zeros follow n bytes in a tar archive.
func Padding(n int64) int64 { return -n & (BlockSize - 1) }

// IsZero reports whether all bytes are zero.
func IsZero(b []byte) bool { return len(bytes.Trim(b, "\x00")) == 0 }
