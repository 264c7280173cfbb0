package reader

import (
	"sync"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/store"
)

// provenFor is how long a proof holds. A disk that loses bytes changes no time
// of any file.
const provenFor = 10 * time.Minute

// proven remembers where the bytes of a checksum were found.
type proven struct{ recent[proof] }

type proof struct {
	store.Identity
	made time.Time
}

// has reports whether the bytes of sum were found there.
func (p *proven) has(sum crate.Checksum, id store.Identity, now time.Time) bool {
	have, ok := p.get(sum)
	return ok && have.Identity == id && id != (store.Identity{}) && now.Sub(have.made) < provenFor
}

// add remembers that the bytes of sum were found there by somebody who began to
// look for them at now, unless the file may change and look the same.
func (p *proven) add(sum crate.Checksum, id store.Identity, now time.Time) {
	if id.Settled(now) {
		p.put(sum, proof{id, now})
	}
}

// maxRecent bounds how many crates are remembered, with some 150 bytes each.
const maxRecent = 1 << 16

// recent remembers something of checksums. When it is full it forgets the half
// that was not asked for lately.
type recent[T any] struct {
	mu         sync.Mutex // guards what follows
	fresh, old map[crate.Checksum]T
}

func (r *recent[T]) get(sum crate.Checksum) (T, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if v, ok := r.fresh[sum]; ok {
		return v, true
	}
	v, ok := r.old[sum]
	if ok {
		r.keep(sum, v)
	}
	return v, ok
}

func (r *recent[T]) put(sum crate.Checksum, v T) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.keep(sum, v)
}

func (r *recent[T]) keep(sum crate.Checksum, v T) {
	if len(r.fresh) >= maxRecent/2 {
		r.old, r.fresh = r.fresh, nil
	}
	if r.fresh == nil {
		r.fresh = make(map[crate.Checksum]T)
	}
	r.fresh[sum] = v
}
