// Package cargotoml reads the Cargo.toml inside a crate file: what a crate says of itself
// and the index does not have.
//
// Package cratefile reads the crate file, within its limits. Cargo.toml is the first entry
// of that name and a regular file of at most [MaxSize] bytes; parsing takes time
// proportional to its size. The parser bounds how deep values are nested. Other files in
// the archive are counted or skipped.
package cargotoml

import (
	"archive/tar"
	"fmt"
	"io"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/cratefile"
)

// MaxSize bounds Cargo.toml, in bytes; the largest real ones have some 100 KB.
const MaxSize = 1 << 20

// A Package is the [package] table of a Cargo.toml. Omitted fields are empty.
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
	Readme        string   `json:"-"`                // path in the crate; empty: none, or false
}

// Contents is a Package and the size of its files.
type Contents struct {
	Package
	UnpackedSize int64 `json:"unpacked_size"` // of all files, in bytes
	FileCount    int64 `json:"file_count"`
}

// Read reads the Cargo.toml of the crate file r of size bytes, and nothing after it. An
// error says what is wrong with the crate, or is r's.
func Read(r io.Reader, id crate.ID, size int64) (*Package, error) {
	c, err := read(r, id, size, true)
	if err != nil {
		return nil, err
	}
	return &c.Package, nil
}

// Inspect is like Read, but reads on to the end of the archive.
func Inspect(r io.Reader, id crate.ID, size int64) (*Contents, error) {
	return read(r, id, size, false)
}

func read(r io.Reader, id crate.ID, size int64, stop bool) (*Contents, error) {
	var c Contents
	found, want := false, id.Name+"-"+id.Version+"/Cargo.toml"
	err := cratefile.Walk(r, size, func(h *tar.Header, body io.Reader) (err error) {
		if h.Typeflag == tar.TypeReg {
			c.UnpackedSize += h.Size
			c.FileCount++
		}
		if found || h.Name != want {
			return nil
		}
		found = true
		if c.Package, err = parseEntry(h, body); err == nil && stop {
			return cratefile.ErrStop
		}
		return err
	})
	switch {
	case err != nil:
		return nil, err
	case !found:
		return nil, fmt.Errorf("there is no %s", want)
	}
	return &c, nil
}

func parseEntry(h *tar.Header, body io.Reader) (Package, error) {
	if h.Typeflag != tar.TypeReg {
		return Package{}, fmt.Errorf("%s is not a regular file", h.Name)
	}
	if h.Size > MaxSize {
		return Package{}, fmt.Errorf("%s has %d bytes, want at most %d", h.Name, h.Size, MaxSize)
	}
	text, err := io.ReadAll(body)
	if err != nil {
		return Package{}, fmt.Errorf("unpacking %s: %w", h.Name, cratefile.EndsEarly(err))
	}
	p, err := Parse(text)
	if err != nil {
		return Package{}, fmt.Errorf("%s: %w", h.Name, err)
	}
	return p, nil
}
