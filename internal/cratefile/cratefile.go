// Package cratefile reads the archive in a crate file, entry by entry.
//
// A crate file is a gzipped tar with all entries below "{name}-{version}/". It is
// untrusted, so it is read with cargo's limits and one of ours, and no part of it is ever
// written to disk:
//
//   - the archive has at most 512 MiB unpacked, or 20 times the size of the crate file
//     if that is more (cargo, MAX_UNPACK_SIZE and MAX_COMPRESSION_RATIO in
//     sources/registry);
//   - one gzip stream: what follows it is not read, as cargo does not;
//   - at most [MaxEntries] entries.
//
// Links and names that lead out of the archive are harmless here: entries are read in
// sequence, and their names are not used as paths. [Path] selects the files that may be
// shown to users.
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
	MaxEntries  = 500_000   // entries; ten times what real crates have
	MaxPath     = 512       // bytes of the path of a file that may be shown
	MaxUnpacked = 512 << 20 // bytes, or maxRatio times the size of the crate file

	maxRatio = 20
)

// ErrStop ends a [Walk] without an error, like fs.SkipAll.
var ErrStop = errors.New("the rest is not wanted")

// unzippers saves allocating 40 KB of tables for every crate.
var unzippers = sync.Pool{New: func() any { return new(gzip.Reader) }}

// Walk calls do with the entries of the crate file r of size bytes, in order; body is the
// content of a regular file, and valid until do returns. Errors say what is wrong with the
// crate file, or are r's or do's.
func Walk(r io.Reader, size int64, do func(h *tar.Header, body io.Reader) error) error {
	if size == 0 {
		return errors.New("the crate file is empty") // argo-0.0.1 was published like this
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

// count counts an entry. A sparse file need not contain all of the size that it claims.
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

// Path returns the path of a file below the folder of the crate, given its entry. It
// returns false if the entry is not a regular file there, or cannot be shown: its path is
// too long, not UTF-8, or has characters that make it look like another one.
func Path(id crate.ID, h *tar.Header) (string, bool) {
	name, ok := strings.CutPrefix(h.Name, id.Name+"-"+id.Version+"/")
	ok = ok && h.Typeflag == tar.TypeReg && len(name) <= MaxPath && name != "." && fs.ValidPath(name) && utf8.ValidString(name)
	return name, ok && strings.IndexFunc(name, func(r rune) bool { return !unicode.IsPrint(r) }) < 0
}

// EndsEarly replaces an error for a premature end with a readable one.
func EndsEarly(err error) error {
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		return errors.New("the crate file ends too early")
	}
	return err
}

// limitOf returns how many bytes a crate file of size bytes may unpack to.
func limitOf(size int64) int64 { return max(MaxUnpacked, maxRatio*size) }

func errTooLarge(limit int64) error { return fmt.Errorf("it unpacks to more than %d bytes", limit) }

// limited fails after limit bytes.
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
