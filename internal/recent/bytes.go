package recent

import "sync"

// Bytes caches byte slices by key, up to a total size. When it is full, it drops those that
// were not used since it was half full. Its methods may be called concurrently; the bytes
// must not be changed.
type Bytes[K comparable] struct {
	Most int64 // total size without keys; slices longer than half of it are not cached

	mu         sync.Mutex // guards what follows
	size       int64      // of fresh
	fresh, old map[K][]byte
}

// Get returns the bytes of a key, or nil if they are not cached.
func (b *Bytes[K]) Get(key K) []byte {
	b.mu.Lock()
	defer b.mu.Unlock()
	if data, ok := b.fresh[key]; ok {
		return data
	}
	data, ok := b.old[key]
	if ok {
		b.keep(key, data)
	}
	return data
}

// Put caches the bytes of a key.
func (b *Bytes[K]) Put(key K, data []byte) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.keep(key, data)
}

func (b *Bytes[K]) keep(key K, data []byte) {
	n := int64(len(data))
	if n > b.Most/2 {
		return
	}
	b.size -= int64(len(b.fresh[key]))
	if b.size+n > b.Most/2 {
		b.old, b.fresh, b.size = b.fresh, nil, 0
	}
	if b.fresh == nil {
		b.fresh = make(map[K][]byte)
	}
	b.fresh[key] = data
	b.size += n
}
