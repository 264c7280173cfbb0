package importtree

import (
	"bufio"
	"cmp"
	"container/heap"
	"encoding/gob"
	"errors"
	"fmt"
	"io"
	"iter"
	"slices"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
)

// find is a file that is, or claims to be, a version.
type find struct {
	Path    string // of the file of its crate in an index
	Version string
	At      place
}

func (f *find) compare(g *find) int {
	return cmp.Or(cmp.Compare(f.Path, g.Path), cmp.Compare(f.Version, g.Version), cmp.Compare(f.At.Tree, g.At.Tree), cmp.Compare(f.At.File, g.At.File))
}

// maxRun is how many finds are sorted in memory, some 50 MB.
const maxRun = 1 << 18

// sorter sorts finds on disk: each run is a file of sorted finds.
type sorter struct {
	fsys durable.FS
	most int // of a run
	buf  []find
	runs []string
}

func (s *sorter) add(id crate.ID, p place) error {
	s.buf = append(s.buf, find{Path: crate.IndexPath(id.Name), Version: id.Version, At: p})
	if len(s.buf) < s.most {
		return nil
	}
	return s.flush()
}

// flush ends a run.
func (s *sorter) flush() error {
	if len(s.buf) == 0 {
		return nil
	}
	slices.SortFunc(s.buf, func(a, b find) int { return a.compare(&b) })
	name := fmt.Sprintf("%srun-%d", scratch, len(s.runs))
	s.runs = append(s.runs, name)
	w, err := createGob(s.fsys, name)
	if err != nil {
		return err
	}
	for i := range s.buf {
		if err := w.Encode(&s.buf[i]); err != nil {
			return errors.Join(err, w.close())
		}
	}
	s.buf = s.buf[:0]
	return w.close()
}

// remove removes the runs.
func (s *sorter) remove() error {
	var errs []error
	for _, name := range s.runs {
		errs = append(errs, s.fsys.Remove(name))
	}
	s.runs = nil
	return errors.Join(errs...)
}

// group is the finds of one crate, sorted.
type group struct {
	path  string
	finds []find
	more  int // that were left out
}

// maxGroup bounds the finds of a crate: far more than it can have versions.
const maxGroup = 1 << 18

// groups yields what was flushed, in the order of the index.
func (s *sorter) groups() iter.Seq2[*group, error] {
	return func(yield func(*group, error) bool) {
		var g *group
		for f, err := range s.merged() {
			switch {
			case err != nil:
				yield(nil, err)
				return
			case g != nil && g.path == f.Path && len(g.finds) == maxGroup:
				g.more++
				continue
			case g != nil && g.path == f.Path:
				g.finds = append(g.finds, *f)
				continue
			case g != nil && !yield(g, nil):
				return
			}
			g = &group{path: f.Path, finds: []find{*f}}
		}
		if g != nil {
			yield(g, nil)
		}
	}
}

// merged yields the finds of all runs in order.
func (s *sorter) merged() iter.Seq2[*find, error] {
	return func(yield func(*find, error) bool) {
		var h cursors
		defer func() {
			for _, c := range h {
				_ = c.close()
			}
		}()
		for _, name := range s.runs {
			r, err := openGob(s.fsys, name)
			if err != nil {
				yield(nil, err)
				return
			}
			h = append(h, &cursor{gobReader: r})
			if err := h[len(h)-1].next(); err != nil {
				yield(nil, err)
				return
			}
		}
		heap.Init(&h)
		for len(h) > 0 {
			first := h[0].find
			err := h[0].next()
			switch {
			case err == io.EOF:
				_ = heap.Pop(&h).(*cursor).close()
			case err != nil:
				yield(nil, err)
				return
			default:
				heap.Fix(&h, 0)
			}
			if !yield(&first, nil) {
				return
			}
		}
	}
}

// cursor is a run that is being read, and the next find in it.
type cursor struct {
	*gobReader
	find find
}

// next reads the next find. At the end of the run it returns io.EOF.
func (c *cursor) next() error {
	c.find = find{}
	return c.Decode(&c.find)
}

// cursors is a heap of runs, that with the first find on top.
type cursors []*cursor

func (h cursors) Len() int           { return len(h) }
func (h cursors) Less(i, j int) bool { return h[i].find.compare(&h[j].find) < 0 }
func (h cursors) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *cursors) Push(x any)        { *h = append(*h, x.(*cursor)) }

// Pop implements heap.Interface.
func (h *cursors) Pop() any {
	last := (*h)[len(*h)-1]
	*h = (*h)[:len(*h)-1]
	return last
}

// gobWriter writes a file of records, gobReader reads it. The files live as long as
// their run and are never synced.
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
