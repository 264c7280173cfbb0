// Package bundled keeps crates in bundles (see package bundle for the format),
// in a folder of their own:
//
//	bundle-NNNN.tar.zst             a finished bundle; never written to again
//	bundle-NNNN.tar.zst.part        one that is being written
//	bundle-NNNN-...manifest.jsonl   what is in a finished bundle
//	bundles.index.jsonl             one line a finished bundle
//	bundle-NNNN.tar.zst.damaged     what is left of one whose members were saved
//
// Another store stands behind it, which holds crates that are loose files, lends
// its temporary files to large ones, and keeps the quarantine.
//
// # From bytes to a bundle
//
// Put encodes a crate and appends it to the current bundle; its placement names the
// bundle as it will be called when it is finished. Checkpoint syncs the bundle: one sync
// of one file, however many crates there are. A bundle that has reached the target size
// is full, and the next Checkpoint finishes it: end of archive and seek table, sync,
// final name, manifest, line in the catalog. A kill or power cut between any two of these
// steps loses nothing: [Open] resumes every bundle where it was left, and rebuilds the
// files beside it.
//
// A bundle that could not be written to is left as it is, and another one is
// begun: what was synced stays readable, the crates since then are refused, and
// the next Open finds whatever is whole in it.
package bundled

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/bundle"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/bundle/lists"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/store"
)

// Loose is the store behind.
type Loose interface {
	store.Writer
	store.Reader
	store.Lister
	store.Quarantiner
	store.Remover
	store.Republisher
}

// Catalog is told what bundles hold that it may not know: after a kill, or when
// it was lost. Its methods are called by Open and Adopt alone, one at a time.
type Catalog interface {
	// Bundles returns the name of every bundle that was ever told or recorded,
	// with true for those that were finished and are known whole.
	Bundles() map[string]bool
	// Adopt is given members that are durable in the bundle name, and were just read back
	// and hashed. Whether these are the right checksums is not known yet. It is durable when
	// Adopt returns.
	Adopt(ctx context.Context, name string, members []bundle.Member) error
	// Adopted is told that all members of a finished bundle have been.
	Adopted(ctx context.Context, b store.Bundle) error
}

// Config is what a store is made of.
type Config struct {
	Folder    durable.FS // of the bundles
	Loose     Loose
	Catalog   Catalog
	Shard     crate.Shard                           // whose crates are put: the names of bundles say so
	Target    int64                                 // size at which a bundle is full, bytes
	KeepLoose bool                                  // every crate becomes a loose file too
	URL       func(crate.ID, crate.Checksum) string // where a crate came from, for the manifests
	// Number returns the number of a new bundle, the lowest that is at least least and that
	// no other writer uses. If nil, it is least: the folder has one writer.
	Number func(least int) (int, error)
	Log    *slog.Logger // default: none
}

// maxMembers bounds a bundle beside its size, and so what is remembered of it
// while it is written: some 16 MB. 8 GB of real crates are 42,000.
const maxMembers = 1 << 18

// Store is a folder of bundles with a loose store behind. It implements the
// whole of package store. Its methods may be called concurrently.
type Store struct {
	Loose   // Stat, NewSpill and quarantine are its own
	cfg     Config
	readers readers
	highest int // number of any bundle that the catalog knows; -1: none

	mu      sync.Mutex // guards what follows
	current *part      // nil: the next Put begins one
	full    []*part    // to be finished by the next Checkpoint
}

// part is a bundle that is being written.
type part struct {
	*bundle.Writer
	name    bundle.Name
	members memberList
	waiting []crate.ID // appended since the last sync
}

var (
	_ store.Writer      = (*Store)(nil)
	_ store.Reader      = (*Store)(nil)
	_ store.Quarantiner = (*Store)(nil)
	_ store.Lister      = (*Store)(nil)
	_ store.Finisher    = (*Store)(nil)
	_ store.Remover     = (*Store)(nil)
	_ store.Republisher = (*Store)(nil)
)

// OpenReadOnly opens a folder of bundles for reading; it touches nothing there.
// Crates that are put go to the loose store behind.
func OpenReadOnly(folder durable.Reader, loose Loose) *ReadOnly {
	return &ReadOnly{Loose: loose, readers: newReaders(folder)}
}

