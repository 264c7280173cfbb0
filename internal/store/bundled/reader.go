package bundled

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"sync"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/bundle"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/partfile"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/recent"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/store"
)

// Open implements store.Reader.
func (s *Store) Open(ctx context.Context, key crate.Key, at store.Placement) (store.Content, error) {
	return open(ctx, &s.readers, s.Loose, key, at)
}

// Open implements store.Reader.
func (s *ReadOnly) Open(ctx context.Context, key crate.Key, at store.Placement) (store.Content, error) {
	return open(ctx, &s.readers, s.Loose, key, at)
}

// Close closes all files.
func (s *ReadOnly) Close() error { return s.readers.close() }

func open(ctx context.Context, readers *readers, loose Loose, key crate.Key, at store.Placement) (store.Content, error) {
	if at.Bundle == "" {
		return loose.Open(ctx, key, at)
	}
	c, err := readers.member(ctx, key.ID, at)
	if err != nil {
		return nil, fmt.Errorf("opening %s in %s: %w", key.ID, at.Bundle, err)
	}
	return c, nil
}

// openFiles is the number of bundles that stay open.
const openFiles = 16

// readers are the most recently read bundles.
type readers struct {
	folder  durable.Reader
	layouts recent.Map[spot, layout]

	mu   sync.Mutex // guards what follows
	open []*file    // the most recently used last
}

func newReaders(folder durable.Reader) readers {
	return readers{folder: folder, layouts: recent.Map[spot, layout]{Most: mostLayouts}}
}

// file is an open bundle; it is closed when its last user is done.
type file struct {
	name string
	*bundle.Reader
	info fs.FileInfo // when it was opened: an unfinished bundle grows
	f    durable.File
	uses int // by the list and by members being read
}

// member is a crate being read.
type member struct {
	*bundle.Content
	of    *file
	spot  spot
	from  *readers
	close func() error
}

// Identity implements store.Content.
func (m member) Identity() (store.Identity, error) {
	state, err := durable.StateOf(m.of.f)
	return store.Identity{In: m.of.name, State: state, Offset: m.spot.at.Offset}, err
}

// Close implements store.Content.
func (m member) Close() error { return errors.Join(m.Content.Close(), m.close()) }

func (r *readers) member(ctx context.Context, id crate.ID, at store.Placement) (store.Content, error) {
	info, err := r.stat(at.Bundle)
	if err != nil {
		return nil, err
	}
	f, err := r.take(at.Bundle, info, at.Offset+at.FrameSize)
	if err != nil {
		return nil, err
	}
	free := func() error {
		r.mu.Lock()
		defer r.mu.Unlock()
		return f.release()
	}
	here := spot{id, at.Bundle, bundle.Placement{Offset: at.Offset, FrameSize: at.FrameSize}}
	if c := r.laidOut(here, f, free); c != nil {
		return c, nil
	}
	c, err := f.member(ctx, here.at)
	if err != nil {
		return nil, errors.Join(err, free())
	}
	if c.ID() != id {
		return nil, errors.Join(fmt.Errorf("%s is at offset %d", c.ID(), at.Offset), c.Close(), free())
	}
	return member{c, f, here, r, free}, nil
}

// member opens a member. If reads cost requests, it makes one.
func (f *file) member(ctx context.Context, p bundle.Placement) (*bundle.Content, error) {
	ranged, ok := f.f.(durable.Ranged)
	if !ok {
		return f.OpenMember(p)
	}
	frame, err := ranged.Range(ctx, p.Offset, p.FrameSize)
	if err != nil {
		return nil, err
	}
	return bundle.OpenKnown(frame, f.info.Size()).OpenMember(p)
}

// stat describes the bundle that has the name now. It may differ from the open one, which
// may have been replaced or set aside.
func (r *readers) stat(name string) (fs.FileInfo, error) {
	if _, err := bundle.ParseFileName(name); err != nil {
		return nil, err
	}
	return eitherName(name, r.folder.Stat)
}

