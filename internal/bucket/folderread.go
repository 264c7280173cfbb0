package bucket

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"path"
	"slices"
	"strings"
	"syscall"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
)

func (f *folder) Get(ctx context.Context, key string, ask Ask) (io.ReadCloser, Object, error) {
	if err := cmp.Or(ctx.Err(), f.check(key)); err != nil {
		return nil, Object{}, err
	}
	file, o, err := f.open(key)
	if err != nil {
		return nil, Object{}, err
	}
	length, err := ask.Check(o)
	if err != nil {
		return nil, o, errors.Join(fmt.Errorf("reading %q: %w", key, err), file.Close())
	}
	return &section{io.NewSectionReader(file, ask.Offset, length), file, length}, o, nil
}

// open opens a file and describes that open file, even if its name changes meanwhile.
func (f *folder) open(key string) (durable.File, Object, error) {
	file, err := f.fsys.Open(key)
	if errors.Is(err, durable.ErrNotRegular) || errors.Is(err, syscall.ENOTDIR) {
		// The key names a folder, or is below a file. No object has such a key.
		err = &fs.PathError{Op: "open", Path: key, Err: fs.ErrNotExist}
	}
	if err != nil {
		return nil, Object{}, err
	}
	o, err := describe(key, file)
	if err != nil {
		return nil, o, errors.Join(err, file.Close())
	}
	return file, o, nil
}

func describe(key string, file durable.File) (Object, error) {
	info, err := file.Stat()
	if err != nil {
		return Object{}, err
	}
	o := Object{Key: key, Size: info.Size(), Modified: info.ModTime()}
	if o.Size > contentTagged {
		state, err := durable.StateOf(file)
		o.Tag = Tag(fmt.Sprintf(`"%x-%x-%x"`, state.ID, state.Size, state.Changed))
		return o, err
	}
	data, err := io.ReadAll(io.NewSectionReader(file, 0, o.Size))
	o.Tag = contentTag(data)
	return o, err
}

// section is a range of a file. It ends early if the file does.
type section struct {
	r    *io.SectionReader
	file io.Closer
	left int64
}

func (s *section) Read(p []byte) (int, error) {
	n, err := s.r.Read(p)
	s.left -= int64(n)
	if errors.Is(err, io.EOF) && s.left > 0 {
		err = io.ErrUnexpectedEOF
	}
	return n, err
}

func (s *section) Close() error { return s.file.Close() }

func (f *folder) Head(ctx context.Context, key string) (Object, error) {
	if err := cmp.Or(ctx.Err(), f.check(key)); err != nil {
		return Object{}, err
	}
	return f.head(key)
}

func (f *folder) head(key string) (Object, error) {
	file, o, err := f.open(key)
	if err != nil {
		return Object{}, err
	}
	return o, file.Close()
}

func (f *folder) List(ctx context.Context, prefix string) iter.Seq2[Object, error] {
	return func(yield func(Object, error) bool) {
		f.list(ctx, ".", prefix, yield)
	}
}

// list yields the objects in a folder and below, by key: "a-b" comes before "a/b".
func (f *folder) list(ctx context.Context, dir, prefix string, yield func(Object, error) bool) bool {
	entries, err := f.fsys.ReadDir(dir)
	if err = cmp.Or(ctx.Err(), ignoreGone(err)); err != nil {
		yield(Object{}, err)
		return false
	}
	slices.SortFunc(entries, func(a, b fs.DirEntry) int { return cmp.Compare(sortKey(a), sortKey(b)) })
	for _, e := range entries {
		key := path.Join(dir, e.Name())
		if key == privateDir || durable.IsTemp(key) {
			continue
		}
		switch {
		case e.IsDir() && (strings.HasPrefix(key+"/", prefix) || strings.HasPrefix(prefix, key+"/")):
			if !f.list(ctx, key, prefix, yield) {
				return false
			}
		case e.Type().IsRegular() && strings.HasPrefix(key, prefix):
			o, err := f.head(key)
			if err = ignoreGone(err); err != nil || o.Key != "" {
				if !yield(o, err) || err != nil {
					return false
				}
			}
		}
	}
	return true
}

func sortKey(e fs.DirEntry) string {
	if e.IsDir() {
		return e.Name() + "/"
	}
	return e.Name()
}

// ignoreGone drops fs.ErrNotExist: List need not yield objects that are removed meanwhile.
func ignoreGone(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}
