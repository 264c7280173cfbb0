package deep

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
)

// Reader reads a segment. Its methods may be called concurrently.
type Reader struct {
	name string
	r    io.ReaderAt
	size int64
}

// Open opens a segment of size bytes, which may be unfinished; name is used in errors. It
// returns ErrFormat if there is neither a seek table at the end nor a pack in the first
// bytes. It does not check the rest of the file. A read error is returned as such, not as
// ErrFormat.
func Open(name string, r io.ReaderAt, size int64) (*Reader, error) {
	const sniff = 64 << 20
	s := &Reader{name, r, size}
	_, table := readTable(r, size)
	if table == nil {
		return s, nil
	}
	_, err := s.search(0, min(size, sniff))
	switch {
	case err == nil:
		return s, nil
	case !unreadable(err) && !unreadable(table):
		err = fmt.Errorf("%w (%w)", ErrFormat, table)
	}
	return nil, fmt.Errorf("opening segment %s: %w", name, err)
}

// OpenKnown is like Open for a file that is known to be a segment, but reads nothing.
func OpenKnown(name string, r io.ReaderAt, size int64) *Reader { return &Reader{name, r, size} }

// A readError is an error of the disk: it says nothing about the bytes.
type readError struct{ error }

func (e readError) Unwrap() error { return e.error }

func unreadable(err error) bool { return errors.As(err, new(readError)) }

// readAt fills b or returns an error: io.ErrUnexpectedEOF outside the file, else a
// readError.
func readAt(r io.ReaderAt, b []byte, offset int64) error {
	if offset < 0 {
		return io.ErrUnexpectedEOF
	}
	n, err := r.ReadAt(b, offset)
	if n == len(b) {
		return nil
	}
	if err == nil || err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return readError{err}
}

// Directory reads the directory of the pack at p, with one read of at most 32 KiB. Errors:
// *DamageError; those of the file.
func (r *Reader) Directory(p Placement) (*Directory, error) {
	d, err := r.directory(p.Offset)
	if err == nil && d.Size != p.Size {
		err = fmt.Errorf("pack has %d bytes, want %d", d.Size, p.Size)
	}
	if err != nil {
		return nil, r.damage(p, "", err)
	}
	return d, nil
}

// directory reads the directory at offset, whose pack must end within the file.
func (r *Reader) directory(offset int64) (*Directory, error) {
	if offset < 0 || offset > r.size {
		return nil, fmt.Errorf("offset %d is outside of the segment, which has %d bytes", offset, r.size)
	}
	b := make([]byte, min(maxDirectory, r.size-offset))
	if err := readAt(r.r, b, offset); err != nil {
		return nil, err
	}
	d, size, err := parseDirectory(b)
	if err != nil {
		return nil, err
	}
	d.Placement = Placement{offset, size + d.frame}
	if d.Size > r.size-offset {
		return nil, io.ErrUnexpectedEOF
	}
	return d, nil
}

// damage returns err as damage at p, unless it is an error of the disk.
func (r *Reader) damage(p Placement, name string, err error) error {
	if unreadable(err) {
		return fmt.Errorf("reading %s at offset %d: %w", r.name, p.Offset, err)
	}
	return &DamageError{r.name, p.Offset, p.Offset + p.Size, name, err}
}

// frame reads the data frame of a pack into buf[:0] and verifies its checksum.
func (r *Reader) frame(buf []byte, d *Directory) ([]byte, error) {
	buf = grow(buf, d.frame)
	if err := readAt(r.r, buf, d.Offset+d.Size-d.frame); err != nil {
		return buf, err
	}
	if got := crate.Checksum(sha256.Sum256(buf)); got != d.frameSum {
		return buf, fmt.Errorf("sha256 of the data frame is %s, the directory says %s", got, d.frameSum)
	}
	return buf, nil
}

// load decodes the content of a pack. free releases its memory.
func (r *Reader) load(ctx context.Context, d *Directory) (c *content, free func(), err error) {
	data := buffers.Get().(*[]byte)
	free = func() { buffers.Put(data) }
	if c, err = r.decode(ctx, d, data); err != nil {
		free()
		return nil, nil, err
	}
	return c, free, nil
}

// decode decodes the content of a pack into *data, which it enlarges if needed.
func (r *Reader) decode(ctx context.Context, d *Directory, data *[]byte) (c *content, err error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	frame := buffers.Get().(*[]byte)
	defer buffers.Put(frame)
	*frame, err = r.frame(*frame, d)
	if err == nil {
		*data, err = decodeFrame(*data, *frame, d.Content)
	}
	if err == nil {
		c, err = parseContent(*data, d.Versions)
	}
	if err != nil {
		return nil, r.damage(d.Placement, d.Name, err)
	}
	return c, nil
}

// RebuildKey rebuilds version n of the pack at p, like Rebuild. It returns ErrNotThere
// unless that version is key.
func (r *Reader) RebuildKey(ctx context.Context, p Placement, n int, key crate.Key) ([]byte, error) {
	d, err := r.Directory(p)
	if err != nil {
		return nil, err
	}
	if n < 0 || n >= len(d.Versions) || d.Versions[n].Key != key {
		return nil, fmt.Errorf("reading %s at offset %d: number %d for %s: %w", r.name, p.Offset, n, key.ID, ErrNotThere)
	}
	return r.Rebuild(ctx, d, n)
}
