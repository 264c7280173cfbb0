package peer

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base32"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"path"
	"sync"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/bucket"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/bundle/lists"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/catalog"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/deep"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/extent"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/home"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/root"
)

// Folder presents a mirror on a disk as a bucket: its finished bundles, the lists beside them, and
// the segments of its deep archive. Others may write the mirror meanwhile. Its methods may be
// called concurrently.
type Folder struct {
	dirs home.Dirs

	mu   sync.Mutex // guards what follows
	sums map[string]hashed
	last *root.Root
	at   time.Time // when last was made
}

// hashed is a list with its hash.
type hashed struct {
	state durable.State
	sum   crate.Checksum
}

// fresh is how long a root is served before it is made again.
const fresh = time.Second

// maxList bounds a list that is hashed, in bytes.
const maxList = 1 << 30

// NewFolder returns the mirror in folders. It opens nothing.
func NewFolder(d *home.Dirs) *Folder { return &Folder{dirs: *d, sums: map[string]hashed{}} }

var (
	_ Source        = (*Folder)(nil)
	_ bucket.Reader = (*Folder)(nil)
)

// String implements bucket.Reader.
func (f *Folder) String() string { return f.dirs.Bundles }

// Root implements Source: it returns the bundles and segments that are finished, completely
// recorded in the catalog, and in the folder; bundles also need a list.
func (f *Folder) Root(ctx context.Context) (*root.Root, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.last != nil && time.Since(f.at) < fresh {
		return f.last, nil
	}
	r, err := f.root(ctx)
	if err != nil {
		return nil, fmt.Errorf("listing the bundles of %s: %w", f.dirs.Bundles, err)
	}
	f.last, f.at = r, time.Now()
	return r, nil
}

