package pull

import "sync"

// maxRecent bounds how many keys are remembered.
const maxRecent = 1 << 16

// recent remembers something of keys. When it is full it forgets the half that was not
// asked for lately. The zero value is ready.
type recent[K comparable, V any] struct {
	mu         sync.Mutex // guards what follows
	fresh, old map[K]V
}

func (r *recent[K, V]) get(key K) (V, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if v, ok := r.fresh[key]; ok {
		return v, true
	}
	v, ok := r.old[key]
	if ok {
		r.keep(key, v)
	}
	return v, ok
}

// change puts in the place of what is remembered, which may be the zero value, what f
// makes of it.
func (r *recent[K, V]) change(key K, f func(*V)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	v, ok := r.fresh[key]
	if !ok {
		v = r.old[key]
	}
	f(&v)
	r.keep(key, v)
}

func (r *recent[K, V]) put(key K, v V) { r.change(key, func(old *V) { *old = v }) }

// keep is called with mu held.
func (r *recent[K, V]) keep(key K, v V) {
	if len(r.fresh) >= maxRecent/2 {
		r.old, r.fresh = r.fresh, nil
	}
	if r.fresh == nil {
		r.fresh = make(map[K]V)
	}
	r.fresh[key] = v
}

// peek is get of somebody who does not ask for it.
func (r *recent[K, V]) peek(key K) (V, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	v, ok := r.fresh[key]
	if !ok {
		v, ok = r.old[key]
	}
	return v, ok
}
