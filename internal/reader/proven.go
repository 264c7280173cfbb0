package reader

import (
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/recent"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/store"
)

// provenFor is how long a verification is valid. A disk that loses bytes does not change
// the time of a file.
const provenFor = 10 * time.Minute

// proven remembers where the bytes of a checksum were found, in some 150 bytes each.
type proven struct {
	recent.Map[crate.Checksum, proof]
}

type proof struct {
	store.Identity
	made time.Time
}

// has reports whether the bytes of sum were found there.
func (p *proven) has(sum crate.Checksum, id store.Identity, now time.Time) bool {
	have, ok := p.Get(sum)
	return ok && have.Identity == id && id != (store.Identity{}) && now.Sub(have.made) < provenFor
}

// add remembers that the bytes of sum were found there by a reading that began at now. It
// returns false if the file may change and look the same.
func (p *proven) add(sum crate.Checksum, id store.Identity, now time.Time) bool {
	settled := id.Settled(now)
	if settled {
		p.Put(sum, proof{id, now})
	}
	return settled
}
