package extract

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/bundle"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/store"
)

// member is one that was met in a bundle, with the bytes that were verified and
// hashed there unless somebody must read them again. In bundles of v1.1.0 it has
// neither a Checksum nor a Placement, and its bytes are read from entry before
// the next member is met.
type member struct {
	bundle.Member
	body  *body
	entry *bundle.Entry
}

// sendFunc gives a member to the workers. A feed meets members and sends those
// that are vouched for.
type (
	sendFunc func(task) error
	feed     func(ctx context.Context, b *opened, send sendFunc) error
)

// members feeds all members of a bundle.
func (r *run) members(ctx context.Context, b *opened, send sendFunc) error {
	return r.walk(b, func(m *member) error { return r.meet(ctx, b, m, send) })
}

// walk visits all members of a bundle, and reports what is wrong with it.
func (r *run) walk(b *opened, visit func(*member) error) error {
	if b.reader == nil {
		return r.scan(b, visit, r.damage)
	}
	for m, err := range b.reader.Contents(func(id crate.ID, size int64) bundle.Keeper { return r.keep(b, id, size) }) {
		if err != nil {
			r.damage(b, offsetOf(err, b.size), err)
			continue
		}
		b.last = m.ID
		r.cfg.Progress.read.Store(b.before + m.Offset + m.FrameSize)
		met := &member{Member: m.Member, body: bodyOf(&m)}
		err := visit(met)
		met.drop()
		if err != nil {
			return err
		}
	}
	return nil
}

// drop gives up the bytes that nobody has taken.
func (m *member) drop() {
	if m.body != nil {
		m.body.drop()
		m.body = nil
	}
}

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

func offsetOf(err error, size int64) int64 {
	if damage := (*bundle.DamageError)(nil); errors.As(err, &damage) {
		return damage.Offset
	}
	return size
}

// again feeds those members of a bundle of v1.1.0 that were late in the first
// round, which has told already what is wrong with the others.
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

// scan visits the members of a bundle of v1.1.0 and tells damage, if that is
// not nil, what is wrong with the bundle.
func (r *run) scan(b *opened, visit func(*member) error, damage func(*opened, int64, error)) error {
	at := &position{r: io.NewSectionReader(b.bytes, 0, b.size)}
	var offset int64
	for e, err := range bundle.Scan(at, b.size) {
		if rejected := (*bundle.EntryError)(nil); errors.As(err, &rejected) {
			if damage != nil {
				r.problem(Problem{Kind: Rejected, Bundle: b.name, Err: rejected})
			}
			continue
		}
		if err != nil {
			if damage != nil {
				damage(b, offset, fmt.Errorf("from about offset %d on: %w", at.n, err))
			}
			return nil
		}
		if err := visit(&member{Member: bundle.Member{ID: e.ID, Size: e.Size}, entry: e}); err != nil {
			return err
		}
		if _, err := io.Copy(io.Discard, e); err != nil {
			continue // the scan ends with that error
		}
		b.last, offset = e.ID, at.n
		r.cfg.Progress.read.Store(b.before + at.n)
	}
	return nil
}

// position counts what is read.
type position struct {
	r io.Reader
	n int64
}

func (p *position) Read(b []byte) (int, error) {
	n, err := p.r.Read(b)
	p.n += int64(n)
	return n, err
}

// meet decides what becomes of a member. An error ends the run.
func (r *run) meet(ctx context.Context, b *opened, m *member, send sendFunc) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	v := b.vouchers[m.ID]
	switch {
	case v == nil && (r.cfg.Index != nil || r.cfg.Unverified):
		return r.putOff(b, m)
	case v == nil || !v.known:
		r.problem(Problem{Unknown, b.name, m.ID, fmt.Errorf("%sit is in the bundle, but %s", where(&m.Member), r.silence())})
	case b.reader != nil && m.Checksum != v.sum:
		r.problem(Problem{Wrong, b.name, m.ID, mismatch(&m.Member, m.Checksum, v.sum)})
	case b.reader != nil && v.met: // the same bytes a second time
	default:
		v.met = true
		return r.sendMember(b, m, v.sum, send)
	}
	if v != nil {
		v.met = true
	}
	return nil
}

// putOff remembers a member for the late round. One that shall vouch for
// itself is hashed.
func (r *run) putOff(b *opened, m *member) error {
	if m.entry != nil && r.cfg.Unverified {
		var err error
		if m.Checksum, err = hash(m.entry); err != nil {
			return nil // the scan ends with that error
		}
	}
	b.late = append(b.late, m.Member)
	return nil
}

// sendMember gives a member to the workers.
func (r *run) sendMember(b *opened, m *member, want crate.Checksum, send sendFunc) error {
	t := task{bundle: b.name, reader: b.reader, Member: m.Member, want: want, body: m.body}
	m.body = nil
	if m.entry != nil {
		if done, err := r.heldLarge(&t, m.entry); done || err != nil {
			return err
		}
		var err error
		t.body, err = r.read(m.entry, m.Size)
		if errors.As(err, new(*sourceError)) {
			return nil // the scan ends with that error
		}
		if err != nil {
			return fmt.Errorf("storing %s: %w", m.ID, err)
		}
	}
	return send(t)
}

// heldLarge saves a large member of v1.1.0 its way through a temporary file
// where the store has it already: it is only hashed.
func (r *run) heldLarge(t *task, entry io.Reader) (done bool, err error) {
	if t.Size <= inMemory {
		return false, nil
	}
	if there, err := r.look(t); err != nil || there != same {
		return false, nil // whoever stores it meets the error again
	}
	sum, err := hash(entry)
	if err != nil {
		return true, nil // the scan ends with that error
	}
	if sum != t.want {
		return true, r.settle(t, t.problem(Wrong, mismatch(&t.Member, sum, t.want)))
	}
	r.cfg.Progress.kept.Add(1)
	return true, nil
}

// where says where in the bundle a member is, if that is known.
func where(m *bundle.Member) string {
	if m.FrameSize == 0 {
		return ""
	}
	return fmt.Sprintf("at offset %d: ", m.Offset)
}

func mismatch(m *bundle.Member, got, want crate.Checksum) error {
	return fmt.Errorf("%ssha256 of its %d bytes is %s, but must be %s", where(m), m.Size, got, want)
}

// silence says who does not vouch.
func (r *run) silence() string {
	switch {
	case r.cfg.Index != nil:
		return "the index does not name it"
	case r.cfg.Unverified:
		return "the bundle is damaged before it or cannot be read to its end, so it cannot vouch for it"
	default:
		return "its manifest does not name it"
	}
}
