package index

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os"
	"path"
	"slices"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/git"
)

// A folder is an index in a plain folder.
type folder struct {
	root *os.Root
}

func (s *folder) Close() error { return s.root.Close() }

func (s *folder) start(ctx context.Context, r *run) error {
	for range readers() {
		r.wg.Go(func() {
			t := newTreeReader(s.root)
			defer t.close()
			r.work(ctx, &folderReader{t})
		})
	}
	return nil
}

func (s *folder) list(ctx context.Context) iter.Seq2[listed, error] {
	return func(yield func(listed, error) bool) {
		err := s.walk(ctx, ".", func(f listed) bool { return yield(f, nil) })
		if err != nil && !errors.Is(err, errStopped) {
			yield(listed{}, fmt.Errorf("listing the index: %w", err))
		}
	}
}

// walk yields what is at index paths below dir, ordered by path; that is the order of names
// if a folder's name ends in "/".
func (s *folder) walk(ctx context.Context, dir string, yield func(listed) bool) error {
	entries, err := s.readDir(dir)
	if err != nil && dir == "." {
		return err
	}
	if err != nil && !yield(listed{File: File{Path: dir}, err: err}) {
		return errStopped
	}
	slices.SortFunc(entries, func(a, b fs.DirEntry) int { return cmp.Compare(sortKey(a), sortKey(b)) })
	for _, e := range entries {
		if err := s.visit(ctx, path.Join(dir, e.Name()), e.Type(), yield); err != nil {
			return err
		}
	}
	return ctx.Err()
}

func sortKey(e fs.DirEntry) string {
	if e.IsDir() {
		return e.Name() + "/"
	}
	return e.Name()
}

func (s *folder) visit(ctx context.Context, p string, kind fs.FileMode, yield func(listed) bool) error {
	f := listed{File: File{Path: p}}
	switch {
	case kind.IsDir():
		if isPrefix(p) {
			return s.walk(ctx, p, yield)
		}
		return nil
	case kind.IsRegular():
		if !crate.IsIndexPath(p) {
			return nil
		}
		f.err = checkName(p)
	case crate.IsIndexPath(p) || isPrefix(p):
		f.err = fmt.Errorf("%w but %v", errNotRegular, kind)
	default:
		return nil
	}
	if !yield(f) {
		return errStopped
	}
	return nil
}

func (s *folder) readDir(dir string) ([]fs.DirEntry, error) {
	d, err := s.root.Open(dir)
	if err != nil {
		return nil, err
	}
	defer d.Close()
	return d.ReadDir(-1)
}

// A folderReader reads the files of a plain folder.
type folderReader struct {
	*treeReader
}

func (t *folderReader) read(_ context.Context, cr *Crate, c *chunk, b *budget) error {
	var content []byte
	if content, cr.Err = t.content(cr.Path, c, b); cr.Err == nil {
		cr.Blob = git.BlobID(content)
	}
	return nil
}

// errChanged means that a file was written while we read it.
var errChanged = errors.New("the file changed while it was read; run again")

// A treeReader reads files of a folder. It keeps the subfolder of the last file open,
// because neighbours in the order of paths mostly share it.
type treeReader struct {
	root *os.Root
	sub  *os.Root
	dir  string // of sub
}

func newTreeReader(root *os.Root) *treeReader { return &treeReader{root: root} }

func (t *treeReader) close() {
	if t.sub != nil {
		t.sub.Close()
	}
}

// content appends the content of a file to c and returns it.
func (t *treeReader) content(name string, c *chunk, b *budget) ([]byte, error) {
	f, err := t.open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	before, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !before.Mode().IsRegular() {
		return nil, errNotRegular
	}
	if err := checkSize(before.Size()); err != nil {
		return nil, err
	}
	buf, err := c.grow(before.Size(), b)
	if err != nil {
		return nil, err
	}
	_, err = io.ReadFull(f, buf)
	if err == nil {
		err = unchanged(f, before)
	} else if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		err = errChanged
	}
	return buf, err
}

// ReadFile reads an index file of a folder, at most MaxFile bytes, and computes git's id of
// it. Errors: fs.ErrNotExist; others if it is not a regular file, or changes meanwhile.
func ReadFile(root *os.Root, name string) ([]byte, Blob, error) {
	t := newTreeReader(root) // a new reader, because an open subfolder may be replaced
	defer t.close()
	content, err := t.content(name, &chunk{}, newBudget(MaxFile))
	if err != nil {
		return nil, Blob{}, err
	}
	return content, git.BlobID(content), nil
}

// open opens a file. Symbolic links cannot leave the root, and a FIFO does not block.
func (t *treeReader) open(name string) (*os.File, error) {
	if dir := path.Dir(name); dir != t.dir || t.sub == nil {
		t.close()
		var err error
		t.dir = dir
		if t.sub, err = t.root.OpenRoot(dir); err != nil {
			return nil, err
		}
	}
	return t.sub.OpenFile(path.Base(name), readFlags, 0)
}

func unchanged(f *os.File, before fs.FileInfo) error {
	after, err := f.Stat()
	if err != nil {
		return err
	}
	if after.Size() != before.Size() || !after.ModTime().Equal(before.ModTime()) {
		return errChanged
	}
	return nil
}
