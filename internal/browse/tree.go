// Package browse shows people what is in the crate files of a mirror: the tree of files,
// the text of each, the README that the author chose, and the differences between two
// versions.
//
// # What is trusted
//
// The opener has verified the checksum of a crate file before package browse reads it. What
// the file unpacks to is hostile. It is read within the limits below and those of package
// cratefile, and is never written to disk; a file name is used only to look up the list
// made from the archive. Where an archive has several files of one name, the last counts,
// as for cargo, and [File.Copies] says how many there are.
//
// # Limits
//
// A [Browser] unpacks on as many cores as it may use; further requests wait until their
// context ends. It caches the trees of 16 crates, at most 3 MB each.
package browse

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/cargotoml"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/cratefile"
)

// Limits of what is shown.
const (
	MaxFiles = 20_000  // of a tree
	maxPaths = 1 << 20 // bytes of all their paths
)

// A Tree is the files of a crate.
type Tree struct {
	ID     crate.ID
	Files  []File // sorted by path
	Size   int64  // of all of them, in bytes
	Left   int    // entries not shown: links, invalid names, those beyond the limits
	Readme string // path of the README; empty: none
}

// A File is one file of a crate.
type File struct {
	Path   string // below the top folder
	Size   int64  // in bytes
	Copies int    // entries with this name
	Sum    [sha256.Size]byte

	entry int // index of its last entry in the archive
}

// File returns the file at a path.
func (t *Tree) File(name string) (*File, bool) {
	i, ok := slices.BinarySearchFunc(t.Files, name, func(f File, name string) int { return strings.Compare(f.Path, name) })
	if !ok {
		return nil, false
	}
	return &t.Files[i], true
}

// IsFolder reports whether there are files below a path.
func (t *Tree) IsFolder(name string) bool {
	i, _ := slices.BinarySearchFunc(t.Files, name+"/", func(f File, name string) int { return strings.Compare(f.Path, name) })
	return i < len(t.Files) && strings.HasPrefix(t.Files[i].Path, name+"/")
}

// list reads all of the crate file r of size bytes.
func list(r io.Reader, id crate.ID, size int64) (*Tree, error) {
	l := lister{Tree: Tree{ID: id}, at: map[string]int{}}
	if err := cratefile.Walk(r, size, l.add); err != nil {
		return nil, err
	}
	slices.SortFunc(l.Files, func(a, b File) int { return strings.Compare(a.Path, b.Path) })
	for i := range l.Files {
		l.Size += l.Files[i].Size
	}
	l.Readme = l.readme()
	return &l.Tree, nil
}

// A lister builds a tree.
type lister struct {
	Tree
	at    map[string]int // in Files
	paths int            // bytes
	entry int
	toml  []byte // Cargo.toml
}

func (l *lister) add(h *tar.Header, body io.Reader) error {
	l.entry++
	if h.Typeflag == tar.TypeDir {
		return nil // some archives have such entries; they carry no information
	}
	name, ok := cratefile.Path(l.ID, h)
	n, known := l.at[name]
	if !ok || !known && (len(l.Files) == MaxFiles || l.paths+len(name) > maxPaths) {
		l.Left++
		return nil
	}
	if !known {
		n = len(l.Files)
		name = strings.Clone(name)
		l.Files, l.at[name], l.paths = append(l.Files, File{Path: name}), n, l.paths+len(name)
	}
	return l.read(&l.Files[n], body)
}

// read hashes a file, and keeps Cargo.toml, which names the README.
func (l *lister) read(f *File, body io.Reader) (err error) {
	hash := sha256.New()
	into := io.Writer(hash)
	var toml bytes.Buffer
	if f.Path == "Cargo.toml" {
		into = io.MultiWriter(hash, &capped{&toml})
	}
	if f.Size, err = io.Copy(into, body); err != nil {
		return fmt.Errorf("unpacking %s: %w", f.Path, cratefile.EndsEarly(err))
	}
	if f.Path == "Cargo.toml" {
		l.toml = toml.Bytes()
	}
	f.entry, f.Copies, f.Sum = l.entry, f.Copies+1, [sha256.Size]byte(hash.Sum(nil))
	return nil
}

// readmes are the names that cargo uses if Cargo.toml names no README.
var readmes = []string{"readme.md", "readme.txt", "readme"}

// readme returns the README that the author chose, or cargo's default.
func (l *lister) readme() string {
	if p, err := cargotoml.Parse(l.toml); err == nil && p.Readme != "" {
		if f, ok := l.File(path.Clean(p.Readme)); ok {
			return f.Path
		}
	}
	for _, want := range readmes {
		for i := range l.Files {
			if strings.EqualFold(l.Files[i].Path, want) {
				return l.Files[i].Path
			}
		}
	}
	return ""
}

// capped is a buffer that accepts no more than a Cargo.toml may have.
type capped struct{ *bytes.Buffer }

func (c *capped) Write(p []byte) (int, error) {
	c.Buffer.Write(p[:min(len(p), cargotoml.MaxSize-c.Len())])
	return len(p), nil
}

// read returns the contents of the wanted files by path, from the crate file r of size
// bytes. It stops reading after the last of them.
func (t *Tree) read(r io.Reader, size int64, wanted []*File) (map[string][]byte, error) {
	at := make(map[int]*File, len(wanted))
	last := 0
	for _, f := range wanted {
		at[f.entry] = f
		last = max(last, f.entry)
	}
	entry, contents := 0, make(map[string][]byte, len(wanted))
	err := cratefile.Walk(r, size, func(_ *tar.Header, body io.Reader) error {
		entry++
		if f := at[entry]; f != nil {
			data, err := io.ReadAll(io.LimitReader(body, f.Size))
			if err != nil {
				return fmt.Errorf("unpacking %s: %w", f.Path, cratefile.EndsEarly(err))
			}
			contents[f.Path] = data
		}
		if entry >= last {
			return cratefile.ErrStop
		}
		return nil
	})
	return contents, err
}
