package closure

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"

	"github.com/pelletier/go-toml/v2"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/index"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/semver"
)

// Limits of lock files. Cargo writes format 4 since 1.83.
const (
	maxLock        = 64 << 20 // bytes
	maxLockVersion = 4
)

// A Lock is what a Cargo.lock requests.
type Lock struct {
	Pins     []Pin // the packages from crates.io and from the named sources
	Packages int   // all packages in the file
	Problems []Problem

	elsewhere []lockPackage      // from other registries, which may be mirrors of the index
	leftOut   map[string]*Source // by URL
	direct    map[string]bool    // "name" or "name version": dependencies of packages that are left out
	file      *lockFile
	path      string
}

// lockFile is the file, in all its formats.
type lockFile struct {
	Version  int               `toml:"version"` // from 3 on
	Root     *lockPackage      `toml:"root"`    // a separate table once
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

// ReadLock reads a Cargo.lock of format 1 to 4. Packages from crates.io or one of the
// sources (URLs as in cargo) must be in the index; all others are left out. A package that
// cannot be parsed is a Problem, and does not affect the others.
func ReadLock(r io.Reader, path string, sources ...string) (*Lock, error) {
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
		return nil, fmt.Errorf("reading %s:%d: %w", path, line, err)
	}
	if err == nil && f.Version > maxLockVersion {
		err = fmt.Errorf("it has format %d, this program knows 1 to %d: use a newer one", f.Version, maxLockVersion)
	}
	if f.Root != nil {
		f.Packages = append(f.Packages, *f.Root)
	}
	if err == nil && (isManifest(data) || f.Version == 0 && len(f.Packages) == 0) {
		err = ErrNoLock
	}
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", path, err)
	}
	return f.lock(path, sources), nil
}

// ErrNoLock says that the file is not a lock file.
var ErrNoLock = errors.New("not a Cargo.lock")

// isManifest reports whether a file has the [package] table of a Cargo.toml, which the
// decoder turns into a list of one.
func isManifest(data []byte) bool {
	var f struct {
		Package any `toml:"package"`
	}
	err := toml.Unmarshal(data, &f)
	_, table := f.Package.(map[string]any)
	return err == nil && table
}

func (f *lockFile) lock(path string, sources []string) *Lock {
	l := &Lock{Packages: len(f.Packages), leftOut: map[string]*Source{}, direct: map[string]bool{}, file: f, path: path}
	for i := range f.Packages {
		p := &f.Packages[i]
		switch {
		case !isRegistry(p.Source):
			l.leaveOut(p)
		case isCratesIO(p.Source) || isOneOf(p.Source, sources):
			l.pin(p)
		default:
			l.leaveOut(p)
			l.elsewhere = append(l.elsewhere, *p)
		}
	}
	return l
}

func (l *Lock) pin(p *lockPackage) {
	pin, err := l.file.pin(p)
	if err != nil {
		l.Problems = append(l.Problems, Problem{ID: crate.ID{Name: p.Name}, Err: fmt.Errorf("%s: %w", l.path, err)})
		return
	}
	pin.Where = l.path
	l.Pins = append(l.Pins, pin)
}

func (l *Lock) leaveOut(p *lockPackage) {
	source := l.leftOut[p.Source]
	if source == nil {
		source = &Source{URL: p.Source}
		l.leftOut[p.Source] = source
	}
	source.Packages++
	for _, d := range p.Dependencies {
		d, _, _ = strings.Cut(d, " (")
		l.direct[d] = true
	}
}

// Compare counts those packages of other registries that the index has with the same
// checksum: a source with many of them is most likely a mirror of this index. It selects
// none of them, since equal bytes do not mean that the user wants the crates of that
// registry from this one.
func (l *Lock) Compare(ctx context.Context, ix *index.Index) error {
	lookup := ix.NewLookup(ctx)
	defer lookup.Close()
	for i := range l.elsewhere {
		p := &l.elsewhere[i]
		pin, err := l.file.pin(p)
		if err != nil || pin.Checksum == (crate.Checksum{}) {
			continue // nothing to compare
		}
		same, err := isIn(ctx, lookup, &pin)
		if err != nil {
			return fmt.Errorf("looking for the packages of %s in the index: %w", l.path, err)
		}
		if same {
			l.leftOut[p.Source].Same++
		}
	}
	return nil
}

// isIn reports whether the index names the checksum of a pin.
func isIn(ctx context.Context, lookup *index.Lookup, pin *Pin) (bool, error) {
	c, err := lookup.Crate(ctx, pin.Name)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	return slices.ContainsFunc(c.Entries, func(e index.Entry) bool { return e.ID == pin.ID && e.Checksum == pin.Checksum }), nil
}

// Direct returns the dependencies of packages from elsewhere, such as the workspace itself,
// in any version that "cargo update" may select.
func (l *Lock) Direct() (roots []Root) {
	for i := range l.Pins {
		if pin := &l.Pins[i]; l.direct[pin.Name] || l.direct[pin.Name+" "+pin.Version] {
			roots = append(roots, pin.update())
		}
	}
	return roots
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

// update returns what "cargo update" may replace a package with, as far as a lock file
// shows: the requirement itself is in Cargo.toml.
func (p *Pin) update() Root {
	r := Root{Name: p.Name, Text: "^" + p.Version, Where: p.Where}
	r.Req, _ = semver.ParseReq(r.Text) // of a valid version
	return r
}
