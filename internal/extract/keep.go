package extract

import (
	"errors"
	"io/fs"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/bundle"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/store"
)

// keep is a bundle.Sink: bytes of a large member are kept that are vouched for,
// if nothing stands under their name.
func (r *run) keep(b *opened, id crate.ID, size int64) bundle.Keeper {
	v := b.vouchers[id]
	if v == nil || !v.known || r.cfg.Store == nil {
		return nil
	}
	if _, err := r.cfg.Store.Stat(id); !errors.Is(err, fs.ErrNotExist) {
		return nil // it may be there: whoever looks reads the bundle again if it is not
	}
	spill, err := r.cfg.Store.NewSpill()
	if err != nil {
		return nil // the same error comes when it is stored
	}
	return &kept{body{Body: store.Body{Spill: spill, Size: size}}, nil}
}

// kept is the bytes of a large member on their way to a temporary file, while the
// bundle is read.
type kept struct {
	body
	err error // of writing them
}

func (k *kept) Write(b []byte) (int, error) {
	n, err := k.Spill.Write(b)
	k.err = err
	return n, err
}

// Drop implements bundle.Keeper.
func (k *kept) Drop() { k.drop() }

// bodyOf returns the bytes of a member that was verified, nil if nobody has kept
// them.
func bodyOf(m *bundle.Verified) *body {
	if m.Data != nil {
		return &body{Body: store.Body{Data: m.Data, Size: m.Size}, sum: &m.Checksum, release: m.Release}
	}
	k, ok := m.Keeper.(*kept)
	if !ok {
		return nil
	}
	if k.err != nil {
		k.drop()
		return nil
	}
	k.sum = &m.Checksum
	return &k.body
}
