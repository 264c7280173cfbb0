package browse

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"runtime"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/recent"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/store"
)

// maxTrees is how many trees are cached.
const maxTrees = 16

// A Browser unpacks crate files. Its methods may be called concurrently; they close the
// files that they receive.
type Browser struct {
	trees recent.Map[crate.Checksum, *Tree]
	cores chan struct{}
}

// New returns a Browser that uses at most half of the cores, so that builds are still
// served meanwhile.
func New() *Browser {
	b := &Browser{cores: make(chan struct{}, max(1, runtime.NumCPU()/2))}
	b.trees.Most = maxTrees
	return b
}

// A Crate is an open crate file whose bytes have its checksum.
type Crate struct {
	crate.Key
	Content interface {
		io.ReadSeekCloser
		Size() int64
	}
}

// ErrLarge reports a file that is too large to show.
var ErrLarge = errors.New("the file is too large to be shown")

// Tree returns the files of a crate. Errors say what is wrong with it, or are ctx's.
func (b *Browser) Tree(ctx context.Context, c Crate) (*Tree, error) {
	defer c.Content.Close()
	return b.tree(ctx, c)
}

// Read returns a file of a crate if it has at most that many bytes. Errors: those of Tree;
// fs.ErrNotExist; ErrLarge, with the file.
func (b *Browser) Read(ctx context.Context, c Crate, name string, most int64) (*File, []byte, error) {
	defer c.Content.Close()
	t, err := b.tree(ctx, c)
	if err != nil {
		return nil, nil, err
	}
	f, ok := t.File(name)
	if !ok {
		return nil, nil, fmt.Errorf("%s has no %s: %w", c.ID, name, fs.ErrNotExist)
	}
	if f.Size > most {
		return f, nil, ErrLarge
	}
	contents, err := b.read(ctx, c, t, []*File{f})
	return f, contents[f.Path], err
}

// Readme returns the README of a crate if it has at most that many bytes, and the tree that
// its links may lead into. Errors: as Read.
func (b *Browser) Readme(ctx context.Context, c Crate, most int64) (*Tree, []byte, error) {
	defer c.Content.Close()
	t, err := b.tree(ctx, c)
	if err != nil || t.Readme == "" {
		return t, nil, err
	}
	f, _ := t.File(t.Readme)
	if f.Size > most {
		return t, nil, ErrLarge
	}
	contents, err := b.read(ctx, c, t, []*File{f})
	return t, contents[f.Path], err
}

func (b *Browser) tree(ctx context.Context, c Crate) (*Tree, error) {
	if t, ok := b.trees.Get(c.Checksum); ok && t.ID == c.ID {
		return t, nil
	}
	var t *Tree
	err := b.unpack(ctx, c, func(r io.Reader) (err error) {
		t, err = list(r, c.ID, c.Content.Size())
		return err
	})
	if err != nil {
		return nil, err
	}
	b.trees.Put(c.Checksum, t)
	return t, nil
}

func (b *Browser) read(ctx context.Context, c Crate, t *Tree, wanted []*File) (contents map[string][]byte, err error) {
	if len(wanted) == 0 {
		return nil, nil
	}
	err = b.unpack(ctx, c, func(r io.Reader) (err error) {
		contents, err = t.read(r, c.Content.Size(), wanted)
		return err
	})
	return contents, err
}

// unpack calls do with the crate file, from its first byte, when a core is free.
func (b *Browser) unpack(ctx context.Context, c Crate, do func(io.Reader) error) error {
	select {
	case b.cores <- struct{}{}:
		defer func() { <-b.cores }()
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	if _, err := c.Content.Seek(0, io.SeekStart); err != nil {
		return fmt.Errorf("reading %s: %w", c.ID, err)
	}
	if err := do(store.Until(ctx, c.Content)); err != nil {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		return fmt.Errorf("reading what is in %s: %w", c.ID, err)
	}
	return nil
}
