package pull

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"strings"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/index"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/index/sparse"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/store"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/upstream"
)

// knownLines is what is remembered of a name, so that upstream is not asked again.
type knownLines struct {
	checked time.Time // when upstream answered last
	absent  bool      // that it knows no such crate
	failed  time.Time // when it gave no answer
	durable bool      // the file of lines is, since it was written last
}

// lines returns what is known of a crate, as new as is wanted or can be had. Errors:
// fs.ErrNotExist; *AwayError; the disk's.
func (m *Mirror) lines(ctx context.Context, name string) (*lines, error) {
	name = strings.ToLower(name)
	now := time.Now()
	known, _ := m.known.Get(name)
	if !m.offline() && now.Sub(known.checked) < m.freshFor() {
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
	case now.Sub(known.failed) < negative:
		return m.linesHere(name, known.absent, true)
	default:
		away, probe = m.outage.isAway(now)
	}
	if !away {
		return m.refreshed(ctx, name)
	}
	if probe {
		m.startRefresh(name)
	}
	m.metrics.lines.WithLabelValues("stale").Inc()
	return m.linesHere(name, known.absent, true)
}

// linesHere returns what is known of a crate without asking.
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

// readLines reads the file of a crate; nil: there is none, or it is torn.
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
		m.log.Warn("what upstream said of a crate is asked for again", "crate", name, "err", err)
		return nil, nil
	}
	return l, nil
}

// refreshed returns what upstream says of a crate now. If it does not answer, or not
// soon and something of the crate is here, what is known.
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
	case <-late: // it goes on, and nobody waits for it
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

// result is one of singleflight's.
type result = struct {
	Val any
	Err error
}

// startRefresh asks upstream, once for all who want that at the same time.
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

// refresh asks upstream what there is of a crate.
func (m *Mirror) refresh(ctx context.Context, name string) (*lines, error) {
	old, err := m.readLines(name)
	if err != nil {
		return nil, err
	}
	var have sparse.Validator
	if old != nil {
		have = old.have
	}
	begin := time.Now()
	f, err := m.cfg.Index.Get(ctx, name, have)
	m.metrics.lineTime.Observe(time.Since(begin).Seconds())
	defer f.Release()
	var content *sparse.ContentError
	ofThis := true // not of all upstream
	switch {
	case err == nil:
		m.outage.worked()
		return m.take(name, old, &f, begin)
	case errors.Is(err, fs.ErrNotExist):
		m.outage.worked()
		return m.takeAbsence(name, old, begin)
	case m.life.Err() != nil:
		return nil, context.Cause(m.life)
	case errors.As(err, &content):
		m.log.Warn("upstream sent no lines of a crate: what was known is served", "crate", name, "err", err)
	default:
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

// take takes an answer of upstream's.
func (m *Mirror) take(name string, old *lines, f *sparse.File, now time.Time) (*lines, error) {
	if f.NotModified && old != nil {
		m.metrics.lines.WithLabelValues("unchanged").Inc()
		m.known.Change(name, func(k *knownLines) { *k = knownLines{checked: now, durable: k.durable} })
		old.checked = now
		return old, nil
	}
	m.metrics.lines.WithLabelValues("changed").Inc()
	return m.keep(name, old, &lines{named: parse(name, bytes.Clone(f.Body), m.log), checked: now, have: f.Validator})
}

// takeAbsence takes upstream's word that there is no such crate. Versions that were
// pulled stay for those who have them in their Cargo.lock.
func (m *Mirror) takeAbsence(name string, old *lines, now time.Time) (*lines, error) {
	m.metrics.lines.WithLabelValues("absent").Inc()
	if old == nil {
		m.known.Put(name, knownLines{checked: now, absent: true})
		return nil, noCrate(name)
	}
	return m.keep(name, old, &lines{checked: now})
}

// keep writes what is known of a crate from now on. A version whose bytes were pulled has
// these for ever: if upstream does not name it any more its line is kept, and if upstream
// names others for it that is not believed.
func (m *Mirror) keep(name string, old, now *lines) (*lines, error) {
	defer m.store.lock(name).Unlock()
	durably := false
	if old != nil {
		durably = m.keepPulled(old, now)
	}
	data, err := now.encode()
	if err == nil {
		err = m.store.writeLines(name, data, durably)
	}
	if err != nil { // they are as good in memory; the next who wants them asks again
		m.log.Warn("what upstream says of a crate could not be written", "crate", name, "err", err)
		m.known.Put(name, knownLines{})
		return now, nil
	}
	m.known.Put(name, knownLines{checked: now.checked, durable: durably})
	return now, nil
}

// keepPulled says in now what old said of versions that were pulled, and whether there
// are any.
func (m *Mirror) keepPulled(old, now *lines) (any bool) {
	said := make(map[string]crate.Checksum, len(now.named))
	for i := range now.named {
		said[now.named[i].Version] = now.named[i].Checksum
	}
	refused := map[string]bool{}
	for _, list := range [][]index.Entry{old.named, old.kept} {
		for _, e := range list {
			sum, named := said[e.Version]
			if same := named && sum == e.Checksum; same && any || !m.store.has(e.ID) {
				continue
			} else if any = true; same {
				continue
			}
			now.kept = append(now.kept, e)
			if named {
				refused[e.Version] = true
				m.tellConflict(e.ID, e.Checksum, sum)
			}
		}
	}
	if len(refused) > 0 {
		shown := now.named[:0]
		for _, e := range now.named {
			if !refused[e.Version] {
				shown = append(shown, e)
			}
		}
		now.named, now.have = shown, sparse.Validator{} // to be asked for whole again
	}
	return any
}

// tellConflict tells once of a line that changed its checksum.
func (m *Mirror) tellConflict(id crate.ID, held, said crate.Checksum) {
	key := crate.Key{ID: id, Checksum: said}
	if told, _ := m.conflicts.Get(key); told {
		return
	}
	m.conflicts.Put(key, true)
	m.metrics.conflicts.Inc()
	m.log.Error("upstream names other bytes for a version than are held: its line is not believed; a sync says more (-accept-republished)",
		"crate", id.Name, "version", id.Version, "held", held, "upstream", said)
}

// isRefusal tells what upstream says of one crate file from an upstream that is away.
func isRefusal(err error) bool {
	return errors.As(err, new(*upstream.GoneError)) || errors.As(err, new(*upstream.MismatchError))
}
