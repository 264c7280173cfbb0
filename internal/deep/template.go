package deep

import (
	"bytes"
	"fmt"
)

const (
	blockSize = 512
	nameSize  = 100 // of a tar header, at its start
	sizeAt    = 124
	sizeEnd   = 136
	sumAt     = 148
	sumEnd    = 156
)

// errTemplate says that no tar header can be made of an item.
var errTemplate = fmt.Errorf("item is no template of a tar header")

// appendTemplate appends the template of a tar header: what does not change from version to
// version. It appends nothing and returns false unless appendHeader would make the same
// header of the template.
func appendTemplate(dst, header []byte, prefix string) ([]byte, bool) {
	if !bytes.HasPrefix(header[:nameSize], []byte(prefix)) {
		return dst, false
	}
	start := len(dst)
	dst = append(dst, header[len(prefix):nameSize]...)
	dst = append(dst, make([]byte, len(prefix))...)
	dst = append(dst, header[nameSize:blockSize]...)
	clear(dst[start:][sumAt:sumEnd])
	var again [blockSize]byte
	if b, err := appendHeader(again[:0], dst[start:], prefix); err != nil || !bytes.Equal(b, header) {
		return dst[:start], false
	}
	return dst, true
}

// appendHeader appends the tar header of a template, with the prefix before its name, and
// the checksum.
func appendHeader(dst, template []byte, prefix string) ([]byte, error) {
	name := nameSize - len(prefix)
	if len(template) != blockSize || name < 0 || !isZero(template[name:nameSize]) || !isZero(template[sumAt:sumEnd]) {
		return dst, errTemplate
	}
	start := len(dst)
	dst = append(dst, prefix...)
	dst = append(dst, template[:name]...)
	dst = append(dst, template[nameSize:]...)
	header := dst[start:]
	sum := uint(8 * ' ') // the checksum itself counts as spaces
	for _, c := range header {
		sum += uint(c)
	}
	const digits = 7 // followed by a NUL, as the tar crate writes it
	for n := digits - 1; n >= 0; n-- {
		header[sumAt+n] = '0' + byte(sum&7)
		sum >>= 3
	}
	return dst, nil
}

// fileSize reads the size of the file that follows a header: octal digits that fill the
// field. Anything else, such as GNU's binary sizes, is rejected.
func fileSize(header []byte) (n int64, ok bool) {
	field := header[sizeAt:sizeEnd]
	if field[len(field)-1] != 0 {
		return 0, false
	}
	for _, c := range field[:len(field)-1] {
		if c < '0' || c > '7' {
			return 0, false
		}
		n = n<<3 | int64(c-'0')
	}
	return n, true
}

// padding returns how many zeros follow n bytes in a tar.
func padding(n int64) int64 { return -n & (blockSize - 1) }

var zeros [blockSize]byte

func isZero(b []byte) bool {
	for len(b) > blockSize {
		if !bytes.Equal(b[:blockSize], zeros[:]) {
			return false
		}
		b = b[blockSize:]
	}
	return bytes.Equal(b, zeros[:len(b)])
}
