package repack

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"strings"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/catalog"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/deep"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/store"
)

// Segments is a folder of segments; one is being written. Only one run, which holds the
// mirror's lock, may use it at a time.
type Segments struct {
	folder durable.FS
	shard  crate.Shard // of the crates to pack; part of the names of segments
	target int64       // size at which a segment is full, in bytes
	log    *slog.Logger

	number  func(least int) (int, error)
	next    int // number of the next segment
	name    string
	current *deep.Writer        // nil: the next pack begins a segment
	found   [][]catalog.Version // by pack: in unfinished segments, and not recorded
}

// OpenSegments opens the folder and resumes unfinished segments. [Run] verifies and records
// their packs that the catalog does not know.
func OpenSegments(ctx context.Context, folder durable.FS, shard crate.Shard, target int64, known Catalog, log *slog.Logger) (*Segments, error) {
	s := &Segments{folder: folder, shard: shard, target: target, log: log}
	list, err := known.Segments(ctx)
	if err != nil {
		return nil, err
	}
	for _, b := range list {
		s.seen(b.Name)
	}
	entries, err := folder.ReadDir(".")
	if err != nil {
		return nil, err
	}
	for _, e := range entries { // sorted, so the last one stays open
		name, isPart := strings.CutSuffix(e.Name(), deep.PartExt)
		if !s.seen(name) || !isPart {
			continue
		}
		if err := s.resume(ctx, name, known); err != nil {
			return nil, errors.Join(err, s.Close())
		}
	}
	return s, nil
}

// seen records a number that is in use.
func (s *Segments) seen(name string) bool {
	named, err := deep.ParseFileName(name)
	if err == nil {
		s.next = max(s.next, named.Number+1)
	}
	return err == nil
}

// resume opens an unfinished segment.
func (s *Segments) resume(ctx context.Context, name string, known Catalog) error {
	if _, err := s.folder.Stat(name); err == nil {
		return deep.Publish(s.folder, name) // interrupted between its two steps
	}
	w, err := deep.Resume(s.folder, name, func(d *deep.Directory) error {
		rows, err := unrecorded(ctx, known, name, d)
		if len(rows) > 0 {
			s.found = append(s.found, rows)
		}
		return err
	})
	if errors.Is(err, durable.ErrLinked) { // it has another hard link, in a snapshot (cp -al)
		if err := durable.Separate(s.folder, name+deep.PartExt); err != nil {
			return err
		}
		return s.resume(ctx, name, known)
	}
	if deep.IsDamage(err) {
		s.log.Error("an unfinished segment is damaged and stays as it is; verify lists what is lost", "segment", name, "err", err)
		return nil
	}
	if err != nil {
		return err
	}
	if err := s.Close(); err != nil { // of several, the last one stays open
		return err
	}
	if named, err := deep.ParseFileName(name); err != nil || named.Shard != s.shard {
		s.log.Warn("an unfinished segment of another shard stays as it is until a run of that shard", "segment", name)
		return errors.Join(err, w.Close())
	}
	s.name, s.current = name, w
	return nil
}

// unrecorded returns the rows of the versions in a pack that the catalog knows in no other
// pack.
func unrecorded(ctx context.Context, known Catalog, segment string, d *deep.Directory) (rows []catalog.Version, err error) {
	held, err := known.Versions(ctx, d.Name)
	for _, v := range held {
		if n := d.Find(v.Key()); n >= 0 && v.Deep.Segment == "" {
			v.Deep = store.DeepPlace{Segment: segment, Pack: d.Offset, PackSize: d.Size, Number: n}
			rows = append(rows, v)
		}
	}
	return rows, err
}

// reserve is the number of bytes that stay free, for the catalog and other files.
const reserve = 64 << 20

// append durably writes a pack, and returns its place. Errors: durable.ErrNoSpace before
// the disk is full.
func (s *Segments) append(p *deep.Pack) (name string, at deep.Placement, err error) {
	if err := durable.CheckFree(s.folder, "the folder of segments", p.Size(), 1, reserve); err != nil {
		return "", at, err
	}
	if s.current == nil {
		number, err := s.next, error(nil)
		if s.number != nil {
			if number, err = s.number(s.next); err != nil {
				return "", at, err
			}
		}
		s.next = number
		name := deep.Name{Shard: s.shard, Number: number}.String()
		w, err := deep.Create(s.folder, name)
		if err != nil {
			return "", at, err
		}
		s.name, s.current = name, w
		s.next++
	}
	if at, err = s.current.Append(p); err == nil {
		err = s.current.Sync()
	}
	if err != nil {
		return "", at, fmt.Errorf("%s: %w", s.name, err)
	}
	return s.name, at, nil
}

