package importtree

import (
	"bufio"
	"cmp"
	"encoding/gob"
	"errors"
	"iter"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/extsort"
)

// find is a file that is a version, or claims to be one.
type find struct {
	Path    string // of the crate's file in an index
	Version string
	At      place
}

func (f *find) compare(g *find) int {
	return cmp.Or(cmp.Compare(f.Path, g.Path), cmp.Compare(f.Version, g.Version), cmp.Compare(f.At.Tree, g.At.Tree), cmp.Compare(f.At.File, g.At.File))
}

// sortedName is the name of the file in which finds are sorted.
const sortedName = scratch + "sorted"

// sorter sorts finds on disk.
type sorter struct{ *extsort.Sorter[find] }

func newSorter(fsys durable.FS, runBytes int) (sorter, error) {
	s, err := extsort.New(fsys, sortedName, runBytes, (*find).compare)
	return sorter{s}, err
}

func (s sorter) add(id crate.ID, p place) error {
	const besideTexts = 8 * 16
	f := find{Path: crate.IndexPath(id.Name), Version: id.Version, At: p}
	return s.Add(f, besideTexts+len(f.Path)+len(f.Version)+len(p.File))
}

// group is the sorted finds of one crate.
type group struct {
	path  string
	finds []find
	more  int // number of finds that were left out
}

// maxGroup bounds the finds of a crate. No crate has nearly as many versions.
const maxGroup = 1 << 18

// groups yields the added finds, in the order of the index.
func (s sorter) groups() iter.Seq2[*group, error] {
	return func(yield func(*group, error) bool) {
		var g *group
		for f, err := range s.Sorted() {
			switch {
			case err != nil:
				yield(nil, err)
				return
			case g != nil && g.path == f.Path && len(g.finds) == maxGroup:
				g.more++
				continue
			case g != nil && g.path == f.Path:
				g.finds = append(g.finds, f)
				continue
			case g != nil && !yield(g, nil):
				return
			}
			g = &group{path: f.Path, finds: []find{f}}
		}
		if g != nil {
			yield(g, nil)
		}
	}
}

// gobWriter writes a file of records, and gobReader reads it. The files last as long as their
// run and are never synced.
type gobWriter struct {
	*gob.Encoder
	buf  *bufio.Writer
	file durable.File
}

const gobBuffer = 1 << 16

func createGob(fsys durable.FS, name string) (*gobWriter, error) {
	f, err := fsys.Create(name)
	if err != nil {
		return nil, err
	}
	buf := bufio.NewWriterSize(f, gobBuffer)
	return &gobWriter{gob.NewEncoder(buf), buf, f}, nil
}

func (w *gobWriter) close() error { return errors.Join(w.buf.Flush(), w.file.Close()) }

type gobReader struct {
	*gob.Decoder
	file durable.File
}

func openGob(fsys durable.FS, name string) (*gobReader, error) {
	f, err := fsys.Open(name)
	if err != nil {
		return nil, err
	}
	return &gobReader{gob.NewDecoder(bufio.NewReaderSize(f, gobBuffer)), f}, nil
}

func (r *gobReader) close() error { return r.file.Close() }
