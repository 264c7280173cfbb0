package extract

import (
	"context"
	"errors"
	"fmt"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/bundle"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/bundle/legacy"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
)

// member is a member found in a bundle, with its verified and hashed bytes unless they must
// be read again. In bundles of v1.1.0 it has neither Checksum nor Placement, and its bytes
// are read from entry before the next member.
type member struct {
	bundle.Member
	body  *body
	entry *legacy.Member
}

// sendFunc passes a member to the workers. A feed finds members and sends those whose
// checksum is known.
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

// drop releases bytes that were not taken.
func (m *member) drop() {
	if m.body != nil {
		m.body.drop()
		m.body = nil
	}
}

func offsetOf(err error, size int64) int64 {
	if damage := (*bundle.DamageError)(nil); errors.As(err, &damage) {
		return damage.Offset
	}
	return size
}

// meet decides what to do with a member. An error ends the run.
func (r *run) meet(ctx context.Context, b *opened, m *member, send sendFunc) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	v := b.pins[m.ID]
	switch {
	case v == nil && (r.cfg.Index != nil || r.cfg.Unverified):
		return r.putOff(b, m)
	case v == nil || !v.known:
		if v != nil {
			v.met++
		}
		r.problem(Problem{Unknown, b.name, m.ID, fmt.Errorf("%sit is in the bundle, but %s", where(&m.Member), r.silence())})
	case b.reader != nil && m.Checksum == v.sum && v.found: // the same bytes a second time
	default:
		v.met++
		v.found = v.found || m.Checksum == v.sum
		return r.sendMember(ctx, b, m, v, send)
	}
	return nil
}

// putOff remembers a member for the late round. One without a checksum is hashed.
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

// sendMember passes a member to the workers.
func (r *run) sendMember(ctx context.Context, b *opened, m *member, v *pin, send sendFunc) error {
	t := task{bundle: b.name, reader: b.reader, Member: m.Member, want: v.sum, yanked: v.yanked, claims: v.claims, later: v.later, body: m.body}
	m.body = nil
	if t.later || b.reader != nil && m.Checksum != v.sum {
		got := v.sum // with bundles of v1.1.0, its bytes will tell
		if b.reader != nil {
			got = m.Checksum
		}
		if err := r.others(&t, got); err != nil {
			t.drop()
			return r.settle(&t, err)
		}
	}
	if m.entry != nil {
		if done, err := r.heldLarge(ctx, &t, m.entry); done || err != nil {
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

// where describes the place of a member in the bundle, if it is known.
func where(m *bundle.Member) string {
	if m.FrameSize == 0 {
		return ""
	}
	return fmt.Sprintf("at offset %d: ", m.Offset)
}

func mismatch(m *bundle.Member, got, want crate.Checksum) error {
	return fmt.Errorf("%ssha256 of its %d bytes is %s, but must be %s", where(m), m.Size, got, want)
}

// silence names the source that has no checksum.
func (r *run) silence() string {
	switch {
	case r.cfg.Index != nil:
		return "the index does not name it"
	case r.cfg.Unverified:
		return "the bundle is damaged before it or cannot be read to its end, so it cannot prove it"
	default:
		return "its manifest does not name it"
	}
}
