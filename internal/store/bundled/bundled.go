// Package bundled stores crates in bundles (see package bundle for the format), in a
// separate folder:
//
//	bundle-NNNN.tar.zst             a finished bundle; never changed again
//	bundle-NNNN.tar.zst.part        a bundle being written
//	bundle-NNNN-...manifest.jsonl   the content of a finished bundle
//	bundles.index.jsonl             one line per finished bundle
//	bundle-NNNN.tar.zst.damaged     the rest of one whose members were saved
//
// Another store is behind it: it holds loose files, provides temporary files for large
// crates, and has the quarantine.
//
// # From bytes to a bundle
//
// Put encodes a crate and appends it to the current bundle; the placement has the bundle's
// final name. Checkpoint syncs the bundle: one sync of one file, whatever the number of
// crates. A bundle that reaches the target size is full, and the next Checkpoint finishes
// it: end of archive and seek table, sync, final name, manifest, line in the list of
// bundles. A kill or power failure between any two steps loses nothing: [Open] resumes
// every unfinished bundle, and rebuilds the files beside finished ones.
//
// After a failed write, a bundle is left as it is, and another one is begun: what was
// synced stays readable, the crates since then are refused, and the next Open finds all
// complete members.
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

// Catalog records what bundles hold that it may not know: after a kill, or when it was
// lost. Only Open and Adopt call its methods, one at a time.
type Catalog interface {
	// Bundles returns the names of all bundles ever recorded. The value is true if the
	// bundle was finished and all its members are recorded.
	Bundles() map[string]bool
	// Adopt receives members that are durable in the bundle name, and were just read back
	// and hashed. Whether their checksums are the right ones is not known yet. The members
	// are durably recorded when Adopt returns.
	Adopt(ctx context.Context, name string, members []bundle.Member) error
	// Adopted says that all members of a finished bundle were recorded.
	Adopted(ctx context.Context, b store.Bundle) error
}

// Config configures a store.
type Config struct {
	Folder    durable.FS // of the bundles
	Loose     Loose
	Catalog   Catalog
	Shard     crate.Shard                           // of the crates that are stored; part of the names of bundles
	Target    int64                                 // size at which a bundle is full, bytes
	KeepLoose bool                                  // store every crate as a loose file, too
	URL       func(crate.ID, crate.Checksum) string // where a crate came from, for the manifests
	// Number returns the number of a new bundle, the lowest that is at least least and that
	// no other writer uses. If nil, it is least, because the folder has one writer.
	Number func(least int) (int, error)
	Log    *slog.Logger // default: none
}

// maxMembers bounds the members of a bundle, and so the memory for them while it is
// written: some 16 MB. 8 GB of real crates have 42,000.
const maxMembers = 1 << 18

// Store is a folder of bundles with a loose store behind. It implements all of package
// store. Its methods may be called concurrently.
type Store struct {
	Loose   // provides Stat, NewSpill and the quarantine
	cfg     Config
	readers readers
	highest int // highest number of a bundle in the catalog; -1: none

	mu      sync.Mutex // guards what follows
	current *part      // nil: the next Put begins one
	full    []*part    // to be finished by the next Checkpoint
}

// part is an unfinished bundle.
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

// OpenReadOnly opens a folder of bundles for reading and changes nothing there. Crates that
// are put go to the loose store behind.
func OpenReadOnly(folder durable.Reader, loose Loose) *ReadOnly {
	return &ReadOnly{Loose: loose, readers: newReaders(folder)}
}

// ReadOnly is a folder of bundles that is only read.
type ReadOnly struct {
	Loose
	readers readers
}

// buffers is memory for frames.
var buffers = sync.Pool{New: func() any { return new([]byte) }}

// Put implements store.Writer.
func (s *Store) Put(ctx context.Context, id crate.ID, body store.Body) (store.Placement, error) {
	at, err := body.Has, error(nil)
	if at.Bundle == "" {
		at, err = s.append(id, body)
	}
	at.Loose = s.cfg.KeepLoose || body.Has.Loose
	if err == nil && s.cfg.KeepLoose && !body.Has.Loose {
		// If this fails, the member stays without a row: its bytes are correct, the next run
		// stores them again, and rewriting the bundle removes them.
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

// add calls write to append id to the current bundle, or to a new one if that is full.
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
		s.rotate() // Checkpoint finds the reason
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
// bundle ever recorded, so that no record can refer to another bundle.
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

// nextName returns the name of the next bundle.
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