// ReadOnly is a folder of bundles that is only read.
type ReadOnly struct {
	Loose
	readers readers
}

// buffers are memory for frames.
var buffers = sync.Pool{New: func() any { return new([]byte) }}

// Put implements store.Writer.
func (s *Store) Put(ctx context.Context, id crate.ID, body store.Body) (store.Placement, error) {
	at, err := body.Has, error(nil)
	if at.Bundle == "" {
		at, err = s.append(id, body)
	}
	at.Loose = s.cfg.KeepLoose || body.Has.Loose
	if err == nil && s.cfg.KeepLoose && !body.Has.Loose {
		// If this fails, the member stays, and no row leads to it: right bytes, which the next
		// run stores again, and rewriting the bundle leaves out.
		_, err = s.Loose.Put(ctx, id, body)
	} else if body.Spill != nil {
		err = errors.Join(err, body.Spill.Discard())
	}
	if err != nil {
		return store.Placement{}, fmt.Errorf("storing %s: %w", id, err)
	}
	return at, nil
}

// append adds the bytes of a crate to a bundle.
func (s *Store) append(id crate.ID, body store.Body) (store.Placement, error) {
	if body.Size > bundle.MaxSize {
		return store.Placement{}, fmt.Errorf("it has %d bytes, a bundle takes at most %d a crate", body.Size, int64(bundle.MaxSize))
	}
	write := func(p *part) (bundle.Member, error) {
		return p.AppendFrom(id, io.NewSectionReader(body.Spill, 0, body.Size), body.Size, nil)
	}
	if body.Spill == nil {
		buf := buffers.Get().(*[]byte)
		defer buffers.Put(buf)
		f, err := bundle.Encode(*buf, id, body.Data)
		if err != nil {
			return store.Placement{}, err
		}
		*buf = f.Encoded
		write = func(p *part) (bundle.Member, error) {
			at, err := p.Append(f)
			return bundle.Member{ID: id, Size: f.Size, Checksum: f.Checksum, Placement: at}, err
		}
	}
	return s.add(id, write)
}

// add lets write append id to the current bundle, or to a new one if that is full.
func (s *Store) add(id crate.ID, write func(*part) (bundle.Member, error)) (store.Placement, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.current == nil {
		if err := s.begin(); err != nil {
			return store.Placement{}, err
		}
	}
	p := s.current
	m, err := write(p)
	if err != nil {
		s.rotate() // Checkpoint finds out what is wrong with it
		return store.Placement{}, err
	}
	p.members.add(m)
	p.waiting = append(p.waiting, id)
	if s.isFull(p) {
		s.rotate()
	}
	return store.Placement{Bundle: p.name.String(), Offset: m.Offset, FrameSize: m.FrameSize}, nil
}

func (s *Store) isFull(p *part) bool {
	return p.Summary().FileSize >= s.cfg.Target || p.members.n >= maxMembers
}

// begin begins the next bundle. Its number is above that of any file there and of any
// bundle that was ever recorded, so that no record can name another bundle.
func (s *Store) begin() error {
	name, err := s.nextName()
	if err != nil {
		return err
	}
	w, err := bundle.Create(s.cfg.Folder, name.String())
	if err != nil {
		return err
	}
	s.current = &part{Writer: w, name: name}
	return nil
}

// nextName is the name of the next bundle.
func (s *Store) nextName() (name bundle.Name, err error) {
	number, err := lists.NextNumber(s.cfg.Folder)
	if err != nil {
		return name, err
	}
	number = max(number, s.highest+1)
	if s.cfg.Number != nil {
		if number, err = s.cfg.Number(number); err != nil {
			return name, err
		}
	}
	return bundle.Name{Shard: s.cfg.Shard, Number: number}, nil
}

// rotate makes the next Put begin a new bundle.
func (s *Store) rotate() {
	s.full = append(s.full, s.current)
	s.current = nil
}

// Close closes all files and leaves unfinished bundles for the next Open.
func (s *Store) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.current != nil {
		s.rotate()
	}
	errs := []error{s.readers.close()}
	for _, p := range s.full {
		errs = append(errs, p.Close())
	}
	s.full = nil
	return errors.Join(errs...)
}
