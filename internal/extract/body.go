package extract

import (
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"io/fs"
	"sync"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/bundle"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/store"
)

// body is the bytes of a member between a bundle and the store.
type body struct {
	store.Body
	sum     *crate.Checksum // nil: not hashed yet
	release func()          // returns the memory of Data; may be nil
}

// inMemory is the size in bytes up to which crates are held in memory: nearly all are.
const inMemory = 1 << 20

// buffers holds *[]byte of inMemory bytes.
var buffers = sync.Pool{New: func() any { b := make([]byte, inMemory); return &b }}

// A sourceError says that the bundle could not be read, as opposed to the store failing.
type sourceError struct{ err error }

func (e *sourceError) Error() string { return e.err.Error() }
func (e *sourceError) Unwrap() error { return e.err }

// source marks the errors of a reader.
type source struct{ r io.Reader }

func (s source) Read(p []byte) (int, error) {
	n, err := s.r.Read(p)
	if err != nil && err != io.EOF {
		err = &sourceError{err}
	}
	return n, err
}

// read reads a member of size bytes.
func (r *run) read(src io.Reader, size int64) (*body, error) {
	b := &body{Body: store.Body{Size: size}}
	if size <= inMemory {
		buf := buffers.Get().(*[]byte)
		b.Data, b.release = (*buf)[:size], func() { buffers.Put(buf) }
		_, err := io.ReadFull(source{src}, b.Data)
		return b.orDrop(short(err))
	}
	var err error
	if b.Spill, err = r.cfg.Store.NewSpill(); err != nil {
		return nil, err
	}
	buf := buffers.Get().(*[]byte)
	defer buffers.Put(buf)
	h := sha256.New()
	n, err := io.CopyBuffer(io.MultiWriter(b.Spill, h), source{src}, *buf)
	if err == nil && n != size {
		err = io.ErrUnexpectedEOF
	}
	b.sum = new(crate.Checksum)
	h.Sum(b.sum[:0])
	return b.orDrop(short(err))
}

// short replaces the error of a source that ends early.
func short(err error) error {
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		return &sourceError{io.ErrUnexpectedEOF}
	}
	return err
}

func (b *body) orDrop(err error) (*body, error) {
	if err != nil {
		b.drop()
		return nil, err
	}
	return b, nil
}

// hash returns the checksum of the bytes.
func (b *body) hash() crate.Checksum {
	if b.sum != nil {
		return *b.sum
	}
	return sha256.Sum256(b.Data)
}

// put passes the bytes to the store.
func (t *task) put(ctx context.Context, to Store) (err error) {
	defer t.body.free()
	if t.superseded {
		return to.Keep(crate.Key{ID: t.ID, Checksum: t.want}, t.body.Body)
	}
	_, err = to.Put(ctx, t.ID, t.body.Body)
	return err
}

// drop releases the bytes. A temporary file that cannot be removed is removed when the
// store is opened the next time.
func (b *body) drop() {
	if b.Spill != nil {
		_ = b.Spill.Discard()
	}
	b.free()
}

func (b *body) free() {
	if b.release != nil {
		b.release()
		b.release = nil
	}
}

// keep is a bundle.Sink: it keeps the bytes of a large member if their checksum is the
// expected one and there is no file with their name.
func (r *run) keep(b *opened, id crate.ID, size int64) bundle.Keeper {
	v := b.pins[id]
	if v == nil || !v.known || r.cfg.Store == nil {
		return nil
	}
	if _, err := r.cfg.Store.Stat(id); !errors.Is(err, fs.ErrNotExist) {
		return nil // it may be stored already: if not, look reads the bundle again
	}
	spill, err := r.cfg.Store.NewSpill()
	if err != nil {
		return nil // storing it will return the same error
	}
	return &kept{body{Body: store.Body{Spill: spill, Size: size}}, nil}
}

// kept writes the bytes of a large member to a temporary file while the bundle is read.
type kept struct {
	body
	err error // of writing them
}

func (k *kept) Write(b []byte) (int, error) {
	n, err := k.Spill.Write(b)
	k.err = err
	return n, err
}

// Drop implements bundle.Keeper.
func (k *kept) Drop() { k.drop() }

// bodyOf returns the bytes of a verified member, or nil if they were not kept.
func bodyOf(m *bundle.Verified) *body {
	if m.Data != nil {
		return &body{Body: store.Body{Data: m.Data, Size: m.Size}, sum: &m.Checksum, release: m.Release}
	}
	k, ok := m.Keeper.(*kept)
	if !ok {
		return nil
	}
	if k.err != nil {
		k.drop()
		return nil
	}
	k.sum = &m.Checksum
	return &k.body
}
