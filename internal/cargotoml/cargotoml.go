// Package cargotoml reads the Cargo.toml inside a crate file: what a crate says
// of itself, of which the index has nothing.
//
// A crate file is a gzipped tar in which everything lies below
// "{name}-{version}/". It was made by whoever published it, so it is read with
// cargo's limits and some of our own, and nothing of it is ever written to a
// disk:
//
//   - the archive has at most 512 MiB unpacked, or 20 times the size of the
//     crate file if that is more (cargo, MAX_UNPACK_SIZE and
//     MAX_COMPRESSION_RATIO in sources/registry);
//   - one gzip stream: what follows it is not read, as cargo does not;
//   - at most [MaxFiles] entries;
//   - Cargo.toml is the first entry of that name and a regular file, with at
//     most [MaxSize] bytes, and read in time that grows with its size alone. The
//     parser bounds how deep values are nested.
//
// What else lies in the archive, links or names that climb out of it, is
// harmless here: files are counted, the rest is passed over.
package cargotoml

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/klauspost/compress/gzip"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
)

// Limits of a crate file.
const (
	MaxSize  = 1 << 20 // of Cargo.toml in bytes; the largest real ones have some 100 KB
	MaxFiles = 500_000 // entries of the archive, ten times what real crates have

	maxUnpacked = 512 << 20
	maxRatio    = 20
)

// A Package is what the [package] table of a Cargo.toml says. What it leaves
// out is empty.
type Package struct {
	Description   string   `json:"description,omitzero"`
	License       string   `json:"license,omitzero"`
	LicenseFile   string   `json:"license_file,omitzero"`
	Repository    string   `json:"repository,omitzero"`
	Homepage      string   `json:"homepage,omitzero"`
	Documentation string   `json:"documentation,omitzero"`
	Categories    []string `json:"categories,omitempty"`
	Keywords      []string `json:"keywords,omitempty"`
	Edition       string   `json:"edition,omitzero"` // empty: 2015
}

// Contents is a Package and what it comes with.
type Contents struct {
	Package
	UnpackedSize int64 `json:"unpacked_size"` // of all files, in bytes
	FileCount    int64 `json:"file_count"`
}

// Read reads the Cargo.toml of the crate file r of size bytes, and nothing
// behind it. An error says what is wrong with the crate, or is r's.
func Read(r io.Reader, id crate.ID, size int64) (*Package, error) {
	c, err := read(r, id, size, true)
	if err != nil {
		return nil, err
	}
	return &c.Package, nil
}

// Inspect is Read that goes on to the end of the archive.
func Inspect(r io.Reader, id crate.ID, size int64) (*Contents, error) {
	return read(r, id, size, false)
}

// unzippers saves 40 KB of tables for every crate.
var unzippers = sync.Pool{New: func() any { return new(gzip.Reader) }}

func read(r io.Reader, id crate.ID, size int64, stop bool) (*Contents, error) {
	if size == 0 {
		return nil, errors.New("the crate file is empty") // argo-0.0.1 was published so
	}
	zr := unzippers.Get().(*gzip.Reader)
	defer unzippers.Put(zr)
	if err := zr.Reset(r); err != nil {
		return nil, fmt.Errorf("unpacking: %w", endsEarly(err))
	}
	zr.Multistream(false)
	limit := max(maxUnpacked, maxRatio*size)
	a := archive{tar: tar.NewReader(&limited{zr, limit, limit}), want: id.Name + "-" + id.Version + "/Cargo.toml", limit: limit}
	return a.read(stop)
}

// archive is a crate file that is being read.
type archive struct {
	tar   *tar.Reader
	want  string // where Cargo.toml is
	limit int64  // of all bytes
	Contents
}

func (a *archive) read(stop bool) (*Contents, error) {
	found := false
	for n := 1; ; n++ {
		h, err := a.tar.Next()
		switch {
		case err == io.EOF && !found:
			return nil, fmt.Errorf("there is no %s", a.want)
		case err == io.EOF:
			return &a.Contents, nil
		case err != nil:
			return nil, fmt.Errorf("unpacking: %w", endsEarly(err))
		case n > MaxFiles:
			return nil, fmt.Errorf("the archive has more than %d entries", MaxFiles)
		}
		if err := a.count(h); err != nil {
			return nil, err
		}
		if found || h.Name != a.want {
			continue
		}
		found = true
		if err := a.cargoToml(h); err != nil {
			return nil, err
		}
		if stop {
			return &a.Contents, nil
		}
	}
}

// count adds an entry. The size that a sparse file claims need not be in the
// archive at all.
func (a *archive) count(h *tar.Header) error {
	if h.Typeflag != tar.TypeReg {
		return nil
	}
	if h.Size > a.limit-a.UnpackedSize {
		return errTooLarge(a.limit)
	}
	a.UnpackedSize += h.Size
	a.FileCount++
	return nil
}

func (a *archive) cargoToml(h *tar.Header) error {
	if h.Typeflag != tar.TypeReg {
		return fmt.Errorf("%s is not a regular file", a.want)
	}
	if h.Size > MaxSize {
		return fmt.Errorf("%s has %d bytes, want at most %d", a.want, h.Size, MaxSize)
	}
	text, err := io.ReadAll(a.tar)
	if err != nil {
		return fmt.Errorf("unpacking %s: %w", a.want, endsEarly(err))
	}
	a.Package, err = Parse(text)
	if err != nil {
		return fmt.Errorf("%s: %w", a.want, err)
	}
	return nil
}

// endsEarly makes an end that is too early an error that can be understood.
func endsEarly(err error) error {
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		return errors.New("the crate file ends too early")
	}
	return err
}

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