func (f *Folder) root(ctx context.Context) (*root.Root, error) {
	var bundles, segments []catalog.Bundle
	err := f.dirs.ReadCatalog(ctx, func(c *catalog.Catalog) (err error) {
		if bundles, err = c.Bundles(ctx); err == nil {
			segments, err = c.Segments(ctx)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	// Its time is that of its newest file, because nothing else has one.
	r := &root.Root{Format: root.Format, Epoch: 1, Generation: 1, Written: time.Unix(1, 0)}
	there := false
	for _, k := range []struct {
		dir   string
		known []catalog.Bundle
		files *[]root.File
	}{{f.dirs.Bundles, bundles, &r.Bundles}, {f.dirs.DeepOrUsual(), segments, &r.Segments}} {
		folder, err := home.OpenIfThere(k.dir)
		if err == nil && folder != nil {
			there = true
			*k.files, err = f.finished(ctx, folder, k.known, r)
			err = errors.Join(err, folder.Close())
		}
		if err != nil {
			return nil, err
		}
	}
	if !there {
		return nil, &fs.PathError{Op: "open", Path: f.dirs.Bundles, Err: fs.ErrNotExist}
	}
	id := sha256.New()
	for _, first := range [][]root.File{r.Bundles, r.Segments} {
		if len(first) > 0 {
			fmt.Fprintf(id, "%s %s\n", first[0].Name, first[0].SHA256)
			break
		}
	}
	r.ID = base32.StdEncoding.EncodeToString(id.Sum(nil)[:15])
	return r, nil
}

// finished returns the files of a folder to serve, and sets the time of the root to that of
// the newest.
func (f *Folder) finished(ctx context.Context, folder durable.Reader, known []catalog.Bundle, r *root.Root) (files []root.File, err error) {
	claims, err := lists.FindClaims(folder)
	if err != nil {
		return nil, err
	}
	for i := range known {
		file, made, err := f.describe(ctx, folder, claims, &known[i])
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		files = append(files, file)
		if made.After(r.Written) {
			r.Written, r.Generation = made, made.Unix()
		}
	}
	return files, nil
}

// describe returns a root's entry for a bundle or segment. Errors: fs.ErrNotExist for one that is
// not to be served.
func (f *Folder) describe(ctx context.Context, folder durable.Reader, claims *lists.Claims, b *catalog.Bundle) (file root.File, made time.Time, err error) {
	beside := claims.Beside(b.Name)
	if !b.Whole || b.Thrown() || len(beside) == 0 && !isSegment(b.Name) {
		return file, made, fs.ErrNotExist
	}
	info, err := folder.Stat(b.Name)
	if err != nil {
		return file, made, err
	}
	file = root.File{Name: b.Name, Size: info.Size(), SHA256: b.Checksum, Entries: b.Entries, Bytes: b.Bytes}
	for _, name := range beside {
		list, err := f.hash(ctx, folder, name)
		if err != nil {
			return file, made, err
		}
		file.Lists = append(file.Lists, list)
	}
	return file, info.ModTime(), nil
}

func isSegment(name string) bool {
	_, err := deep.ParseFileName(name)
	return err == nil
}

// hash returns a root's entry for a list. The caller holds mu.
func (f *Folder) hash(ctx context.Context, folder durable.Reader, name string) (root.File, error) {
	file, err := folder.Open(name)
	if err != nil {
		return root.File{}, err
	}
	defer file.Close()
	state, err := durable.StateOf(file)
	if err != nil {
		return root.File{}, err
	}
	now := time.Now()
	known, ok := f.sums[name]
	if !ok || known.state != state {
		known.state = state
		if known.sum, _, err = crate.Hash(io.LimitReader(file, maxList)); err != nil {
			return root.File{}, err
		}
		if state.Settled(now) {
			f.sums[name] = known
		}
	}
	return root.File{Name: name, Size: state.Size, SHA256: known.sum}, ctx.Err()
}

// Get implements Source and bucket.Reader.
func (f *Folder) Get(ctx context.Context, key string, ask bucket.Ask) (io.ReadCloser, bucket.Object, error) {
	if key == root.Name {
		return f.getRoot(ctx, ask)
	}
	now, err := f.Root(ctx)
	if err != nil {
		return nil, bucket.Object{}, err
	}
	named, ok := find(now, key)
	if !ok {
		return nil, bucket.Object{}, &fs.PathError{Op: "get", Path: key, Err: fs.ErrNotExist}
	}
	o := bucket.Object{Key: key, Size: named.Size, Tag: bucket.Tag(`"` + named.SHA256.String() + `"`)}
	length, err := ask.Check(o)
	if err != nil {
		return nil, o, fmt.Errorf("reading %q: %w", key, err)
	}
	dir := f.dirs.Bundles
	if path.Dir(key) == root.DeepDir {
		dir = f.dirs.DeepOrUsual()
	}
	folder, err := durable.Open(dir)
	if err != nil {
		return nil, o, err
	}
	file, err := folder.Open(path.Base(key))
	if err = errors.Join(err, folder.Close()); err != nil {
		return nil, o, err
	}
	return section{io.NewSectionReader(file, ask.Offset, length), file}, o, nil
}

// section is part of a file.
type section struct {
	*io.SectionReader
	file durable.File
}

// Close implements io.Closer.
func (s section) Close() error { return s.file.Close() }

// Extents implements extent.Laid.
func (s section) Extents() (extent.File, []extent.Extent) {
	_, at, n := s.Outer()
	f, all := extent.Whole(s.file, at+n)
	return f, extent.Slice(all, at, n)
}

func (f *Folder) getRoot(ctx context.Context, ask bucket.Ask) (io.ReadCloser, bucket.Object, error) {
	now, err := f.Root(ctx)
	if err != nil {
		return nil, bucket.Object{}, err
	}
	data, err := now.Append(nil)
	if err != nil {
		return nil, bucket.Object{}, err
	}
	sum := sha256.Sum256(data)
	o := bucket.Object{Key: root.Name, Size: int64(len(data)), Tag: bucket.Tag(`"` + hex.EncodeToString(sum[:]) + `"`), Modified: now.Written}
	length, err := ask.Check(o)
	if err != nil {
		return nil, o, fmt.Errorf("reading %q: %w", root.Name, err)
	}
	return io.NopCloser(bytes.NewReader(data[ask.Offset:][:length])), o, nil
}

// Head implements bucket.Reader.
func (f *Folder) Head(ctx context.Context, key string) (bucket.Object, error) {
	body, o, err := f.Get(ctx, key, bucket.Ask{})
	if err != nil {
		return o, err
	}
	return o, body.Close()
}

// List implements bucket.Reader.
func (f *Folder) List(context.Context, string) iter.Seq2[bucket.Object, error] {
	return func(yield func(bucket.Object, error) bool) {
		yield(bucket.Object{}, fmt.Errorf("listing %s: %w", f, errors.ErrUnsupported))
	}
}
