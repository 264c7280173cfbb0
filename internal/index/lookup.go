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

// A Lookup reads single crates of an index, for those who ask for one after the
// other in no order. Its methods may be called concurrently.
//
// Of a git repository it reads the commit that was opened, also where there is
// a working tree, which may be ahead or behind; and any other commit, with the same
// processes.
type Lookup struct {
	log    *slog.Logger
	commit string // that was opened; empty: a plain folder
	open   func() (lookupReader, error)
	free   chan lookupReader // unused ones; nil: one that is not open yet
}

// A lookupReader reads one index file after the other.
type lookupReader interface {
	// lookup returns the content of a file at a commit, and its id. Errors:
	// fs.ErrNotExist; *fileError; after any other the reader must not be used again.
	lookup(commit, path string) ([]byte, Blob, error)
	// blob returns the id of a file at a commit without reading it. Errors: as lookup.
	blob(commit, path string) (Blob, error)
	// revision returns the commit whose id begins with prefix. Errors: as lookup.
	revision(prefix string) (Revision, error)
	close() error
}

// A fileError is the fault of one file.
type fileError struct{ err error }

func (e *fileError) Error() string { return e.err.Error() }
func (e *fileError) Unwrap() error { return e.err }

// maxLookups bounds how many gits are kept, each with a cache of its own.
const maxLookups = 8

// NewLookup makes a Lookup. With git it starts processes when they are needed,
// one for each core and eight at most; they are killed when ctx ends.
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

// Crate reads the crate that is called name, whatever its case. What it returns may be
// kept. A file that cannot be parsed is reported in Crate.Err. Errors: fs.ErrNotExist;
// others if the index cannot be read.
func (l *Lookup) Crate(ctx context.Context, name string) (*Crate, error) {
	return l.CrateAt(ctx, l.commit, name)
}

// CrateAt reads a crate as it was at a commit, given by its full id. Errors: as
// Crate.
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

// BlobAt returns the id of the file of a crate at a commit, given by its full id,
// without reading it; zero if there is none. Errors: [ErrNoPast]; others if the index
// cannot be read.
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

// Commit returns the commit whose id begins with prefix, 7 to 40 hexadecimal digits. What
// nothing names any more but git has not removed yet is found too. Errors: fs.ErrNotExist
// if there is none, or several, or it is no commit; [ErrNoPast].
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

// Readers returns how many may read at a time; others wait.
func (l *Lookup) Readers() int { return cap(l.free) }

// use gives ask a reader of its own, and closes one that must not be used again.
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

// Close ends what was started. Calls of Crate must have returned.
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
