package pull

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/upstream"
)

// storeError is an error of our disk.
type storeError struct{ err error }

func (e *storeError) Error() string { return e.err.Error() }
func (e *storeError) Unwrap() error { return e.err }

// fetch downloads and stores a crate. If the disk is full, a small crate is returned
// anyway, because it is verified.
func (m *Mirror) fetch(ctx context.Context, w *wish) (data []byte, err error) {
	body, spill, err := m.ask(ctx, w.key())
	if err != nil {
		return nil, err
	}
	defer body.Release()
	m.metrics.bytes.Add(float64(body.Size))
	if body.Spill == nil {
		data = bytes.Clone(body.Data) // Release invalidates it
		if spill != nil {             // of an earlier attempt
			err = spill.Discard()
		}
		if err == nil {
			spill, err = m.store.stage(data)
		}
	}
	if err == nil {
		err = m.publish(w, spill, body.Size)
	}
	if err != nil {
		return m.unstored(w.key(), data, err)
	}
	return data, nil
}

// ask downloads a crate file. It does not trust a refusal immediately, but asks all
// upstreams again, past caches. Bytes that do not fit into memory are in the spill. The
// spill may also be left from an earlier attempt; with an error it is nil.
func (m *Mirror) ask(ctx context.Context, key crate.Key) (body *upstream.Body, spill *durable.Staged, err error) {
	req := upstream.Request{ID: key.ID, Checksum: key.Checksum, Spill: func() (upstream.Spill, error) {
		if spill != nil {
			return spill, spill.Reset()
		}
		file, err := m.store.batch.Create()
		if err != nil {
			return nil, &storeError{err}
		}
		spill = file
		return spill, nil
	}}
	body, _, err = m.cfg.Fetch.Fetch(ctx, req)
	if errors.As(err, new(*upstream.GoneError)) {
		req.Again = true
		body, _, err = m.cfg.Fetch.Fetch(ctx, req)
	}
	if err == nil {
		return body, spill, nil
	}
	if durable.IsBroken(err) {
		err = &storeError{err}
	}
	if spill != nil {
		err = errors.Join(err, spill.Discard())
	}
	return nil, nil, err
}

// unstored handles a crate that could not be stored.
func (m *Mirror) unstored(key crate.Key, data []byte, err error) ([]byte, error) {
	if data == nil {
		return nil, &storeError{fmt.Errorf("storing %s: %w", key.ID, err)}
	}
	m.metrics.outcome("unstored")
	m.log.Error("a crate was served but not stored", "crate", key.Name, "version", key.Version, "err", err)
	return data, nil
}

// publish makes a crate file durable and gives it its name, after its line.
func (m *Mirror) publish(w *wish, file *durable.Staged, size int64) error {
	key := w.key()
	name := lowerName(key.Name)
	defer m.store.lock(name).Unlock()
	if err := m.store.publish(key, file, size, func() error { return m.keepLine(name, w) }); err != nil {
		return err
	}
	m.keys.Put(key.ID, key)
	m.names.add(key.Name, m.Behind.Holds(key.Name))
	if m.cfg.MaxBytes > 0 && m.store.bytes.Load() > m.cfg.MaxBytes {
		m.tooLarge()
	}
	return nil
}

func (m *Mirror) tooLarge() {
	select {
	case m.full <- struct{}{}:
	default:
	}
}
