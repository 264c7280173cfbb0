// Package extsort sorts more items than fit into memory: it sorts them in runs of bounded
// size, writes the runs to a temporary file, and merges them while reading.
//
// The file exists as long as its Sorter and is never synced. Memory is that of one run
// while items are added, and of a buffer per run while they are read.
package extsort

import (
	"bufio"
	"container/heap"
	"encoding/gob"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"slices"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
)

// RunBytes is the usual size of a run in memory, in bytes.
const RunBytes = 24 << 20

// buffer is the size of the buffers of the file, in bytes: one for writing, and one for
// each run that is read.
const buffer = 64 << 10

// A Sorter sorts items of a type that gob can encode. It must not be used concurrently.
type Sorter[T any] struct {
	fsys    durable.FS
	name    string
	file    durable.File
	compare func(a, b *T) int
	limit   int     // bytes of a run
	run     []T     // not written yet
	bytes   int     // of run
	ends    []int64 // of the runs in file
}

// New returns a sorter whose temporary file is name in fsys; it replaces an existing one. A
// run has up to runBytes bytes, by the sizes given to Add.
func New[T any](fsys durable.FS, name string, runBytes int, compare func(a, b *T) int) (*Sorter[T], error) {
	if err := fsys.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	f, err := fsys.Create(name)
	if err != nil {
		return nil, err
	}
	return &Sorter[T]{fsys: fsys, name: name, file: f, compare: compare, limit: runBytes}, nil
}

// Add adds an item of roughly that many bytes.
func (s *Sorter[T]) Add(item T, bytes int) error {
	s.run = append(s.run, item)
	s.bytes += bytes
	if s.bytes < s.limit {
		return nil
	}
	return s.flush()
}

// flush sorts and writes the run. The sort is stable, as the merge is.
func (s *Sorter[T]) flush() error {
	if len(s.run) == 0 {
		return nil
	}
	slices.SortStableFunc(s.run, func(a, b T) int { return s.compare(&a, &b) })
	buf := bufio.NewWriterSize(s.file, buffer)
	enc := gob.NewEncoder(buf)
	for i := range s.run {
		if err := enc.Encode(&s.run[i]); err != nil {
			return err
		}
	}
	if err := buf.Flush(); err != nil {
		return err
	}
	end, err := s.file.Seek(0, io.SeekCurrent)
	s.ends = append(s.ends, end)
	clear(s.run)
	s.run, s.bytes = s.run[:0], 0
	return err
}

// Sorted yields all items in order; equal ones in the order in which they were added. It
// may be called several times, also concurrently; no items can be added afterwards. The
// sequence ends after an error.
func (s *Sorter[T]) Sorted() iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		m, err := s.merge()
		for err == nil && len(m.runs) > 0 {
			first := m.runs[0].first
			if err = m.advance(); err == nil && !yield(first, nil) {
				return
			}
		}
		if err != nil {
			var none T
			yield(none, fmt.Errorf("reading what was sorted back: %w", err))
		}
	}
}

// merge writes the last run and begins to read all runs.
func (s *Sorter[T]) merge() (*merge[T], error) {
	if err := s.flush(); err != nil {
		return nil, err
	}
	s.run = nil
	m := &merge[T]{compare: s.compare}
	start := int64(0)
	for i, end := range s.ends {
		section := io.NewSectionReader(s.file, start, end-start)
		r := &run[T]{number: i, dec: gob.NewDecoder(bufio.NewReaderSize(section, buffer))}
		if err := r.read(); err != nil {
			return nil, err
		}
		m.runs = append(m.runs, r)
		start = end
	}
	heap.Init(m)
	return m, nil
}

// Close removes the file.
func (s *Sorter[T]) Close() error { return errors.Join(s.file.Close(), s.fsys.Remove(s.name)) }

// merge is a heap of runs, ordered by their first items.
type merge[T any] struct {
	runs    []*run[T]
	compare func(a, b *T) int
}

// run is a sorted run that is being read.
type run[T any] struct {
	number int
	dec    *gob.Decoder
	first  T // read and not yielded yet
}

func (r *run[T]) read() error {
	var none T
	r.first = none // gob leaves fields unchanged that are zero in the stream
	return r.dec.Decode(&r.first)
}

// advance removes the first item.
func (m *merge[T]) advance() error {
	err := m.runs[0].read()
	if err == io.EOF {
		heap.Pop(m)
		return nil
	}
	if err == nil {
		heap.Fix(m, 0)
	}
	return err
}

// Len, Less, Swap, Push and Pop implement heap.Interface.
func (m *merge[T]) Len() int { return len(m.runs) }

func (m *merge[T]) Less(i, j int) bool {
	a, b := m.runs[i], m.runs[j]
	if c := m.compare(&a.first, &b.first); c != 0 {
		return c < 0
	}
	return a.number < b.number
}

func (m *merge[T]) Swap(i, j int) { m.runs[i], m.runs[j] = m.runs[j], m.runs[i] }

func (m *merge[T]) Push(x any) { m.runs = append(m.runs, x.(*run[T])) }

func (m *merge[T]) Pop() any {
	last := m.runs[len(m.runs)-1]
	m.runs = m.runs[:len(m.runs)-1]
	return last
}
