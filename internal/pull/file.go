package pull

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/index"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/reader"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/store"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/upstream"
)

// Open implements registry.Mirror.
func (m *Mirror) Open(ctx context.Context, id crate.ID) (*reader.File, error) {
	f, err := m.Behind.Open(ctx, id)
	if !isAbsent(err) || id.Check() != nil {
		return f, err
	}
	return m.open(ctx, id, nil, err)
}

// OpenBytes implements registry.Mirror.
func (m *Mirror) OpenBytes(ctx context.Context, key crate.Key) (*reader.File, error) {
	f, err := m.Behind.OpenBytes(ctx, key)
	if !isAbsent(err) || key.ID.Check() != nil {
		return f, err
	}
	return m.open(ctx, key.ID, &key.Checksum, err)
}

// Find implements registry.Mirror. Upstream may be asked for the lines of the crate, and
// not for the crate file.
func (m *Mirror) Find(ctx context.Context, id crate.ID) (crate.Key, error) {
	key, absent := m.Behind.Find(ctx, id)
	if !errors.Is(absent, fs.ErrNotExist) || id.Check() != nil {
		return key, absent
	}
	if l, err := m.readLines(id.Name); err == nil && l != nil {
		if e, _ := l.find(id, nil); e != nil && m.store.has(e.ID) {
			return keyOf(e), nil
		}
	}
	e, err := m.line(ctx, id, nil)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return key, absent // it says more
	case err != nil:
		return key, err
	}
	return keyOf(e), nil
}

func keyOf(e *index.Entry) crate.Key { return crate.Key{ID: e.ID, Checksum: e.Checksum} }

// isAbsent reports whether a mirror could not give a crate file, and upstream may.
func isAbsent(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.As(err, new(*reader.DamagedError))
}

// open opens what the mirror does not have, which is said by absent: what was pulled, or
// else what is pulled now.
func (m *Mirror) open(ctx context.Context, id crate.ID, sum *crate.Checksum, absent error) (*reader.File, error) {
	if f, err := m.openPulled(ctx, id, sum); err == nil || !isAbsent(err) {
		return f, err
	}
	e, err := m.line(ctx, id, sum)
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return nil, absent // it says more
		}
		return nil, err
	}
	return m.pull(ctx, e.ID, e.Checksum)
}

// openPulled opens a version that was pulled, whatever upstream says of it. Errors:
// fs.ErrNotExist; *reader.DamagedError.
func (m *Mirror) openPulled(ctx context.Context, id crate.ID, sum *crate.Checksum) (*reader.File, error) {
	l, err := m.readLines(id.Name)
	if err != nil || l == nil {
		return nil, errors.Join(err, notHere(id))
	}
	e, _ := l.find(id, sum)
	if e == nil {
		return nil, notHere(id)
	}
	f, err := m.openHere(ctx, keyOf(e))
	if err == nil {
		m.metrics.hit.Inc()
	}
	return f, err
}

// openHere opens bytes that were pulled. Errors: as openPulled.
func (m *Mirror) openHere(_ context.Context, key crate.Key) (*reader.File, error) {
	content, err := m.store.open(key)
	if err == nil {
		m.store.use(key.ID)
		return &reader.File{Content: content, ID: key.ID, Checksum: key.Checksum}, nil
	}
	if errors.As(err, new(*crate.ChecksumError)) {
		m.metrics.damaged.Inc()
		m.log.Error("a crate that was pulled is damaged: it is fetched again", "err", err)
		return nil, &reader.DamagedError{ID: key.ID, Err: err}
	}
	return nil, err
}

// line returns the line of upstream that names a version. Errors: fs.ErrNotExist if there
// is none that is believed; *AwayError.
func (m *Mirror) line(ctx context.Context, id crate.ID, sum *crate.Checksum) (*index.Entry, error) {
	l, err := m.lines(ctx, id.Name)
	if err != nil {
		return nil, err
	}
	e, named := l.find(id, sum)
	if e == nil || !named && !m.store.has(e.ID) {
		return nil, notHere(id)
	}
	pins, err := m.Behind.Pins(ctx, id.Name)
	if err != nil {
		return nil, err
	}
	if pin, ok := pins[e.Version]; ok && pin != e.Checksum {
		m.tellConflict(e.ID, pin, e.Checksum)
		return nil, notHere(id)
	}
	return e, nil
}

// refusedCrate is what upstream said of a crate file that it did not give.
type refusedCrate struct {
	err error
	at  time.Time
}

