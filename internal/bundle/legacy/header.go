package legacy

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/bundle/member"
)

// errNotPlain says that the header is not plain USTAR. Programs have disagreed too often on
// the extensions of GNU tar and PAX: sparse files, long names, global headers, records for
// sizes (F6).
var errNotPlain = errors.New("not a tar header of a regular file")

// ReadHeader reads the header of the next member of an archive that another program may
// have written. It returns io.EOF at the two zero blocks that end the archive, and
// io.ErrUnexpectedEOF if they are missing.
func ReadHeader(r io.Reader) (name string, size int64, err error) {
	var b [member.BlockSize]byte
	if err := readBlock(r, &b); err != nil {
		return "", 0, err
	}
	if member.IsZero(b[:]) {
		err := readBlock(r, &b)
		if err == nil && !member.IsZero(b[:]) {
			err = member.ErrTrailing
		}
		return "", 0, cmp.Or(err, io.EOF)
	}
	var long string
	if b[member.TypeAt] == member.TypePAX {
		if long, err = readPAX(r, &b); err != nil {
			return "", 0, err
		}
	}
	name, size, err = parseHeader(&b, member.TypeRegular)
	return cmp.Or(long, name), size, err
}

func readBlock(r io.Reader, b *[member.BlockSize]byte) error {
	_, err := io.ReadFull(r, b[:])
	return noEOF(err)
}

// readPAX reads the path from the PAX record with the header b, and then the next header
// into b.
func readPAX(r io.Reader, b *[member.BlockSize]byte) (name string, err error) {
	_, size, err := parseHeader(b, member.TypePAX)
	if err != nil {
		return "", err
	}
	if size > member.BlockSize {
		return "", fmt.Errorf("%w: PAX record of %d bytes", errNotPlain, size)
	}
	if err := readBlock(r, b); err != nil {
		return "", err
	}
	record := string(b[:size])
	_, name, _ = strings.Cut(strings.TrimSuffix(record, "\n"), " path=")
	if name == "" || record != member.PAXRecord(name) || !member.IsZero(b[size:]) {
		return "", fmt.Errorf("%w: PAX record %q, want one path", errNotPlain, record)
	}
	return name, readBlock(r, b)
}

// parseHeader parses a USTAR header of the wanted type.
func parseHeader(b *[member.BlockSize]byte, want byte) (name string, size int64, err error) {
	name = cString(b[0:member.MaxName])
	if prefix := cString(b[345:500]); prefix != "" {
		name = prefix + "/" + name
	}
	sum, err := strconv.ParseUint(strings.Trim(string(b[148:156]), " \x00"), 8, 32)
	switch {
	case err != nil || int(sum) != member.HeaderSum(b[:]):
		return name, 0, fmt.Errorf("member %q: wrong checksum in its header", name)
	case string(b[257:265]) != "ustar\x0000":
		return name, 0, fmt.Errorf("member %q: %w: format %q", name, errNotPlain, b[257:265])
	case b[member.TypeAt] != want:
		return name, 0, fmt.Errorf("member %q: %w: type %q", name, errNotPlain, b[member.TypeAt])
	case !member.IsZero(b[157:257]):
		return name, 0, fmt.Errorf("member %q: %w: it links to %q", name, errNotPlain, cString(b[157:257]))
	}
	field := strings.TrimRight(string(b[124:136]), " \x00")
	n, err := strconv.ParseUint(field, 8, 63)
	if err != nil || n > member.MaxSize {
		return name, 0, fmt.Errorf("member %q: size %q is not 0 to %d", name, field, int64(member.MaxSize))
	}
	return name, int64(n), nil
}

// cString returns the bytes before the first zero.
func cString(b []byte) string {
	b, _, _ = bytes.Cut(b, []byte{0})
	return string(b)
}

func noEOF(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}
