package pull

import (
	"errors"
	"io/fs"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/index"
)

// keep stores the lines of a crate. The bytes of a pulled version never change: its line is
// kept if upstream stops naming it, and a line with another checksum is rejected.
func (m *Mirror) keep(name string, old, now *lines, when asked) (*lines, error) {
	defer m.store.lock(name).Unlock()
	now.checked = when.at
	durably := false
	if old != nil {
		durably = m.keepPulled(old, now)
	}
	if err := m.writeLines(name, now, durably); err != nil { // memory has them as well; the next request asks upstream again
		m.log.Warn("the index lines of a crate could not be stored", "crate", name, "err", err)
		m.known.Put(name, knownLines{})
		return now, nil
	}
	m.known.Put(name, knownLines{asked: when, sum: now.sum, durable: durably})
	return now, nil
}

// keepPulled copies the lines of pulled versions from old to now, and reports whether there
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
		now.refuse(func(e *index.Entry) bool { return refused[e.Version] })
	}
	return any
}

// writeLines writes the file of a crate.
func (m *Mirror) writeLines(name string, l *lines, durably bool) error {
	data, err := l.encode()
	if err != nil {
		return err
	}
	return m.store.writeLines(name, data, durably)
}

// keepLine makes the line of a version durable before its crate file gets its name, even if
// the known lines have changed since it was requested. The caller holds the lock of the
// name.
func (m *Mirror) keepLine(name string, w *wish) error {
	if known, _ := m.known.Get(name); known.sum == w.from && known.sum != (crate.Checksum{}) {
		if err := m.syncLines(name, w.from, known.durable); !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	l, err := m.readLines(name)
	if err != nil {
		return err
	}
	if l == nil {
		l = &lines{}
	}
	if e, _ := l.find(w.line.ID, &w.line.Checksum); e != nil {
		return m.syncLines(name, l.sum, false)
	}
	l.keepOnly(w.line)
	m.known.Put(name, knownLines{}) // ask upstream again
	return m.writeLines(name, l, true)
}

// syncLines makes the file of a crate durable, unless it is.
func (m *Mirror) syncLines(name string, sum crate.Checksum, durable bool) error {
	if durable {
		return nil
	}
	err := m.store.syncLines(name)
	if err == nil {
		m.known.Change(name, func(k *knownLines) { k.sum, k.durable = sum, true })
	}
	return err
}

// tellConflict logs a line that changed its checksum, once.
func (m *Mirror) tellConflict(id crate.ID, held, said crate.Checksum) {
	key := crate.Key{ID: id, Checksum: said}
	if told, _ := m.conflicts.Get(key); told {
		return
	}
	m.conflicts.Put(key, true)
	m.metrics.conflicts.Inc()
	m.log.Error("upstream names other bytes for a version than are held: its line is ignored; a sync says more (-accept-republished)",
		"crate", id.Name, "version", id.Version, "held", held, "upstream", said)
}
