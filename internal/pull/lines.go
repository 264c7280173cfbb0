package pull

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"strings"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/index/sparse"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/store"
)

// knownLines is what is remembered of a name, so that upstream is not asked again.
type knownLines struct {
	asked                  // when upstream last answered
	absent  bool           // that the crate does not exist
	failed  time.Time      // when it last did not answer
	sum     crate.Checksum // of the lines in the file; zero: unknown
	durable bool           // the file is durable since it was last written
}

// asked is the time of a request to upstream.
type asked struct {
	at    time.Time
	moved uint64 // the generation of an index that has one
}

// now returns the time of a request that is made now.
func (m *Mirror) now() asked {
	a := asked{at: time.Now()}
	if m.own != nil {
		a.moved = m.own.Generation()
	}
	return a
}

// isFresh reports whether upstream need not be asked again.
func (m *Mirror) isFresh(known, now asked) bool {
	if m.own != nil {
		return !known.at.IsZero() && known.moved == now.moved
	}
	return now.at.Sub(known.at) < m.freshFor()
}

// lines returns the lines of a crate, as new as required or available. Errors:
// fs.ErrNotExist; *AwayError; the disk's.
func (m *Mirror) lines(ctx context.Context, name string) (*lines, error) {
	name = strings.ToLower(name)
	now := m.now()
	known, _ := m.known.Get(name)
	if !m.offline() && m.isFresh(known.asked, now) {
		l, err := m.linesHere(name, known.absent, false)
		if !errors.As(err, new(*AwayError)) {
			m.metrics.lines.WithLabelValues("fresh").Inc()
			return l, err
		}
		known = knownLines{} // the file was lost meanwhile
	}
	away, probe := false, false
	switch {
	case m.offline():
		away = true
	case now.at.Sub(known.failed) < negative:
		return m.linesHere(name, known.absent, true)
	case m.own == nil:
		away, probe = m.outage.isAway(now.at)
	}
	if !away {
		return m.refreshed(ctx, name)
	}
	if probe {
		if _, err := m.startRefresh(name); err != nil {
			m.outage.undecided(now.at)
		}
	}
	m.metrics.lines.WithLabelValues("stale").Inc()
	return m.linesHere(name, known.absent, true)
}

// linesHere returns the known lines of a crate without a request.
func (m *Mirror) linesHere(name string, absent, stale bool) (*lines, error) {
	l, err := m.readLines(name)
	switch {
	case err != nil:
		return nil, err
	case l != nil:
		l.stale = stale
		return l, nil
	case absent || m.offline():
		return nil, noCrate(name)
	}
	return nil, &AwayError{What: "crate " + name}
}

// readLines reads the file of a crate; nil if there is none, or it is torn.
func (m *Mirror) readLines(name string) (*lines, error) {
	data, err := m.store.readLines(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	l, err := decode(name, data, m.log)
	if err != nil {
		m.log.Warn("the stored index lines of a crate are requested again", "crate", name, "err", err)
		return nil, nil
	}
	return l, nil
}

// refreshed returns upstream's current lines of a crate. If upstream does not answer, or is
// slow and something of the crate is stored here, it returns the known lines.
func (m *Mirror) refreshed(ctx context.Context, name string) (*lines, error) {
	done, err := m.startRefresh(name)
	if err != nil {
		return nil, err
	}
	var late <-chan time.Time
	if m.Holds(name) {
		late = time.After(m.patience)
	}
	select {
	case <-late: // the request continues, and no client waits for it
		m.metrics.lines.WithLabelValues("stale").Inc()
		m.known.Change(name, func(k *knownLines) { k.failed = time.Now() })
		return m.linesHere(name, false, true)
	case r := <-done:
		if r.Err != nil {
			return nil, r.Err
		}
		return r.Val.(*lines), nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// result is singleflight's Result.
type result = struct {
	Val any
	Err error
}

// startRefresh asks upstream, once for all concurrent callers.
func (m *Mirror) startRefresh(name string) (<-chan result, error) {
	done := make(chan result, 1)
	if m.lineCount.Add(1) > maxWaiting {
		m.lineCount.Add(-1)
		return nil, &store.BusyError{RetryAfter: time.Second}
	}
	m.working.Go(func() {
		defer m.lineCount.Add(-1)
		v, err, _ := m.lineFlights.Do(name, func() (any, error) {
			ctx, cancel := context.WithTimeout(m.life, wholeTime)
			defer cancel()
			return m.refresh(ctx, name)
		})
		done <- result{v, err}
	})
	return done, nil
}

// refresh asks upstream for the lines of a crate.
func (m *Mirror) refresh(ctx context.Context, name string) (*lines, error) {
	old, err := m.readLines(name)
	if err != nil {
		m.outage.undecided(time.Now()) // upstream was not asked
		return nil, err
	}
	var have sparse.Validator
	if old != nil {
		have = old.have
	}
	begin := m.now()
	f, err := m.cfg.Index.Get(ctx, name, have)
	m.metrics.lineTime.Observe(time.Since(begin.at).Seconds())
	defer f.Release()
	switch {
	case err == nil:
		m.answered()
		return m.take(name, old, &f, begin)
	case errors.Is(err, fs.ErrNotExist):
		m.answered()
		return m.takeAbsence(name, old, begin)
	case m.life.Err() != nil:
		return nil, context.Cause(m.life)
	case m.own != nil: // which is a fault here, and not upstream's
		return nil, err
	}
	return m.notSaid(name, old, err)
}

// answered records that upstream is up, unless the index is our own, which does not show
// that.
func (m *Mirror) answered() {
	if m.own == nil {
		m.outage.worked()
	}
}

// notSaid returns the known lines of a crate when upstream does not answer.
func (m *Mirror) notSaid(name string, old *lines, err error) (*lines, error) {
	ofThis := true // the problem is with this crate, not all of upstream
	if errors.As(err, new(*sparse.ContentError)) {
		m.outage.undecided(time.Now())
		m.log.Warn("upstream sent no lines of a crate: what was known is served", "crate", name, "err", err)
	} else {
		ofThis = !m.outage.failed(time.Now(), err)
	}
	m.metrics.lines.WithLabelValues("failed").Inc()
	if ofThis {
		m.known.Change(name, func(k *knownLines) { k.failed = time.Now() })
	}
	if old != nil {
		old.stale = true
		return old, nil
	}
	return nil, &AwayError{"crate " + name, err}
}

// take stores an answer of upstream.
func (m *Mirror) take(name string, old *lines, f *sparse.File, now asked) (*lines, error) {
	if f.NotModified && old != nil {
		m.metrics.lines.WithLabelValues("unchanged").Inc()
		m.known.Change(name, func(k *knownLines) { *k = knownLines{asked: now, sum: k.sum, durable: k.durable} })
		old.checked = now.at
		return old, nil
	}
	m.metrics.lines.WithLabelValues("changed").Inc()
	return m.keep(name, old, &lines{named: parse(name, bytes.Clone(f.Body), m.log), have: f.Validator}, now)
}

// takeAbsence stores upstream's answer that a crate does not exist. Pulled versions stay
// for users who have them in their Cargo.lock.
func (m *Mirror) takeAbsence(name string, old *lines, now asked) (*lines, error) {
	m.metrics.lines.WithLabelValues("absent").Inc()
	if old == nil {
		m.known.Put(name, knownLines{asked: now, absent: true})
		return nil, noCrate(name)
	}
	return m.keep(name, old, &lines{}, now)
}
