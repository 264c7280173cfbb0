package deep

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/deflate"
)

const (
	directoryMagic = 0x184D2A5D // magic number of its skippable frame
	frameHead      = 8          // magic and size of a skippable frame
	signature      = "deeppack"
	formatVersion  = 1
	// maxDirectory bounds the frame of a directory: 64 versions of at most 150 + 255 + 87
	// bytes.
	maxDirectory = 32 << 10
	minDirectory = frameHead + len(signature) + 2*sha256.Size
)

var errDirectory = errors.New("not a directory of this format")

// appendDirectory appends the directory's frame.
func appendDirectory(dst []byte, d *Directory) []byte {
	start := len(dst)
	dst = binary.LittleEndian.AppendUint32(dst, directoryMagic)
	dst = append(dst, 0, 0, 0, 0) // the size follows below
	dst = append(dst, signature...)
	dst = append(dst, formatVersion)
	dst = appendString(dst, d.Name)
	dst = append32(dst, d.frame)
	dst = append32(dst, d.Content)
	dst = append(dst, d.frameSum[:]...)
	dst = append(dst, byte(len(d.Versions)))
	for n := range d.Versions {
		dst = appendVersion(dst, &d.Versions[n])
	}
	binary.LittleEndian.PutUint32(dst[start+4:], uint32(len(dst)-start-frameHead+sha256.Size))
	sum := sha256.Sum256(dst[start:])
	return append(dst, sum[:]...)
}

func appendVersion(dst []byte, v *Version) []byte {
	dst = appendString(dst, v.Version)
	dst = append(dst, v.Checksum[:]...)
	dst = append32(dst, v.Size)
	dst = append(dst, byte(v.Encoder), byte(v.Reason))
	dst = appendString(dst, string(v.header))
	dst = append(dst, v.streamSum[:]...)
	dst = append32(dst, v.stream)
	return append32(dst, v.recipe)
}

func appendString(dst []byte, s string) []byte { return append(append(dst, byte(len(s))), s...) }

func append32(dst []byte, n int64) []byte { return binary.LittleEndian.AppendUint32(dst, uint32(n)) }

// parseDirectory parses the directory in the frame at the start of b, and returns the size
// of the frame.
func parseDirectory(b []byte) (*Directory, int64, error) {
	if len(b) < minDirectory {
		return nil, 0, io.ErrUnexpectedEOF
	}
	size := frameHead + int64(binary.LittleEndian.Uint32(b[4:]))
	switch {
	case binary.LittleEndian.Uint32(b) != directoryMagic, !bytes.HasPrefix(b[frameHead:], []byte(signature)),
		size < int64(minDirectory), size > maxDirectory:
		return nil, 0, fmt.Errorf("%w: it starts with %x", errDirectory, b[:frameHead+len(signature)])
	case size > int64(len(b)):
		return nil, 0, io.ErrUnexpectedEOF
	}
	b = b[:size]
	body, sum := b[:size-sha256.Size], b[size-sha256.Size:]
	if sha256.Sum256(body) != [sha256.Size]byte(sum) {
		return nil, 0, errors.New("directory is damaged: its sha256 is wrong")
	}
	f := &fields{rest: body[frameHead+len(signature):]}
	if v := f.u8(); v != formatVersion {
		return nil, 0, fmt.Errorf("segment is of version %d of the format, this program knows version %d: use a newer one", v, formatVersion)
	}
	d := f.directory()
	if f.short || len(f.rest) > 0 {
		return nil, 0, fmt.Errorf("%w: it has %d bytes", errDirectory, size)
	}
	d.sum = crate.Checksum(sum)
	return d, size, d.check()
}

// fields parses fields in sequence; short says that there were too few bytes.
type fields struct {
	rest  []byte
	short bool
}

func (f *fields) bytes(n int) []byte {
	if n > len(f.rest) {
		f.short, f.rest = true, nil
		return make([]byte, n)
	}
	b := f.rest[:n]
	f.rest = f.rest[n:]
	return b
}

func (f *fields) u8() byte { return f.bytes(1)[0] }

func (f *fields) u32() int64 { return int64(binary.LittleEndian.Uint32(f.bytes(4))) }

func (f *fields) sum() crate.Checksum { return crate.Checksum(f.bytes(sha256.Size)) }

func (f *fields) string() string { return string(f.bytes(int(f.u8()))) }

func (f *fields) directory() *Directory {
	d := &Directory{Name: f.string(), frame: f.u32(), Content: f.u32(), frameSum: f.sum()}
	for range f.u8() {
		if f.short {
			break
		}
		v := Version{Key: crate.Key{ID: crate.ID{Name: d.Name, Version: f.string()}, Checksum: f.sum()}, Size: f.u32()}
		v.Encoder, v.Reason = deflate.Encoder(f.u8()), Reason(f.u8())
		v.header = []byte(f.string())
		v.streamSum, v.stream, v.recipe = f.sum(), f.u32(), f.u32()
		d.Versions = append(d.Versions, v)
	}
	return d
}

// check checks the limits of a directory.
func (d *Directory) check() error {
	if n := len(d.Versions); n == 0 || n > MaxVersions {
		return fmt.Errorf("%w: %d versions", errDirectory, n)
	}
	if d.frame < 1 || d.frame > maxFrame(d.Content) || d.Content < 1 || d.Content > MaxGiant {
		return fmt.Errorf("%w: %d bytes of content in %d", errDirectory, d.Content, d.frame)
	}
	for n := range d.Versions {
		if err := d.Versions[n].check(d.Content); err != nil {
			return fmt.Errorf("%w: %w", errDirectory, err)
		}
	}
	return nil
}

// maxFrame bounds the frame for n bytes of content: incompressible content is stored, with
// 3 bytes per block.
func maxFrame(n int64) int64 { return n + n/256 + 64 }

func (v *Version) check(content int64) error {
	if err := v.ID.Check(); err != nil {
		return err
	}
	if v.Size > MaxCrate || v.stream > MaxTar || v.recipe > content {
		return fmt.Errorf("%s: %d bytes of %d in a recipe of %d", v.ID, v.Size, v.stream, v.recipe)
	}
	verbatim := v.Encoder == Verbatim
	if verbatim != (v.Reason != NoReason) || verbatim != (len(v.header) == 0) ||
		verbatim && (v.stream != v.Size || v.streamSum != v.Checksum) {
		return fmt.Errorf("%s: encoder %d with reason %d", v.ID, v.Encoder, v.Reason)
	}
	return nil
}
