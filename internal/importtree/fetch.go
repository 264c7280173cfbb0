package importtree

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strings"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/store"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/upstream"
)

// A FileError is a problem with a file or a folder of a tree, which stays unchanged.
type FileError struct {
	Path string
	Err  error
}

func (e *FileError) Error() string { return e.Path + ": " + e.Err.Error() }
func (e *FileError) Unwrap() error { return e.Err }

// ErrChanged means that a file was written while it was read.
var ErrChanged = errors.New("it changed while it was read")

// maxSize is the maximum size of a file that is taken as a crate, in bytes; it is the default
// of upstream.Config.MaxSize.
const maxSize = 512 << 20

// inMemory is the maximum size of a file that is copied through memory, in bytes.
const inMemory = 256 << 10

// Fetch implements mirror.Fetcher. It reads the file at req.URL, or another copy of the
// version if that file is wrong. Errors: those of the spill; otherwise *FileErrors.
func (im *Import) Fetch(ctx context.Context, req upstream.Request) (*upstream.Body, upstream.Stats, error) {
	stats := upstream.Stats{Attempts: 1}
	first, err := im.placeOf(req.URL)
	if err != nil {
		return nil, stats, err
	}
	t := taker{im: im, req: &req}
	var errs []error
	for n, p := range append([]place{first}, im.copiesOf(req.ID)...) {
		if err := context.Cause(ctx); err != nil {
			return nil, stats, err
		}
		body, err := t.take(p)
		if err == nil {
			if stats.Bytes = body.Size; n > 0 {
				body.From = im.cfg.Trees[p.Tree].url(p.File)
			}
			return body, stats, nil
		}
		if !errors.As(err, new(*FileError)) {
			return nil, stats, err // the mirror's disk failed
		}
		im.cfg.Log.Warn("a file of a tree cannot be imported; it stays there", "crate", req.ID.Name, "version", req.ID.Version, "err", err)
		errs = append(errs, err)
	}
	im.cfg.Progress.damaged.Add(1)
	return nil, stats, errors.Join(errs...)
}

// placeOf returns the file of a URL that Source made.
func (im *Import) placeOf(raw string) (place, error) {
	u, err := url.Parse(raw)
	if err == nil && u.Scheme == "file" {
		for i, t := range im.cfg.Trees {
			if file, ok := strings.CutPrefix(u.Path, t.base()); ok {
				return place{i, file}, nil
			}
		}
	}
	return place{}, fmt.Errorf("%q is not a file of a tree", raw)
}

func (im *Import) path(p place) string { return im.cfg.Trees[p.Tree].Path(p.File) }

// open opens a file and returns its state.
func (im *Import) open(p place) (durable.File, durable.State, error) {
	f, err := im.cfg.Trees[p.Tree].Folder.Open(p.File)
	if err != nil {
		return nil, durable.State{}, err
	}
	state, err := durable.StateOf(f)
	if err == nil && state.Size > maxSize {
		err = durable.ErrTooLarge
	}
	if err != nil {
		return nil, state, errors.Join(err, f.Close())
	}
	return f, state, nil
}

// taker takes one version.
type taker struct {
	im    *Import
	req   *upstream.Request
	spill upstream.Spill // nil: not opened yet
	used  bool           // something was written to it
}

// openSpill returns an empty spill.
func (t *taker) openSpill() (_ upstream.Spill, err error) {
	if t.spill == nil {
		t.spill, err = t.req.Spill()
	} else if t.used {
		err = t.spill.Reset()
	}
	t.used = true
	return t.spill, err
}

// take reads a file, verifies it and returns it as a body.
func (t *taker) take(p place) (*upstream.Body, error) {
	f, was, err := t.im.open(p)
	if err != nil {
		return nil, &FileError{t.im.path(p), err}
	}
	defer f.Close()
	body, err := t.body(f, was)
	if err != nil && !errors.As(err, new(*localError)) {
		return nil, &FileError{t.im.path(p), err}
	}
	return body, err
}

// localError is a failure on the mirror's side.
type localError struct{ err error }

func (e *localError) Error() string { return e.err.Error() }
func (e *localError) Unwrap() error { return e.err }

func (t *taker) body(f durable.File, was durable.State) (*upstream.Body, error) {
	if t.im.cfg.Sharing == Link {
		if body, err := t.link(f, was); !errors.Is(err, errors.ErrUnsupported) {
			return body, err
		}
	}
	if t.im.cfg.Sharing != Copy && !t.im.isRefused(Reflink) {
		if body, err := t.clone(f); !errors.Is(err, errors.ErrUnsupported) {
			return body, err
		}
	}
	return t.copy(f, was)
}

