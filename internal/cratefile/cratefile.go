// Package cratefile reads the archive that a crate file is, entry by entry.
//
// A crate file is a gzipped tar in which everything is below "{name}-{version}/". It is
// untrusted, so it is read with cargo's limits and one of our own, and nothing of it is
// ever written to a disk:
//
//   - the archive has at most 512 MiB unpacked, or 20 times the size of the crate file
//     if that is more (cargo, MAX_UNPACK_SIZE and MAX_COMPRESSION_RATIO in
//     sources/registry);
//   - one gzip stream: what follows it is not read, as cargo does not;
//   - at most [MaxEntries] entries.
//
// Links and names that climb out of the archive are harmless here: entries are read one
// after the other, and their names lead to nothing. [Path] tells which of them are those
// of files that a person may look at.
package cratefile

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"

	"github.com/klauspost/compress/gzip"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
)

// Limits of a crate file.
const (
	MaxEntries  = 500_000   // of the archive, ten times what real crates have
	MaxPath     = 512       // bytes of the path of a file that is shown
	MaxUnpacked = 512 << 20 // bytes, or maxRatio times the size of the crate file

	maxRatio = 20
)

// ErrStop ends a [Walk] without an error, as fs.SkipAll does.
var ErrStop = errors.New("the rest is not wanted")

// unzippers saves 40 KB of tables for every crate.
var unzippers = sync.Pool{New: func() any { return new(gzip.Reader) }}

// Walk calls do with the entries of the crate file r of size bytes, in their order; body
// is the content of a regular file, as long as do runs. Errors say what is wrong with the
// crate file, or are r's or those of do.
func Walk(r io.Reader, size int64, do func(h *tar.Header, body io.Reader) error) error {
	if size == 0 {
		return errors.New("the crate file is empty") // argo-0.0.1 was published so
	}
	zr := unzippers.Get().(*gzip.Reader)
	defer unzippers.Put(zr)
	if err := zr.Reset(r); err != nil {
		return fmt.Errorf("unpacking: %w", EndsEarly(err))
	}
	zr.Multistream(false)
	limit := limitOf(size)
	a := archive{tar: tar.NewReader(&limited{zr, limit, limit}), limit: limit}
	err := a.walk(do)
	if errors.Is(err, ErrStop) {
		return nil
	}
	return err
}

// archive is a crate file that is being read.
type archive struct {
	tar         *tar.Reader
	limit, size int64 // of all files, in bytes
}

func (a *archive) walk(do func(h *tar.Header, body io.Reader) error) error {
	for n := 1; ; n++ {
		h, err := a.tar.Next()
		switch {
		case err == io.EOF:
			return nil
		case err != nil:
			return fmt.Errorf("unpacking: %w", EndsEarly(err))
		case n > MaxEntries:
			return fmt.Errorf("the archive has more than %d entries", MaxEntries)
		}
		if err := a.count(h); err != nil {
			return err
		}
		if err := do(h, a.tar); err != nil {
			return err
		}
	}
}

// count adds an entry. The size that a sparse file claims need not be in the archive at
// all.
func (a *archive) count(h *tar.Header) error {
	if h.Typeflag != tar.TypeReg {
		return nil
	}
	if h.Size > a.limit-a.size {
		return errTooLarge(a.limit)
	}
	a.size += h.Size
	return nil
}

// Path returns the path of a file in the crate, below the folder of the crate, from the
// name of its entry. It reports false for what is not the name of a regular file in
// there, or is none that can be shown: too long, not UTF-8, with characters that say one
// thing and show another.
func Path(id crate.ID, h *tar.Header) (string, bool) {
	name, ok := strings.CutPrefix(h.Name, id.Name+"-"+id.Version+"/")
	ok = ok && h.Typeflag == tar.TypeReg && len(name) <= MaxPath && name != "." && fs.ValidPath(name) && utf8.ValidString(name)
	return name, ok && strings.IndexFunc(name, func(r rune) bool { return !unicode.IsPrint(r) }) < 0
}

// EndsEarly makes an end that is too early an error that can be understood.
func EndsEarly(err error) error {
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		return errors.New("the crate file ends too early")
	}
	return err
}

// limitOf is how many bytes a crate file of size bytes may unpack to.
func limitOf(size int64) int64 { return max(MaxUnpacked, maxRatio*size) }

func errTooLarge(limit int64) error { return fmt.Errorf("it unpacks to more than %d bytes", limit) }

// limited fails where more than limit bytes come.
type limited struct {
	r           io.Reader
	rest, limit int64
}

func (l *limited) Read(p []byte) (int, error) {
	n, err := l.r.Read(p)
	if l.rest -= int64(n); l.rest < 0 {
		return 0, errTooLarge(l.limit)
	}
	return n, err
}
