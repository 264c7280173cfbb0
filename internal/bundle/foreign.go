package bundle

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// errForeign: the header is not plain USTAR. What GNU tar and PAX have beyond
// it (sparse files, long names, global headers, records for sizes) was read
// differently by different programs too often (F6).
var errForeign = errors.New("tar header is not of a plain file")

// readForeign reads the header of the next member of an archive that another
// program may have written. At the two blocks of zeros that end the archive it
// returns io.EOF; where there are none, io.ErrUnexpectedEOF.
func readForeign(r io.Reader) (name string, size int64, err error) {
	var b [blockSize]byte
	if err := readBlock(r, &b); err != nil {
		return "", 0, err
	}
	if isZero(b[:]) {
		err := readBlock(r, &b)
		if err == nil && !isZero(b[:]) {
			err = ErrTrailing
		}
		return "", 0, cmp.Or(err, io.EOF)
	}
	var long string
	if b[typeAt] == typePAX {
		if long, err = readForeignPAX(r, &b); err != nil {
			return "", 0, err
		}
	}
	name, size, err = parseForeign(&b, typeRegular)
	return cmp.Or(long, name), size, err
}

func readBlock(r io.Reader, b *[blockSize]byte) error {
	_, err := io.ReadFull(r, b[:])
	return noEOF(err)
}

// readForeignPAX reads the path from the PAX record that b is the header of,
// and then the next header into b.
func readForeignPAX(r io.Reader, b *[blockSize]byte) (name string, err error) {
	_, size, err := parseForeign(b, typePAX)
	if err != nil {
		return "", err
	}
	if size > blockSize {
		return "", fmt.Errorf("%w: PAX record of %d bytes", errForeign, size)
	}
	if err := readBlock(r, b); err != nil {
		return "", err
	}
	record := string(b[:size])
	_, name, _ = strings.Cut(strings.TrimSuffix(record, "\n"), " path=")
	if name == "" || record != paxRecord(name) || !isZero(b[size:]) {
		return "", fmt.Errorf("%w: PAX record %q, want one path", errForeign, record)
	}
	return name, readBlock(r, b)
}

// parseForeign reads a USTAR header of the wanted type.
func parseForeign(b *[blockSize]byte, want byte) (name string, size int64, err error) {
	name = cString(b[0:maxName])
	if prefix := cString(b[345:500]); prefix != "" {
		name = prefix + "/" + name
	}
	sum, err := strconv.ParseUint(strings.Trim(string(b[148:156]), " \x00"), 8, 32)
	switch {
	case err != nil || int(sum) != headerSum(b[:]):
		return name, 0, fmt.Errorf("member %q: wrong checksum in its header", name)
	case string(b[257:265]) != "ustar\x0000":
		return name, 0, fmt.Errorf("member %q: %w: format %q", name, errForeign, b[257:265])
	case b[typeAt] != want:
		return name, 0, fmt.Errorf("member %q: %w: type %q", name, errForeign, b[typeAt])
	case !isZero(b[157:257]):
		return name, 0, fmt.Errorf("member %q: %w: it links to %q", name, errForeign, cString(b[157:257]))
	}
	field := strings.TrimRight(string(b[124:136]), " \x00")
	n, err := strconv.ParseUint(field, 8, 63)
	if err != nil || n > MaxSize {
		return name, 0, fmt.Errorf("member %q: size %q is not 0 to %d", name, field, int64(MaxSize))
	}
	return name, int64(n), nil
}

// cString returns the bytes before the first zero.
func cString(b []byte) string {
	b, _, _ = bytes.Cut(b, []byte{0})
	return string(b)
}
