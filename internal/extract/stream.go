package extract

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/bundle"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/bundle/legacy"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
)

// again feeds those members of a bundle of v1.1.0 that were late in the first round, which
// has already reported what is wrong with the others.
func (r *run) again(late []bundle.Member) feed {
	wanted := make(map[crate.ID]bool, len(late))
	for _, m := range late {
		wanted[m.ID] = true
	}
	return func(ctx context.Context, b *opened, send sendFunc) error {
		return r.scan(b, func(m *member) error {
			if !wanted[m.ID] {
				return nil
			}
			return r.meet(ctx, b, m, send)
		}, nil)
	}
}

// scan visits the members of a bundle of v1.1.0, and calls damage, if it is not nil, with
// what is wrong with the bundle.
func (r *run) scan(b *opened, visit func(*member) error, damage func(*opened, int64, error)) error {
	at := legacy.Open(b.bytes, b.size)
	var offset int64
	for e, err := range at.Members() {
		if rejected := (*legacy.MemberError)(nil); errors.As(err, &rejected) {
			if damage != nil {
				r.problem(Problem{Kind: Rejected, Bundle: b.name, Err: rejected})
			}
			continue
		}
		if err != nil {
			if damage != nil {
				damage(b, offset, fmt.Errorf("from about offset %d on: %w", at.Offset(), err))
			}
			return nil
		}
		if err := visit(&member{Member: bundle.Member{ID: e.ID, Size: e.Size}, entry: e}); err != nil {
			return err
		}
		if _, err := io.Copy(io.Discard, e); err != nil {
			continue // the scan ends with that error
		}
		b.last, offset = e.ID, at.Offset()
		r.cfg.Progress.read.Store(b.before + at.Offset())
	}
	return nil
}

// heldLarge avoids a temporary file for a large member of v1.1.0 that the store has
// already: it only hashes the member.
func (r *run) heldLarge(ctx context.Context, t *task, entry io.Reader) (done bool, err error) {
	if t.Size <= inMemory || r.cfg.Superseded && !slices.Equal(t.claims, []crate.Checksum{t.want}) {
		return false, nil // or its bytes may be wanted although they are others
	}
	if there, err := r.look(ctx, t); err != nil || there != same {
		return false, nil // storing it meets the error again
	}
	sum, err := hash(entry)
	if err != nil {
		return true, nil // the scan ends with that error
	}
	if sum != t.want {
		return true, r.settle(t, r.others(t, sum))
	}
	r.cfg.Progress.kept.Add(1)
	return true, nil
}
