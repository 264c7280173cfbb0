// Package recent has maps of bounded size that keep the most recently used keys.
package recent

import (
	"cmp"
	"sync"
)

// Usual is the default number of keys of a [Map].
const Usual = 1 << 16

// A Map caches values by key. When it is full, it drops the half that was not used
// recently. The zero value is ready; its methods may be called concurrently.
type Map[K comparable, V any] struct {
	Most int // maximum number of keys; 0: Usual

	mu         sync.Mutex // guards what follows
	fresh, old map[K]V
}

// Get returns the value of a key.
func (m *Map[K, V]) Get(key K) (V, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	v, ok := m.find(key)
	if ok {
		m.keep(key, v)
	}
	return v, ok
}

// Peek is Get without counting as a use.
func (m *Map[K, V]) Peek(key K) (V, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.find(key)
}

// Put sets a value.
func (m *Map[K, V]) Put(key K, v V) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.keep(key, v)
}

// Change applies f to the value of a key, or to the zero value if there is none.
func (m *Map[K, V]) Change(key K, f func(*V)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	v, _ := m.find(key)
	f(&v)
	m.keep(key, v)
}

// Len returns an upper bound of the number of keys: one may be counted twice.
func (m *Map[K, V]) Len() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.fresh) + len(m.old)
}

func (m *Map[K, V]) find(key K) (V, bool) {
	v, ok := m.fresh[key]
	if !ok {
		v, ok = m.old[key]
	}
	return v, ok
}

func (m *Map[K, V]) keep(key K, v V) {
	if _, ok := m.fresh[key]; !ok && len(m.fresh) >= cmp.Or(m.Most, Usual)/2 {
		m.old, m.fresh = m.fresh, nil
	}
	if m.fresh == nil {
		m.fresh = make(map[K]V)
	}
	m.fresh[key] = v
}
