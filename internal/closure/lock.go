package closure

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/pelletier/go-toml/v2"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/semver"
)

// What lock files call crates.io, whichever way cargo reads its index.
const (
	gitSource    = "registry+https://github.com/rust-lang/crates.io-index"
	sparseSource = "sparse+https://index.crates.io/"
)

// Limits of lock files. Cargo writes format 4 since 1.83.
const (
	maxLock        = 64 << 20 // bytes
	maxLockVersion = 4
)

// A Lock is what a Cargo.lock asks for.
type Lock struct {
	Pins []Pin // the packages of crates.io
	// Direct are those that packages from elsewhere, as the workspace itself,
	// depend on, in any version that "cargo update" may move them to.
	Direct   []Root
	Others   int // packages from elsewhere
	Problems []Problem
}

// lockFile is the file, in all its formats.
type lockFile struct {
	Version  int               `toml:"version"` // from 3 on
	Root     *lockPackage      `toml:"root"`    // once stood apart
	Packages []lockPackage     `toml:"package"`
	Metadata map[string]string `toml:"metadata"` // checksums, in format 1
}

type lockPackage struct {
	Name         string   `toml:"name"`
	Version      string   `toml:"version"`
	Source       string   `toml:"source"` // empty: a folder
	Checksum     string   `toml:"checksum"`
	Dependencies []string `toml:"dependencies"` // "name", or "name version", or "name version (source)"
}

// ReadLock reads a Cargo.lock of format 1 to 4. A package that makes no sense
// is a Problem; the others count.
func ReadLock(r io.Reader, file string) (*Lock, error) {
	data, err := io.ReadAll(io.LimitReader(r, maxLock+1))
	if err == nil && len(data) > maxLock {
		err = fmt.Errorf("more than %d bytes", maxLock)
	}
	var f lockFile
	if err == nil {
		err = toml.Unmarshal(data, &f)
	}
	if syntax := new(toml.DecodeError); errors.As(err, &syntax) {
		line, _ := syntax.Position()
		return nil, fmt.Errorf("reading %s:%d: %w", file, line, err)
	}
	if err == nil && f.Version > maxLockVersion {
		err = fmt.Errorf("it has format %d, this program knows 1 to %d: use a newer one", f.Version, maxLockVersion)
	}
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", file, err)
	}
	if f.Root != nil {
		f.Packages = append(f.Packages, *f.Root)
	}
	return f.lock(file), nil
}

func (f *lockFile) lock(file string) *Lock {
	l := new(Lock)
	direct := map[string]bool{} // "name" or "name version"
	for i := range f.Packages {
		p := &f.Packages[i]
		if p.Source != gitSource && p.Source != sparseSource {
			l.Others++
			for _, d := range p.Dependencies {
				d, _, _ = strings.Cut(d, " (")
				direct[d] = true
			}
			continue
		}
		pin, err := f.pin(p)
		if err != nil {
			l.Problems = append(l.Problems, Problem{ID: crate.ID{Name: p.Name}, Err: fmt.Errorf("%s: %w", file, err)})
			continue
		}
		pin.Where = file
		l.Pins = append(l.Pins, pin)
	}
	for _, pin := range l.Pins {
		if direct[pin.Name] || direct[pin.Name+" "+pin.Version] {
			l.Direct = append(l.Direct, pin.update())
		}
	}
	return l
}

func (f *lockFile) pin(p *lockPackage) (Pin, error) {
	pin := Pin{ID: crate.ID{Name: p.Name, Version: p.Version}}
	if err := pin.Check(); err != nil {
		return pin, err
	}
	if _, err := semver.Parse(pin.Version); err != nil {
		return pin, fmt.Errorf("%s: %w", pin.Name, err)
	}
	sum := p.Checksum
	if sum == "" {
		sum = f.Metadata[fmt.Sprintf("checksum %s (%s)", pin.ID, p.Source)]
	}
	if sum == "" {
		return pin, nil
	}
	var err error
	if pin.Checksum, err = crate.ParseChecksum(sum); err != nil {
		return pin, fmt.Errorf("%s: %w", pin.ID, err)
	}
	return pin, nil
}

// update is what "cargo update" may replace a package with, as far as a lock
// file tells: the requirement itself is in Cargo.toml.
func (p *Pin) update() Root {
	r := Root{Name: p.Name, Text: "^" + p.Version, Where: p.Where}
	r.Req, _ = semver.ParseReq(r.Text) // of a version that was checked
	return r
}
