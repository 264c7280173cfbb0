// Package badindex is an index on disk in which nearly every line is hostile, with what a
// mirror must do with each: rows A1 to A21 of the fault catalogue.
//
// It consists only of files, which are read like any other index. Package simreg simulates
// failing servers, and has the crate files that the good lines name.
package badindex

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/simreg"
)

// Bad is an index on disk in which nearly everything is wrong, and what a mirror must do
// with it.
type Bad struct {
	// Registry has the crate files of all versions in the lists below.
	Registry *simreg.Registry
	// Survive are the versions that a mirror must hold in the end.
	Survive []crate.ID
	// Collide are acceptable too, but on a file system that ignores case their files have
	// the names of other versions.
	Collide []crate.ID
	// Dispute are named by several lines with different checksums; the last one, which
	// counts, is wrong, so they cannot be stored.
	Dispute []crate.ID
	// Reject are the lines that must be rejected one by one.
	Reject []Line
	// Ignore are paths that are not index files and must be ignored.
	Ignore []string
}

// Line is a line that no mirror may act on.
type Line struct {
	Row  string // of the fault catalogue
	Path string // below the index, with slashes
	Line int    // from 1
}

// String returns "row path:line".
func (l Line) String() string { return fmt.Sprintf("%s %s:%d", l.Row, l.Path, l.Line) }

// Write writes the hostile index of rows A1 to A16, A20 and A21 below dir,
// as plain files. One file has a line of 65 MiB.
func Write(dir string) (*Bad, error) {
	b := &builder{dir: dir, bad: &Bad{Registry: simreg.New()}}
	for _, f := range files() {
		if err := b.write(f); err != nil {
			return nil, fmt.Errorf("writing the hostile index file of %s: %w", f.name, err)
		}
	}
	if err := b.writeStrangers(); err != nil {
		return nil, fmt.Errorf("writing what is no index file: %w", err)
	}
	return b.bad, nil
}

// file is one file of the hostile index.
type file struct {
	row, name string // the name determines the path
	lines     []line
	prefix    string // before the first line
	eol       string // "\n" if empty
	unended   bool   // the last line has no line feed
}

// line is a line and its fate.
type line struct {
	text string
	fate fate
	keep crate.ID // the version that it publishes, unless rejected or repeated
}

// fate is what a mirror must do with a line.
type fate int

const (
	refused  fate = iota
	survives      // its version must be held
	repeated      // another line determines the same version
	collides      // its version can be held on case-sensitive file systems
	disputed      // the line is right, but a later wrong one counts
)

type builder struct {
	dir string
	bad *Bad
}

func (b *builder) write(f file) error {
	path := crate.IndexPath(f.name)
	var text bytes.Buffer
	text.WriteString(f.prefix)
	for i, l := range f.lines {
		b.note(l, Line{f.row, path, i + 1})
		text.WriteString(l.text)
		if i < len(f.lines)-1 || !f.unended {
			text.WriteString(cmp.Or(f.eol, "\n"))
		}
	}
	return writeFile(filepath.Join(b.dir, filepath.FromSlash(path)), text.Bytes())
}

// note records the fate of a line.
func (b *builder) note(l line, where Line) {
	switch l.fate {
	case refused:
		b.bad.Reject = append(b.bad.Reject, where)
		return
	case repeated:
		return
	case survives:
		b.bad.Survive = append(b.bad.Survive, l.keep)
	case collides:
		b.bad.Collide = append(b.bad.Collide, l.keep)
	case disputed:
		b.bad.Dispute = append(b.bad.Dispute, l.keep)
	}
	b.bad.Registry.Add(simreg.Version{Name: l.keep.Name, Version: l.keep.Version})
}

// writeStrangers adds files to an index folder that are not index files (rows A15 and A16).
func (b *builder) writeStrangers() error {
	line := string(goodLine(crate.ID{Name: "a16-stray", Version: "1.0.0"})) + "\n"
	for name, text := range map[string]string{
		"README.md":           "# An index\n",
		"config.json":         `{"dl":"file:///etc","api":"http://169.254.169.254"}` + "\n",
		"a1/6-/.git":          "gitdir: /nowhere\n",
		"a1/6-/a16-stray~":    line,
		"a1/6-/.a16-stray.sw": line,
		"a1/6-/#a16-stray#":   line,
		"a1/6-/A16-Stray2":    line, // not the path of any name
		"a1/a16-stray":        line, // one level too high
	} {
		b.bad.Ignore = append(b.bad.Ignore, name)
		if err := writeFile(filepath.Join(b.dir, filepath.FromSlash(name)), []byte(text)); err != nil {
			return err
		}
	}
	return b.writeSpecials()
}

// writeSpecials adds what is not a regular file, if the system supports it: a symbolic link
// to a possible index file, a FIFO, and a folder without permissions (which root can read
// anyway).
func (b *builder) writeSpecials() error {
	dir := filepath.Join(b.dir, "a1", "5-")
	if err := os.MkdirAll(filepath.Join(b.dir, "a1", "5x"), 0); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	target := filepath.Join(b.dir, filepath.FromSlash(crate.IndexPath("a15-target")))
	text := string(goodLine(crate.ID{Name: "a15-link", Version: "1.0.0"})) + "\n"
	if err := writeFile(target+".txt", []byte(text)); err != nil {
		return err
	}
	b.bad.Ignore = append(b.bad.Ignore, "a1/5-/a15-target.txt")
	if os.Symlink(target+".txt", filepath.Join(dir, "a15-link")) == nil {
		b.bad.Ignore = append(b.bad.Ignore, "a1/5-/a15-link")
	}
	if makeFIFO(filepath.Join(dir, "a15-fifo")) == nil {
		b.bad.Ignore = append(b.bad.Ignore, "a1/5-/a15-fifo")
	}
	return nil
}

// deviceNames reports whether files may have the name of a Windows device here.
func deviceNames() bool { return runtime.GOOS != "windows" }

// writeFile is os.WriteFile that makes missing folders.
func writeFile(name string, data []byte) error {
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return err
	}
	return os.WriteFile(name, data, 0o644)
}