// isFull reports whether the current segment is full.
func (s *Segments) isFull() bool {
	if s.current == nil {
		return false
	}
	sum := s.current.Summary()
	return sum.FileSize >= s.target || sum.Packs >= deep.MaxPacks-maxPending
}

// maxPending is more than the number of packs that can be appended before isFull is
// checked.
const maxPending = 1 << 12

// publish finishes the current segment, if any, and gives it its name.
func (s *Segments) publish() (name string, sum deep.Summary, err error) {
	if s.current == nil || s.current.Summary().Packs == 0 {
		return "", sum, nil
	}
	if sum, err = s.current.Finish(); err == nil {
		err = s.current.Publish()
	}
	if err != nil {
		return "", sum, fmt.Errorf("%s: %w", s.name, err)
	}
	name, s.current = s.name, nil
	return name, sum, nil
}

// A Segment is a segment open for reading.
type Segment struct {
	*deep.Reader
	file durable.File
	size int64
}

// Size returns the size of the file, in bytes.
func (s *Segment) Size() int64 { return s.size }

// Find rebuilds a version from wherever in the segment it is; a key without checksum means
// any bytes of the version. Errors: fs.ErrNotExist; *deep.DamageError.
func (s *Segment) Find(ctx context.Context, key crate.Key) ([]byte, error) {
	var damage error
	for d, err := range s.Directories() {
		if err != nil {
			damage = cmp.Or(damage, err)
			continue
		}
		for n := range d.Versions {
			if v := &d.Versions[n]; v.ID == key.ID && (key.Checksum == crate.Checksum{} || v.Checksum == key.Checksum) {
				return s.Rebuild(ctx, d, n)
			}
		}
	}
	if deep.IsDamage(damage) { // the version may have been there
		return nil, damage
	}
	return nil, fs.ErrNotExist
}

// Close closes the file.
func (s *Segment) Close() error { return s.file.Close() }

// Open opens a segment, finished or not.
func (s *Segments) Open(name string) (*Segment, error) { return OpenSegment(s.folder, name) }

// OpenSegment opens a segment of a folder, finished or not.
func OpenSegment(folder durable.Reader, name string) (*Segment, error) {
	f, err := folder.Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		f, err = folder.Open(name + deep.PartExt)
	}
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	r, err := deep.Open(name, f, info.Size())
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return &Segment{r, f, info.Size()}, nil
}

// Read rebuilds a version.
func (s *Segments) Read(ctx context.Context, key crate.Key, at store.DeepPlace) (data []byte, err error) {
	seg, err := s.Open(at.Segment)
	if err != nil {
		return nil, err
	}
	data, err = seg.RebuildKey(ctx, deep.Placement{Offset: at.Pack, Size: at.PackSize}, at.Number, key)
	return data, errors.Join(err, seg.Close())
}

// describe reads a finished segment and returns its content and its checksum. Errors:
// fs.ErrNotExist.
func (s *Segments) describe(ctx context.Context, name string) (b catalog.Bundle, err error) {
	f, err := s.folder.Open(name)
	if err != nil {
		return b, err
	}
	defer f.Close()
	b = catalog.Bundle{Name: name, Whole: true}
	if b.Checksum, _, err = crate.Hash(store.Until(ctx, f)); err != nil {
		return b, err
	}
	t := new(Tally)
	err = t.addSegment(ctx, s.folder, name)
	b.Entries, b.Bytes = int(t.Versions), t.Size
	return b, err
}

// size returns the size of a finished segment.
func (s *Segments) size(name string) (int64, error) {
	info, err := s.folder.Stat(name)
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}

// remove durably removes a finished segment. A missing one is not an error.
func (s *Segments) remove(name string) error {
	if err := s.folder.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return s.folder.SyncDir(".")
}

// Close leaves the current segment for the next run.
func (s *Segments) Close() error {
	if s.current == nil {
		return nil
	}
	w := s.current
	s.current = nil
	return w.Close()
}
