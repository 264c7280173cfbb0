package pull

import (
	"context"
	"errors"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/index"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/reader"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/store"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/upstream"
)

// A wish is a version to download.
type wish struct {
	line *index.Entry   // the line that names it
	from crate.Checksum // checksum of the lines that have it; see lines.sum
}

func (w *wish) key() crate.Key { return keyOf(w.line) }

// find returns upstream's line of a version. Errors: fs.ErrNotExist if there is no trusted
// one; *AwayError.
func (m *Mirror) find(ctx context.Context, id crate.ID, sum *crate.Checksum) (*wish, error) {
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
	return &wish{e, l.sum}, nil
}

// refusedCrate is upstream's answer to a request for a crate file that it refused.
type refusedCrate struct {
	err error
	at  time.Time
}

// pull downloads a version, once for all concurrent requests, and completes the download
// even if their clients leave.
func (m *Mirror) pull(ctx context.Context, w *wish) (*reader.File, error) {
	key := w.key()
	if said, _ := m.refused.Get(key); time.Since(said.at) < negative {
		m.metrics.outcome("refused")
		return nil, said.err
	}
	away, probe := m.offline(), false
	if !away {
		away, probe = m.outage.isAway(time.Now())
	}
	if away && !probe {
		m.metrics.outcome("away")
		return nil, &AwayError{What: key.ID.String()}
	}
	done, err := m.startPull(w)
	if err != nil {
		m.outage.undecided(time.Now())
		m.metrics.outcome("busy")
		return nil, err
	}
	if away { // no client waits for the probe
		m.metrics.outcome("away")
		return nil, &AwayError{What: key.ID.String()}
	}
	return m.await(ctx, key, done)
}

// await waits until a version is downloaded.
func (m *Mirror) await(ctx context.Context, key crate.Key, done <-chan result) (*reader.File, error) {
	m.metrics.waiting.Inc()
	defer m.metrics.waiting.Dec()
	select {
	case r := <-done:
		if r.Err != nil {
			return nil, r.Err
		}
		if data := r.Val.([]byte); data != nil {
			return &reader.File{Content: store.InMemory(data), ID: key.ID, Checksum: key.Checksum}, nil
		}
		return m.openHere(ctx, key)
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

func (m *Mirror) startPull(w *wish) (<-chan result, error) {
	done := make(chan result, 1)
	if m.crateCount.Add(1) > maxWaiting {
		m.crateCount.Add(-1)
		return nil, &store.BusyError{RetryAfter: time.Second}
	}
	m.working.Go(func() {
		defer m.crateCount.Add(-1)
		v, err, _ := m.crateFlights.Do(w.line.Checksum.String()+w.line.ID.String(), func() (any, error) {
			ctx, cancel := context.WithTimeout(m.life, wholeTime)
			defer cancel()
			return m.bring(ctx, w)
		})
		done <- result{v, err}
	})
	return done, nil
}

// bring downloads a crate file, unless it was stored meanwhile. It returns the bytes of a
// small one; if it returns nil, open the stored file.
func (m *Mirror) bring(ctx context.Context, w *wish) ([]byte, error) {
	begin := time.Now()
	select {
	case m.fetching <- struct{}{}:
		defer func() { <-m.fetching }()
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	if content, err := m.store.open(w.key()); err == nil {
		m.outage.undecided(time.Now())
		return nil, content.Close()
	}
	data, err := m.fetch(ctx, w)
	if err != nil {
		return nil, m.failed(w.key(), err)
	}
	m.outage.worked()
	m.metrics.outcome("pulled")
	m.metrics.pullTime.Observe(time.Since(begin).Seconds())
	return data, nil
}

// failed returns the error for requests that wait for a version that could not be
// downloaded, and remembers it for later ones.
func (m *Mirror) failed(key crate.Key, err error) error {
	switch {
	case m.life.Err() != nil:
		return context.Cause(m.life)
	case errors.As(err, new(*storeError)): // which says nothing of upstream
		m.outage.undecided(time.Now())
		m.metrics.outcome("full")
		m.log.Error("a crate was downloaded but could not be stored", "crate", key.Name, "version", key.Version, "err", err)
		return &AwayError{key.ID.String(), err}
	case isRefusal(err):
		m.outage.worked()
		err = m.refusal(key, err)
	default:
		m.metrics.outcome("failed")
		away, ofThis := m.outage.failed(time.Now(), err), wasAnswered(err)
		err = &AwayError{key.ID.String(), err}
		if away && !ofThis {
			return err
		}
	}
	m.refused.Put(key, refusedCrate{err, time.Now()})
	return err
}

// isRefusal reports whether an error is upstream's answer about one crate file, as opposed
// to an upstream that is down.
func isRefusal(err error) bool {
	return errors.As(err, new(*upstream.GoneError)) || errors.As(err, new(*upstream.MismatchError))
}

// refusal returns the error for a refusal of upstream.
func (m *Mirror) refusal(key crate.Key, err error) error {
	if wrong, ok := errors.AsType[*upstream.MismatchError](err); ok {
		m.metrics.outcome("mismatch")
		m.log.Error("upstream sent other bytes than the index names; they were discarded", "crate", key.Name, "version", key.Version, "err", err, "headers", wrong.Evidence.Headers())
		return &DamagedError{key.ID, err}
	}
	m.metrics.outcome("gone")
	m.log.Warn("upstream names a version but does not serve it", "crate", key.Name, "version", key.Version, "err", err)
	return notHere(key.ID)
}