// pull fetches a version, once for all who want it at the same time, and goes on if they
// leave.
func (m *Mirror) pull(ctx context.Context, id crate.ID, sum crate.Checksum) (*reader.File, error) {
	key := crate.Key{ID: id, Checksum: sum}
	if said, _ := m.refused.Get(key); time.Since(said.at) < negative {
		m.metrics.outcome("refused")
		return nil, said.err
	}
	away, probe := false, false
	if away = m.offline(); !away {
		away, probe = m.outage.isAway(time.Now())
	}
	if away && !probe {
		m.metrics.outcome("away")
		return nil, &AwayError{What: id.String()}
	}
	done, err := m.startPull(key)
	if err != nil {
		m.metrics.outcome("busy")
		return nil, err
	}
	if away { // of the probe nobody waits
		m.metrics.outcome("away")
		return nil, &AwayError{What: id.String()}
	}
	m.metrics.waiting.Inc()
	defer m.metrics.waiting.Dec()
	select {
	case r := <-done:
		if r.Err != nil {
			return nil, r.Err
		}
		if data := r.Val.([]byte); data != nil {
			return &reader.File{Content: store.InMemory(data), ID: id, Checksum: sum}, nil
		}
		return m.openHere(ctx, key)
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

func (m *Mirror) startPull(key crate.Key) (<-chan result, error) {
	done := make(chan result, 1)
	if m.crateCount.Add(1) > maxWaiting {
		m.crateCount.Add(-1)
		return nil, &store.BusyError{RetryAfter: time.Second}
	}
	m.working.Go(func() {
		defer m.crateCount.Add(-1)
		v, err, _ := m.crateFlights.Do(key.Checksum.String()+key.ID.String(), func() (any, error) {
			ctx, cancel := context.WithTimeout(m.life, wholeTime)
			defer cancel()
			return m.bring(ctx, key)
		})
		done <- result{v, err}
	})
	return done, nil
}

// bring brings a crate file here, unless it has come meanwhile. It returns the bytes of a
// small one; nil: they are to be opened.
func (m *Mirror) bring(ctx context.Context, key crate.Key) ([]byte, error) {
	begin := time.Now()
	select {
	case m.fetching <- struct{}{}:
		defer func() { <-m.fetching }()
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	if content, err := m.store.open(key); err == nil {
		return nil, content.Close()
	}
	data, err := m.fetch(ctx, key)
	switch {
	case err == nil:
		m.outage.worked()
		m.metrics.outcome("pulled")
		m.metrics.pullTime.Observe(time.Since(begin).Seconds())
		return data, nil
	case m.life.Err() != nil:
		return nil, context.Cause(m.life)
	case errors.As(err, new(*storeError)):
		m.metrics.outcome("full")
		m.log.Error("a crate was fetched and could not be stored", "crate", key.Name, "version", key.Version, "err", err)
		return nil, &AwayError{key.ID.String(), err}
	case isRefusal(err):
		m.outage.worked()
		err = m.refusal(key, err)
	default:
		m.metrics.outcome("failed")
		away, ofThis := m.outage.failed(time.Now(), err), wasAnswered(err)
		err = &AwayError{key.ID.String(), err}
		if away && !ofThis {
			return nil, err
		}
	}
	m.refused.Put(key, refusedCrate{err, time.Now()})
	return nil, err
}

// refusal is what becomes of a refusal of upstream's.
func (m *Mirror) refusal(key crate.Key, err error) error {
	if wrong, ok := errors.AsType[*upstream.MismatchError](err); ok {
		m.metrics.outcome("mismatch")
		m.log.Error("upstream sent other bytes than the index names; they were discarded", "crate", key.Name, "version", key.Version, "err", err, "headers", wrong.Evidence.Headers())
		return &DamagedError{key.ID, err}
	}
	m.metrics.outcome("gone")
	m.log.Warn("upstream names a version and does not give it", "crate", key.Name, "version", key.Version, "err", err)
	return notHere(key.ID)
}

// storeError is a fault of our disk.
type storeError struct{ err error }

func (e *storeError) Error() string { return e.err.Error() }
func (e *storeError) Unwrap() error { return e.err }

// fetch fetches and stores. When the disk is full a small crate file is given all the
// same: it is proved.
func (m *Mirror) fetch(ctx context.Context, key crate.Key) (data []byte, err error) {
	var spill *durable.Staged
	defer func() {
		if spill != nil {
			err = errors.Join(err, spill.Discard())
		}
	}()
	body, _, err := m.cfg.Fetch.Fetch(ctx, upstream.Request{
		ID: key.ID, Checksum: key.Checksum, WasGone: true,
		Spill: func() (_ upstream.Spill, err error) {
			if spill, err = m.store.batch.Create(); err != nil {
				return nil, &storeError{err}
			}
			return spill, nil
		},
	})
	if err != nil {
		if durable.IsBroken(err) {
			err = &storeError{err}
		}
		return nil, err
	}
	defer body.Release()
	m.metrics.bytes.Add(float64(body.Size))
	file := spill
	if body.Spill == nil {
		data = append([]byte(nil), body.Data...) // Release takes it back
		if file != nil {                         // of an attempt before
			if err := file.Discard(); err != nil {
				return nil, &storeError{err}
			}
		}
		spill = nil
		if file, err = m.store.stage(data); err != nil {
			return m.unstored(key, data, err)
		}
	}
	spill = nil
	if err := m.publish(key, file, body.Size); err != nil {
		return m.unstored(key, data, err)
	}
	return data, nil
}

// unstored is what becomes of a crate that could not be stored.
func (m *Mirror) unstored(key crate.Key, data []byte, err error) ([]byte, error) {
	if data == nil {
		return nil, &storeError{fmt.Errorf("storing %s: %w", key.ID, err)}
	}
	m.metrics.outcome("unstored")
	m.log.Error("a crate was passed on and not stored", "crate", key.Name, "version", key.Version, "err", err)
	return data, nil
}

// publish makes a crate file durable and gives it its name; its line first.
func (m *Mirror) publish(key crate.Key, file *durable.Staged, size int64) error {
	name := lowerName(key.Name)
	defer m.store.lock(name).Unlock()
	err := m.store.publish(key, file, size, func() error {
		if known, _ := m.known.Get(name); known.durable {
			return nil
		}
		err := m.store.syncLines(name)
		if err == nil {
			m.known.Change(name, func(k *knownLines) { k.durable = true })
		}
		return err
	})
	if err != nil {
		return err
	}
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
