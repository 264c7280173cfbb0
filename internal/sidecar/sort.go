package sidecar

import (
	"bufio"
	"cmp"
	"container/heap"
	"encoding/gob"
	"errors"
	"io"
	"io/fs"
	"slices"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
)

// A spot is the place of a crate on its way through the sorting.
type spot struct {
	Path, Name, Version string
	Place               Place
}

func (a *spot) compare(b *spot) int {
	return cmp.Or(cmp.Compare(a.Path, b.Path), cmp.Compare(a.Name, b.Name), cmp.Compare(a.Version, b.Version))
}

// A sortFile sorts spots that do not fit into memory. It lives as long as its
// run, and is never synced.
type sortFile struct {
	fsys  durable.FS
	name  string
	file  durable.File
	limit int     // of bytes
	chunk []spot  // not yet written
	bytes int     // of chunk
	ends  []int64 // of the sorted runs in file
}

// runBytes is the memory of a run: 100,000 spots or so.
const runBytes = 24 << 20

// spotBytes is the memory of a spot beside its texts.
const spotBytes = 6 * 16

func newSortFile(fsys durable.FS, name string, limit int) (*sortFile, error) {
	if err := fsys.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	f, err := fsys.Create(name)
	if err != nil {
		return nil, err
	}
	return &sortFile{fsys: fsys, name: name, file: f, limit: limit}, nil
}

func (s *sortFile) add(p spot) error {
	s.chunk = append(s.chunk, p)
	s.bytes += spotBytes + len(p.Path) + len(p.Name) + len(p.Version) + len(p.Place.Storage) + len(p.Place.BundlePath) + len(p.Place.BundleMember)
	if s.bytes < s.limit {
		return nil
	}
	return s.flush()
}

// flush writes the chunk as a sorted run. The sort is stable: of spots of one
// version the last one comes last, also when runs are merged.
func (s *sortFile) flush() error {
	if len(s.chunk) == 0 {
		return nil
	}
	slices.SortStableFunc(s.chunk, func(a, b spot) int { return a.compare(&b) })
	buf := bufio.NewWriterSize(s.file, 1<<16)
	enc := gob.NewEncoder(buf)
	for i := range s.chunk {
		if err := enc.Encode(&s.chunk[i]); err != nil {
			return err
		}
	}
	if err := buf.Flush(); err != nil {
		return err
	}
	end, err := s.file.Seek(0, io.SeekCurrent)
	s.ends = append(s.ends, end)
	clear(s.chunk)
	s.chunk, s.bytes = s.chunk[:0], 0
	return err
}

// merge ends the adding and reads all spots back in order.
func (s *sortFile) merge() (*merge, error) {
	if err := s.flush(); err != nil {
		return nil, err
	}
	s.chunk = nil
	m := &merge{}
	start := int64(0)
	for i, end := range s.ends {
		r := bufio.NewReaderSize(io.NewSectionReader(s.file, start, end-start), 1<<16)
		run := &sortedRun{number: i, dec: gob.NewDecoder(r)}
		if err := run.read(); err != nil {
			return nil, err
		}
		m.runs = append(m.runs, run)
		start = end
	}
	heap.Init(m)
	return m, nil
}

// close removes the file; what cannot be removed now is by the next run.
func (s *sortFile) close() error {
	return errors.Join(s.file.Close(), s.fsys.Remove(s.name))
}

// A merge is a heap of sorted runs.
type merge struct{ runs []*sortedRun }

type sortedRun struct {
	number int
	dec    *gob.Decoder
	first  spot
}

func (r *sortedRun) read() error {
	r.first = spot{} // gob leaves empty fields as they are
	return r.dec.Decode(&r.first)
}

// next returns the next spot, nil after the last.
func (m *merge) next() (*spot, error) {
	if len(m.runs) == 0 {
		return nil, nil
	}
	run := m.runs[0]
	p := run.first
	err := run.read()
	if err == io.EOF {
		heap.Pop(m)
		return &p, nil
	}
	if err != nil {
		return nil, err
	}
	heap.Fix(m, 0)
	return &p, nil
}

// Len, Less, Swap, Push and Pop implement heap.Interface.
func (m *merge) Len() int { return len(m.runs) }

func (m *merge) Less(i, j int) bool {
	a, b := m.runs[i], m.runs[j]
	return cmp.Or(a.first.compare(&b.first), cmp.Compare(a.number, b.number)) < 0
}

func (m *merge) Swap(i, j int) { m.runs[i], m.runs[j] = m.runs[j], m.runs[i] }

func (m *merge) Push(x any) { m.runs = append(m.runs, x.(*sortedRun)) }

func (m *merge) Pop() any {
	last := m.runs[len(m.runs)-1]
	m.runs = m.runs[:len(m.runs)-1]
	return last
}
