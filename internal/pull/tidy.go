package pull

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"math"
	"path"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
)

const (
	// tidyEvery is the minimum time between two scans of the folder; they also pause for
	// tidyRest times the duration of a scan.
	tidyEvery = 30 * time.Second
	tidyRest  = 20
	// linesFor is how long the lines of crates that were never pulled are stored.
	linesFor = 24 * time.Hour
)

// tidyAll runs tidy regularly.
func (m *Mirror) tidyAll() {
	seen := uint64(math.MaxUint64)
	for {
		begin := time.Now()
		generation := m.Behind.Generation()
		if err := m.tidy(m.life, generation != seen); err != nil && m.life.Err() == nil {
			m.log.Warn("looking through what was pulled", "err", err)
		}
		seen = generation
		select {
		case <-m.life.Done():
			return
		case <-m.full:
		case <-time.After(max(tidyEvery, tidyRest*time.Since(begin))):
		}
	}
}

// tidy counts the files, and removes crates that the mirror holds by now (if that may have
// changed), lines that are not requested, and, beyond the limit, crates that were not
// requested recently.
func (m *Mirror) tidy(ctx context.Context, changed bool) error {
	w := walked{shown: map[string]string{}}
	m.names.begin()
	err := m.store.walkCrates(ctx, func(id crate.ID, info fs.FileInfo) error {
		if changed && m.holds(ctx, &w, id) {
			if err := m.store.remove(id, info.Size()); err != nil {
				return err
			}
			m.metrics.removed.WithLabelValues("held").Inc()
			return nil
		}
		w.add(id, info, m.age(id, info))
		return nil
	})
	if err != nil {
		return err
	}
	m.store.files.Store(w.files)
	m.store.bytes.Store(w.bytes)
	m.names.replace(w.shown, m.Behind.Holds)
	if m.cfg.MaxBytes > 0 && w.bytes > m.cfg.MaxBytes {
		if err := m.makeRoom(ctx, &w); err != nil {
			return err
		}
	}
	return m.dropLines(ctx)
}

// walked is the result of one scan of the folder.
type walked struct {
	files, bytes int64
	shown        map[string]string
	ages         [ages]int64 // bytes by time since the last request

	name string // the last crate, with its pins
	pins map[string]crate.Checksum
	said *lines
}

func (w *walked) add(id crate.ID, info fs.FileInfo, age int) {
	w.files++
	w.bytes += info.Size()
	w.ages[age] += info.Size()
	w.shown[searchKey(id.Name)] = id.Name
}

// holds reports whether the mirror itself now serves exactly these bytes of a version.
func (m *Mirror) holds(ctx context.Context, w *walked, id crate.ID) bool {
	if w.name != id.Name {
		pins, err := m.Behind.Pins(ctx, id.Name)
		if err != nil {
			return false
		}
		w.name, w.pins, w.said = id.Name, pins, nil
	}
	pin, ok := w.pins[id.Version]
	if !ok {
		return false
	}
	if w.said == nil {
		if w.said, _ = m.readLines(lowerName(id.Name)); w.said == nil {
			w.said = &lines{}
		}
	}
	e, _ := w.said.find(id, nil)
	if e != nil && e.Checksum != pin { // other bytes than ours: people should see that
		return false
	}
	f, err := m.Behind.OpenBytes(ctx, crate.Key{ID: id, Checksum: pin})
	if err != nil {
		return false
	}
	sum, _, err := crate.Hash(io.NewSectionReader(f, 0, f.Size()))
	return errors.Join(err, f.Close()) == nil && sum == pin
}

// ages is the number of classes of age: sixteen for each doubling of the seconds.
const ages = 16 * 34

// age returns the class of the time since a crate file was requested, or pulled.
func (m *Mirror) age(id crate.ID, info fs.FileInfo) int {
	last := info.ModTime()
	if used, ok := m.store.used.Peek(id); ok && used.After(last) {
		last = used
	}
	return min(ages-1, int(16*math.Log2(1+max(0, time.Since(last).Seconds()))))
}

// makeRoom removes the least recently requested crates until a twentieth of the limit is
// free.
func (m *Mirror) makeRoom(ctx context.Context, w *walked) error {
	over := w.bytes - m.cfg.MaxBytes + m.cfg.MaxBytes/20
	oldest := ages
	for freed := int64(0); freed < over && oldest > 0; {
		oldest--
		freed += w.ages[oldest]
	}
	return m.store.walkCrates(ctx, func(id crate.ID, info fs.FileInfo) error {
		if over <= 0 || m.age(id, info) < oldest {
			return nil
		}
		over -= info.Size()
		m.metrics.removed.WithLabelValues("room").Inc()
		return m.store.remove(id, info.Size())
	})
}

// dropLines removes lines that were not requested recently, of crates without a pulled
// version.
func (m *Mirror) dropLines(ctx context.Context) error {
	return m.store.walk(ctx, indexDir, func(file string, info fs.FileInfo) error {
		if time.Since(info.ModTime()) < linesFor {
			return nil
		}
		return m.dropLine(path.Base(file))
	})
}

// dropLine removes the lines of a crate if they are not needed. It holds the crate's lock,
// so nothing of it is published meanwhile.
func (m *Mirror) dropLine(name string) error {
	defer m.store.lock(name).Unlock()
	if _, recently := m.known.Peek(name); recently || m.names.has(name) {
		return nil
	}
	return m.store.removeLines(name)
}
