package pull

import (
	"context"
	"errors"
	"io/fs"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/index"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/reader"
)

// Open implements reader.Files.
func (m *Mirror) Open(ctx context.Context, id crate.ID) (*reader.File, error) {
	f, err := m.Behind.Open(ctx, id)
	if !isAbsent(err) || id.Check() != nil {
		return f, err
	}
	return m.open(ctx, id, nil, err)
}

// OpenBytes implements reader.Files.
func (m *Mirror) OpenBytes(ctx context.Context, key crate.Key) (*reader.File, error) {
	f, err := m.Behind.OpenBytes(ctx, key)
	if !isAbsent(err) || key.ID.Check() != nil {
		return f, err
	}
	return m.open(ctx, key.ID, &key.Checksum, err)
}

// Find implements reader.Files. It may ask upstream for the lines of the crate, but not for
// the crate file.
func (m *Mirror) Find(ctx context.Context, id crate.ID) (crate.Key, error) {
	key, absent := m.Behind.Find(ctx, id)
	if !errors.Is(absent, fs.ErrNotExist) || id.Check() != nil {
		return key, absent
	}
	if key, err := m.pulledKey(id, nil); err == nil && m.store.has(key.ID) {
		return key, nil
	}
	w, err := m.find(ctx, id, nil)
	if errors.Is(err, fs.ErrNotExist) {
		err = absent // absent says more
	}
	if err != nil {
		return crate.Key{}, err
	}
	return w.key(), nil
}

// isAbsent reports whether a mirror could not return a crate file that upstream may have.
func isAbsent(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.As(err, new(*reader.DamagedError))
}

// open opens a pulled crate, or pulls it now; absent is the error with which the mirror
// said that it lacks it.
func (m *Mirror) open(ctx context.Context, id crate.ID, sum *crate.Checksum, absent error) (*reader.File, error) {
	if f, err := m.openPulled(ctx, id, sum); err == nil || !isAbsent(err) {
		return f, err
	}
	w, err := m.find(ctx, id, sum)
	if errors.Is(err, fs.ErrNotExist) {
		err = absent // absent says more
	}
	if err != nil {
		return nil, err
	}
	return m.pull(ctx, w)
}

// openPulled opens a pulled version, whatever upstream says of it. Errors: fs.ErrNotExist;
// *reader.DamagedError.
func (m *Mirror) openPulled(ctx context.Context, id crate.ID, sum *crate.Checksum) (*reader.File, error) {
	key, err := m.pulledKey(id, sum)
	if err != nil {
		return nil, err
	}
	f, err := m.openHere(ctx, key)
	if err != nil {
		return nil, err
	}
	if m.metrics.hit.Inc(); key.ID == id {
		m.keys.Put(id, key)
	}
	return f, nil
}

// pulledKey returns which bytes of a version were pulled, from memory or from the line that
// names them. Errors: fs.ErrNotExist.
func (m *Mirror) pulledKey(id crate.ID, sum *crate.Checksum) (crate.Key, error) {
	if key, ok := m.keys.Get(id); ok && (sum == nil || *sum == key.Checksum) {
		return key, nil
	}
	l, err := m.readLines(id.Name)
	if err != nil || l == nil {
		return crate.Key{}, errors.Join(err, notHere(id))
	}
	e, _ := l.find(id, sum)
	if e == nil {
		return crate.Key{}, notHere(id)
	}
	return keyOf(e), nil
}

func keyOf(e *index.Entry) crate.Key { return crate.Key{ID: e.ID, Checksum: e.Checksum} }

// openHere opens pulled bytes. Errors: those of openPulled.
func (m *Mirror) openHere(_ context.Context, key crate.Key) (*reader.File, error) {
	content, err := m.store.open(key)
	if err == nil {
		m.store.use(key.ID)
		return &reader.File{Content: content, ID: key.ID, Checksum: key.Checksum}, nil
	}
	if errors.As(err, new(*crate.ChecksumError)) {
		m.metrics.damaged.Inc()
		m.log.Error("a pulled crate is damaged: downloading it again", "err", err)
		return nil, &reader.DamagedError{ID: key.ID, Err: err}
	}
	return nil, err
}