// link verifies the file itself and makes it the mirror's. The file must not change between
// the time it is opened and the end of the hashing.
func (t *taker) link(f durable.File, was durable.State) (*upstream.Body, error) {
	if t.im.isRefused(Link) {
		return nil, errors.ErrUnsupported
	}
	sum, size, err := crate.Hash(io.LimitReader(f, was.Size+1)) // it may grow endlessly
	if err := t.proved(f, was, sum, size, err); err != nil {
		return nil, err
	}
	spill, err := t.openSpill()
	if err != nil {
		return nil, &localError{err}
	}
	err = errors.ErrUnsupported
	if to, ok := spill.(store.Sharer); ok {
		err = to.Link(f, size)
	}
	if errors.Is(err, errors.ErrUnsupported) {
		t.im.refuse(Link, err)
		_, seek := f.Seek(0, io.SeekStart)
		return nil, errors.Join(seek, errors.ErrUnsupported)
	}
	if err != nil {
		return nil, &localError{err}
	}
	t.im.cfg.Progress.linked.Add(1)
	return &upstream.Body{Spill: spill, Size: size}, nil
}

// clone shares the bytes, then verifies the mirror's file, which no other program writes.
func (t *taker) clone(f durable.File) (*upstream.Body, error) {
	spill, err := t.openSpill()
	if err != nil {
		return nil, &localError{err}
	}
	to, ok := spill.(store.Sharer)
	if !ok {
		t.im.refuse(Reflink, nil)
		return nil, errors.ErrUnsupported
	}
	size, err := to.Clone(f)
	if errors.Is(err, errors.ErrUnsupported) {
		t.im.refuse(Reflink, err)
		return nil, err
	}
	if err != nil {
		return nil, &localError{err}
	}
	ours, ok := spill.(io.ReaderAt)
	if !ok {
		return nil, errors.ErrUnsupported
	}
	sum, n, err := crate.Hash(io.NewSectionReader(ours, 0, size))
	if err != nil {
		return nil, &localError{err}
	}
	if sum != t.req.Checksum {
		return nil, &crate.ChecksumError{ID: t.req.ID, Want: t.req.Checksum, Got: sum, Size: n}
	}
	t.im.cfg.Progress.shared.Add(1)
	return &upstream.Body{Spill: spill, Size: size}, nil
}

// copy copies the bytes and verifies the copy.
func (t *taker) copy(f durable.File, was durable.State) (*upstream.Body, error) {
	body := &upstream.Body{}
	var to io.Writer
	var small bytes.Buffer
	if was.Size <= inMemory {
		small.Grow(int(was.Size))
		to = &small
	} else {
		spill, err := t.openSpill()
		if err != nil {
			return nil, &localError{err}
		}
		body.Spill, to = spill, local{spill}
	}
	sum, size, err := crate.Hash(io.TeeReader(io.LimitReader(f, was.Size+1), to))
	if err := t.proved(f, was, sum, size, err); err != nil {
		return nil, err
	}
	if body.Size = size; body.Spill == nil {
		body.Data = small.Bytes()
	}
	t.im.cfg.Progress.copied.Add(1)
	return body, nil
}

// local marks errors of the mirror's disk.
type local struct{ io.Writer }

func (l local) Write(p []byte) (int, error) {
	n, err := l.Writer.Write(p)
	if err != nil {
		err = &localError{err}
	}
	return n, err
}

// proved checks that the bytes read are the version's, and that the file did not change
// meanwhile.
func (t *taker) proved(f durable.File, was durable.State, sum crate.Checksum, size int64, err error) error {
	if err != nil {
		return err
	}
	if now, err := durable.StateOf(f); err != nil || now != was || size != was.Size {
		return errors.Join(ErrChanged, err)
	}
	if sum != t.req.Checksum {
		return &crate.ChecksumError{ID: t.req.ID, Want: t.req.Checksum, Got: sum, Size: size}
	}
	return nil
}

// isRefused reports whether a way of sharing has failed before. A tree may have files on
// several file systems; files that could be shared are then copied, which only costs space.
func (im *Import) isRefused(way Sharing) bool {
	im.mu.Lock()
	defer im.mu.Unlock()
	return im.refused[way/Link]
}

// refuse records that a way of sharing failed, and logs it once if the user asked for it.
func (im *Import) refuse(way Sharing, err error) {
	im.mu.Lock()
	defer im.mu.Unlock()
	if way == Link && !im.refused[1] {
		im.cfg.Log.Warn("files cannot be linked into the mirror: they are on another file system, or belong to another user; their bytes are shared or copied", "err", err)
	}
	im.refused[way/Link] = true
}
