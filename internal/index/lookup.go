package index

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	pathpkg "path"
	"runtime"
	"strings"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
)

// A Lookup reads single crates of an index, for those who ask for one after the
// other in no order. Its methods may be called concurrently.
//
// Of a git repository it reads the commit that was opened, also where there is
// a working tree, which may be ahead or behind.
type Lookup struct {
	log  *slog.Logger
	open func() (lookupReader, error)
	free chan lookupReader // those that nobody uses; nil: one that is yet to be opened
}

// A lookupReader reads one index file after the other.
type lookupReader interface {
	// lookup returns the content of a file and its id. Errors: fs.ErrNotExist;
	// *fileError; after any other the reader must not be used again.
	lookup(path string) ([]byte, Blob, error)
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
		log:  x.log,
		open: func() (lookupReader, error) { return x.source.newLookup(ctx) },
		free: make(chan lookupReader, min(runtime.GOMAXPROCS(0), maxLookups)),
	}
	for range cap(l.free) {
		l.free <- nil
	}
	return l
}

// Crate reads the crate that is called name, whatever its case. What it returns
// may be kept. A file that is there but makes no sense is told in Crate.Err.
// Errors: fs.ErrNotExist; others if the index cannot be read.
func (l *Lookup) Crate(ctx context.Context, name string) (*Crate, error) {
	if crate.CheckName(name) != nil {
		return nil, fmt.Errorf("looking up %q in the index: %w", name, fs.ErrNotExist)
	}
	cr := &Crate{File: File{Path: crate.IndexPath(name)}}
	content, blob, err := l.content(ctx, cr.Path)
	cr.Blob = blob
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

func (l *Lookup) content(ctx context.Context, path string) ([]byte, Blob, error) {
	var r lookupReader
	select {
	case r = <-l.free:
	case <-ctx.Done():
		return nil, Blob{}, context.Cause(ctx)
	}
	defer func() { l.free <- r }()
	if r == nil {
		opened, err := l.open()
		if err != nil {
			return nil, Blob{}, err
		}
		r = opened
	}
	content, blob, err := r.lookup(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.As(err, new(*fileError)) {
		err = errors.Join(err, r.close())
		r = nil
	}
	return content, blob, err
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
	return s.repo.newLookup(ctx, s.commit)
}

func (s *objectStore) newLookup(ctx context.Context) (lookupReader, error) {
	return s.repo.newLookup(ctx, s.commit)
}

// A folderLookup reads files of a plain folder.
type folderLookup struct{ root *os.Root }

func (f folderLookup) lookup(path string) ([]byte, Blob, error) {
	t := newTreeReader(f.root) // keeps no subfolder open: it may be replaced
	defer t.close()
	content, err := t.content(path, &chunk{}, newBudget(MaxFile))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		err = &fileError{err}
	}
	if err != nil {
		return nil, Blob{}, err
	}
	return content, t.blob(content), nil
}

func (folderLookup) close() error { return nil }

// A gitLookup reads files of a commit through a git of its own.
type gitLookup struct {
	*objects
	commit string
}

func (r *repository) newLookup(ctx context.Context, commit string) (lookupReader, error) {
	o, err := r.openObjects(ctx)
	if err != nil {
		return nil, err
	}
	return &gitLookup{o, commit}, nil
}

func (g *gitLookup) close() error { return g.objects.close() }

func (g *gitLookup) lookup(path string) (content []byte, blob Blob, err error) {
	content, blob, err = g.object(path, "blob")
	if !errors.Is(err, fs.ErrNotExist) {
		return content, blob, err
	}
	folder, _, err := g.object(pathpkg.Dir(path), "tree")
	switch {
	case err == nil && treeNames(folder, pathpkg.Base(path)): // a partial clone
		err = &fileError{errMissing}
	case err == nil:
		err = fs.ErrNotExist
	case errors.Is(err, fs.ErrNotExist):
		err = g.absent()
	}
	return nil, blob, err
}

// treeNames reports whether a folder, as git keeps it, has something of a name:
// "{mode} {name}\x00{20 bytes of id}" again and again.
func treeNames(tree []byte, name string) bool {
	for len(tree) > 0 {
		entry, rest, _ := bytes.Cut(tree, []byte{0})
		if _, found, _ := bytes.Cut(entry, []byte(" ")); string(found) == name {
			return true
		}
		tree = rest[min(len(rest), len(Blob{})):]
	}
	return false
}

// absent says that the commit has no such folder, if it is the folder that is
// missing: after a squash and "git gc --prune=now" it is the commit.
func (g *gitLookup) absent() error {
	header, err := g.ask(g.commit)
	if err != nil {
		return err
	}
	var kind string
	var size int64
	if _, err := fmt.Sscanf(header, g.commit+" %s %d", &kind, &size); err != nil {
		return fmt.Errorf("git has commit %s no more: %.100q", g.commit, header)
	}
	if _, err := io.CopyN(io.Discard, g.out, size+int64(len("\n"))); err != nil {
		return err
	}
	return fs.ErrNotExist
}

// ask asks for an object and returns the header of the answer.
func (g *gitLookup) ask(object string) (header string, err error) {
	if _, err := io.WriteString(g.git.in, object+"\n"); err != nil {
		return "", err
	}
	header, err = g.out.ReadString('\n')
	return strings.TrimSuffix(header, "\n"), err
}

// object asks for an object of the commit and reads the answer.
func (g *gitLookup) object(path, want string) (content []byte, id Blob, err error) {
	object := g.commit + ":" + path
	header, err := g.ask(object)
	if err != nil {
		return nil, id, err
	}
	if header == object+" missing" {
		return nil, id, fs.ErrNotExist
	}
	var digits []byte
	var kind string
	var size int64
	if _, err := fmt.Sscanf(header, "%x %s %d", &digits, &kind, &size); err != nil || copy(id[:], digits) != len(id) {
		return nil, id, fmt.Errorf("git answered %.100q", header)
	}
	content, err = g.body(kind == want, size)
	return content, id, err
}

// body reads what follows a header.
func (g *gitLookup) body(regular bool, size int64) (content []byte, err error) {
	bad := checkSize(size)
	if !regular {
		bad = errNotRegular
	}
	if bad != nil {
		_, err = io.CopyN(io.Discard, g.out, size)
	} else {
		content = make([]byte, size)
		_, err = io.ReadFull(g.out, content)
	}
	if err == nil {
		_, err = g.out.Discard(len("\n"))
	}
	if err == nil && bad != nil {
		err = &fileError{bad}
	}
	return content, err
}
