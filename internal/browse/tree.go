// Package browse is what is in the crate files of a mirror, for people: the tree of
// files, the text of each, the README that the author means, and what is different
// between two versions.
//
// # What is trusted
//
// The bytes of a crate file are those of its checksum before anything of them is read:
// the opener has checked that. What they unpack to is hostile. It is read within the
// limits of package cratefile and those below, is never written to a disk, and the name
// of a file leads nowhere but into the list that was made of the archive. Where an
// archive has several files of one name, the last counts, as for cargo, and [File.Copies]
// tells.
//
// # Limits
//
// A [Browser] unpacks on as many cores as it is given, and others wait until their
// context ends. It remembers the trees of 16 crates, of 3 MB at most each.
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
	Files  []File // by path
	Size   int64  // of all of them, in bytes
	Left   int    // entries that are not shown: links, odd names, those beyond the limits
	Readme string // path of the README, empty: there is none
}

// A File is one of them.
type File struct {
	Path   string // below the folder that has all of it
	Size   int64  // in bytes
	Copies int    // entries of that name
	Sum    [sha256.Size]byte

	entry int // number of its last entry in the archive
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

// list reads the whole crate file r of size bytes.
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

// A lister makes a tree.
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
		return nil // which some archives have, and which tell nothing
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

// readmes are what cargo takes for a README where none is named.
var readmes = []string{"readme.md", "readme.txt", "readme"}

// readme returns the file that the author, or cargo, takes for the README.
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

// capped keeps as much as a Cargo.toml may have.
type capped struct{ *bytes.Buffer }

func (c *capped) Write(p []byte) (int, error) {
	c.Buffer.Write(p[:min(len(p), cargotoml.MaxSize-c.Len())])
	return len(p), nil
}

// read returns the contents of those files of a tree that are wanted, by path, from the
// crate file r of size bytes. It reads no further than to the last of them.
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
