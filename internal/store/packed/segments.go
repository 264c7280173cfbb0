package packed

import (
	"context"
	"errors"
	"io/fs"
	"slices"
	"sync"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/deep"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/store"
)

// openFiles is the number of segments that stay open.
const openFiles = 16

// segments are the most recently read segments.
type segments struct {
	folder durable.Reader

	mu   sync.Mutex // guards what follows
	open []*segment // the most recently used last
}

// segment is an open segment; it is closed when its last user is done.
type segment struct {
	*deep.Reader
	name string
	file durable.File
	info fs.FileInfo // when it was opened: an unfinished segment grows
	uses int         // by the list and by readers
}

// pack returns a reader of a pack. If reads cost requests, it makes one.
func (seg *segment) pack(ctx context.Context, p deep.Placement) (*deep.Reader, error) {
	ranged, ok := seg.file.(durable.Ranged)
	if !ok {
		return seg.Reader, nil
	}
	bytes, err := ranged.Range(ctx, p.Offset, p.Size)
	if err != nil {
		return nil, err
	}
	return deep.OpenKnown(seg.name, bytes, p.Offset+p.Size), nil
}

// take returns the segment that has the pack; the caller returns it with free. A segment
// that was replaced, or has grown, is opened again.
func (s *segments) take(at store.DeepPlace) (*segment, error) {
	if _, err := deep.ParseFileName(at.Segment); err != nil {
		return nil, err
	}
	name := at.Segment
	info, err := s.folder.Stat(name)
	if errors.Is(err, fs.ErrNotExist) {
		name += deep.PartExt
		info, err = s.folder.Stat(name)
	}
	if errors.Is(err, fs.ErrNotExist) { // finished in between
		name = at.Segment
		info, err = s.folder.Stat(name)
	}
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if i := slices.IndexFunc(s.open, func(seg *segment) bool { return seg.name == at.Segment }); i >= 0 {
		seg := s.open[i]
		s.open = slices.Delete(s.open, i, i+1)
		if durable.SameFile(seg.info, info) && seg.info.Size() >= at.Pack+at.PackSize {
			s.open = append(s.open, seg)
			seg.uses++
			return seg, nil
		}
		_ = seg.release() // as in free
	}
	return s.add(at.Segment, name)
}

// add opens a segment, and closes the least recently used one if too many are open. The
// caller holds mu.
func (s *segments) add(name, file string) (*segment, error) {
	f, err := s.folder.Open(file)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	r := deep.OpenKnown(name, f, info.Size())
	if _, known := f.(durable.Ranged); !known {
		r, err = deep.Open(name, f, info.Size())
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	seg := &segment{Reader: r, name: name, file: f, info: info, uses: 2}
	s.open = append(s.open, seg)
	if len(s.open) > openFiles {
		oldest := s.open[0]
		s.open = s.open[1:]
		_ = oldest.release() // as in free
	}
	return seg, nil
}

// free returns a segment.
func (s *segments) free(seg *segment) {
	s.mu.Lock()
	defer s.mu.Unlock()
	_ = seg.release() // it was only read
}

// release closes an unused segment. The caller holds mu.
func (seg *segment) release() error {
	if seg.uses--; seg.uses > 0 {
		return nil
	}
	return seg.file.Close()
}

func (s *segments) close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var errs []error
	for _, seg := range s.open {
		errs = append(errs, seg.release())
	}
	s.open = nil
	return errors.Join(errs...)
}