// eitherName calls do with the final name of a bundle or, if it does not have it yet, with
// the other one.
func eitherName[T any](name string, do func(string) (T, error)) (T, error) {
	v, err := do(name)
	if errors.Is(err, fs.ErrNotExist) {
		v, err = do(name + bundle.PartExt)
	}
	if errors.Is(err, fs.ErrNotExist) { // finished in between
		v, err = do(name)
	}
	return v, err
}

// Now returns the identity of the member at a placement in the bundle that has the name
// now, without opening it; zero if it cannot be known.
func (s *ReadOnly) Now(at store.Placement) store.Identity {
	folder, ok := s.readers.folder.(store.Stater)
	if _, err := bundle.ParseFileName(at.Bundle); err != nil || !ok {
		return store.Identity{}
	}
	state, err := eitherName(at.Bundle, folder.StateAt)
	if err != nil {
		return store.Identity{}
	}
	return store.Identity{In: at.Bundle, State: state, Offset: at.Offset}
}

// take returns the bundle that info describes, with at least size bytes.
func (r *readers) take(name string, info fs.FileInfo, size int64) (*file, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i, f := range r.open {
		if f.name != name {
			continue
		}
		r.open = append(r.open[:i], r.open[i+1:]...)
		if f.info.Size() >= size && durable.SameFile(f.info, info) {
			r.open = append(r.open, f)
			f.uses++
			return f, nil
		}
		if err := f.release(); err != nil {
			return nil, err
		}
		break
	}
	f, err := openBundle(r.folder, name)
	if err != nil {
		return nil, err
	}
	r.open = append(r.open, f)
	f.uses = 2
	if len(r.open) > openFiles {
		oldest := r.open[0]
		r.open = r.open[1:]
		return f, oldest.release()
	}
	return f, nil
}

// openBundle opens a bundle.
func openBundle(folder durable.Reader, name string) (*file, error) {
	f, err := eitherName(name, folder.Open)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	r := bundle.OpenKnown(f, info.Size())
	if _, known := f.(durable.Ranged); !known {
		r, err = bundle.Open(f, info.Size())
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return &file{name: name, Reader: r, info: info, f: f}, nil
}

// release ends one use.
func (f *file) release() error {
	if f.uses--; f.uses == 0 {
		return f.f.Close()
	}
	return nil
}

// drop closes a bundle once its readers are done.
func (r *readers) drop(name string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i, f := range r.open {
		if f.name == name {
			r.open = append(r.open[:i], r.open[i+1:]...)
			return f.release()
		}
	}
	return nil
}

func (r *readers) close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	var errs []error
	for _, f := range r.open {
		errs = append(errs, f.release())
	}
	r.open = nil
	return errors.Join(errs...)
}

// NewListing implements store.Lister.
func (s *Store) NewListing() (store.Listing, error) { return newListing(s.Loose, s.cfg.Folder) }

// NewListing implements store.Lister.
func (s *ReadOnly) NewListing() (store.Listing, error) { return newListing(s.Loose, s.readers.folder) }

func newListing(loose Loose, folder durable.Reader) (store.Listing, error) {
	l, err := loose.NewListing()
	if err != nil {
		return nil, err
	}
	sizes, err := partfile.Sizes(folder, func(name string) bool { _, err := bundle.ParseFileName(name); return err == nil })
	if err != nil {
		return nil, fmt.Errorf("listing bundles: %w", err)
	}
	return &listing{l, sizes}, nil
}

// listing has the size of every bundle that existed when it was made.
type listing struct {
	store.Listing
	sizes map[string]int64
}

// Holds implements store.Listing.
func (l *listing) Holds(id crate.ID, at store.Placement, size int64) bool {
	if at.Bundle == "" {
		return l.Listing.Holds(id, at, size)
	}
	end := at.Offset + at.FrameSize
	if at.Offset < 0 || at.FrameSize <= 0 || end > l.sizes[at.Bundle] {
		return false
	}
	return !at.Loose || l.Listing.Holds(id, at.AsFile(), size)
}
