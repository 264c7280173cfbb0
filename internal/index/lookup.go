package index

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"runtime"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
)

// A Lookup reads single crates of an index, for callers that need them in no order. Its
// methods may be called concurrently.
//
// In a git repository it reads the opened commit, even if there is a working tree, which
// may be ahead or behind. It can also read any other commit, with the same processes.
type Lookup struct {
	log    *slog.Logger
	commit string // the opened one; empty: a plain folder
	open   func() (lookupReader, error)
	free   chan lookupReader // unused readers; nil: one that is not open yet
}

// A lookupReader reads index files one after the other.
type lookupReader interface {
	// lookup returns the content and id of a file at a commit. Errors: fs.ErrNotExist;
	// *fileError; after any other error the reader must not be used again.
	lookup(commit, path string) ([]byte, Blob, error)
	// blob returns the id of a file at a commit without reading it. Errors: those of
	// lookup.
	blob(commit, path string) (Blob, error)
	// revision returns the commit whose id begins with prefix. Errors: those of lookup.
	revision(prefix string) (Revision, error)
	close() error
}

// A fileError is an error that affects one file only.
type fileError struct{ err error }

func (e *fileError) Error() string { return e.err.Error() }
func (e *fileError) Unwrap() error { return e.err }

// maxLookups bounds the number of git processes that are kept, each with its own cache.
const maxLookups = 8

// NewLookup makes a Lookup. With git it starts processes on demand, one per core and at
// most eight; they are killed when ctx ends.
func (x *Index) NewLookup(ctx context.Context) *Lookup {
	l := &Lookup{
		log:    x.log,
		commit: x.revision.Commit,
		open:   func() (lookupReader, error) { return x.source.newLookup(ctx) },
		free:   make(chan lookupReader, min(runtime.GOMAXPROCS(0), maxLookups)),
	}
	for range cap(l.free) {
		l.free <- nil
	}
	return l
}

// Crate reads the crate with a name, whatever its case. The caller may keep the result. If
// the file cannot be parsed, Crate.Err says so. Errors: fs.ErrNotExist; others if the index
// cannot be read.
func (l *Lookup) Crate(ctx context.Context, name string) (*Crate, error) {
	return l.CrateAt(ctx, l.commit, name)
}

// CrateAt reads a crate at a commit, given by its full id. Errors: those of Crate.
func (l *Lookup) CrateAt(ctx context.Context, commit, name string) (*Crate, error) {
	if crate.CheckName(name) != nil {
		return nil, fmt.Errorf("looking up %q in the index: %w", name, fs.ErrNotExist)
	}
	cr := &Crate{File: File{Path: crate.IndexPath(name)}}
	var content []byte
	err := l.use(ctx, func(r lookupReader) (err error) {
		content, cr.Blob, err = r.lookup(commit, cr.Path)
		return err
	})
	if errors.As(err, new(*fileError)) {
		cr.Err = err
		return cr, nil
	}
	if err != nil {
		return nil, fmt.Errorf("looking up %s in the index: %w", name, err)
	}
	(&fileParser{log: l.log}).file(cr, content, nil)
	return cr, nil
}

// BlobAt returns the id of the file of a crate at a commit, given by its full id, without
// reading the file; zero if there is none. Errors: [ErrNoPast]; others if the index cannot
// be read.
func (l *Lookup) BlobAt(ctx context.Context, commit, name string) (blob Blob, err error) {
	if crate.CheckName(name) != nil {
		return blob, nil
	}
	err = l.use(ctx, func(r lookupReader) (err error) {
		blob, err = r.blob(commit, crate.IndexPath(name))
		return err
	})
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return blob, fmt.Errorf("looking up %s in the index: %w", name, err)
	}
	return blob, nil
}

// Commit returns the commit whose id begins with prefix, 7 to 40 hexadecimal digits,
// including commits without a reference that git has not removed yet. Errors:
// fs.ErrNotExist if there is none, or several, or the object is not a commit; [ErrNoPast].
func (l *Lookup) Commit(ctx context.Context, prefix string) (rev Revision, err error) {
	if !IsCommit(prefix) {
		return rev, fmt.Errorf("%.40q is not the id of a commit: %w", prefix, fs.ErrNotExist)
	}
	err = l.use(ctx, func(r lookupReader) (err error) {
		rev, err = r.revision(prefix)
		return err
	})
	if err != nil {
		return rev, fmt.Errorf("looking for commit %s of the index: %w", prefix, err)
	}
	return rev, nil
}

// Readers returns the number of concurrent readers; other callers wait.
func (l *Lookup) Readers() int { return cap(l.free) }

// use calls ask with a reader, and closes a reader that must not be used again.
func (l *Lookup) use(ctx context.Context, ask func(lookupReader) error) error {
	var r lookupReader
	select {
	case r = <-l.free:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	defer func() { l.free <- r }()
	if r == nil {
		opened, err := l.open()
		if err != nil {
			return err
		}
		r = opened
	}
	err := ask(r)
	if err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, ErrNoPast) && !errors.As(err, new(*fileError)) {
		err = errors.Join(err, r.close())
		r = nil
	}
	return err
}

// Close ends the processes. Calls of Crate must have returned.
func (l *Lookup) Close() error {
	var errs []error
	for range cap(l.free) {
		if r := <-l.free; r != nil {
			errs = append(errs, r.close())
		}
	}
	return errors.Join(errs...)
}

func (s *folder) newLookup(context.Context) (lookupReader, error) {
	return folderLookup{s.root}, nil
}

func (s *checkout) newLookup(ctx context.Context) (lookupReader, error) {
	return s.repo.newLookup(ctx)
}

func (s *objectStore) newLookup(ctx context.Context) (lookupReader, error) {
	return s.repo.newLookup(ctx)
}

// A folderLookup reads files of a plain folder.
type folderLookup struct{ root *os.Root }

func (f folderLookup) lookup(_, path string) ([]byte, Blob, error) {
	content, blob, err := ReadFile(f.root, path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		err = &fileError{err}
	}
	return content, blob, err
}

func (folderLookup) blob(string, string) (Blob, error) { return Blob{}, ErrNoPast }

func (folderLookup) revision(string) (Revision, error) { return Revision{}, ErrNoPast }

func (folderLookup) close() error { return nil }
