package extract

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/bundle"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/store"
)

// opened is a bundle that is being extracted. It belongs to the goroutine that
// reads the bundle; file and reader may be used by all.
type opened struct {
	name   string
	file   durable.File
	bytes  io.ReaderAt    // of file
	sums   *store.Summing // what bytes is, if there is a checksum to compare with
	want   crate.Checksum // that checksum, of the whole file
	size   int64
	reader *bundle.Reader // nil: a bundle of v1.1.0
	before int64          // sizes of the bundles before it
	pins

	late []bundle.Member // those without a known checksum before the bundle was read
	last crate.ID        // the last member that could be read
	bad  int64           // where the first damage is; size: nowhere in its members

	damaged bool // something was told of it
}

// bundle extracts one bundle, which follows others of so many bytes. An error
// ends the run.
func (r *run) bundle(ctx context.Context, name string, before int64) (size int64, err error) {
	b, err := r.open(name, before)
	if err != nil {
		r.problem(Problem{Kind: Damaged, Bundle: name, Err: err})
		return 0, nil
	}
	defer b.file.Close()
	if b.pins, err = r.pinsOf(ctx, name); err != nil {
		return 0, err
	}
	if err := r.round(ctx, b, r.members); err != nil {
		return 0, err
	}
	r.compareSum(b)
	if err := r.lateRound(ctx, b); err != nil {
		return 0, err
	}
	r.reportMissing(b)
	return b.size, nil
}

func (r *run) open(name string, before int64) (*opened, error) {
	f, size, err := openSized(r.cfg.Bundles, name)
	if err != nil {
		return nil, err
	}
	b := &opened{name: name, file: f, bytes: f, size: size, before: before, bad: size}
	if named, err := bundle.ParseFileName(name); err == nil && r.sums[named] != (crate.Checksum{}) {
		b.sums, b.want = store.NewSumming(f), r.sums[named]
		b.bytes = b.sums
	}
	// What is no bundle of ours, or cannot be read somewhere (F13), is read as one
	// stream, and tells then how far that went.
	b.reader, _ = bundle.Open(b.bytes, b.size)
	return b, nil
}

// lateRound extracts the members whose checksums could be asked for only once they were met.
func (r *run) lateRound(ctx context.Context, b *opened) error {
	late := b.late
	b.late = nil
	if len(late) == 0 {
		return nil
	}
	if r.cfg.Index != nil {
		ids := make([]crate.ID, len(late))
		for i := range late {
			ids[i] = late[i].ID
		}
		if err := r.ask(ctx, b.pins, ids); err != nil {
			return err
		}
	} else {
		r.believe(b, late)
	}
	if b.reader == nil {
		return r.round(ctx, b, r.again(late))
	}
	return r.round(ctx, b, func(ctx context.Context, b *opened, send sendFunc) error {
		for _, m := range late {
			if err := r.meet(ctx, b, &member{Member: m}, send); err != nil {
				return err
			}
		}
		return nil
	})
}

// believe takes the checksums of a bundle's members from the bundle itself. What is after
// damage might not be a member: a crate may hold frames, and the only checksum of a
// bundle of v1.1.0 is at its end.
func (r *run) believe(b *opened, late []bundle.Member) {
	for _, m := range late {
		trusted := m.Offset < b.bad && (b.reader != nil || b.bad == b.size)
		v := b.pins[m.ID]
		if v == nil {
			v = &pin{known: true}
			b.pins[m.ID] = v
		}
		v.sum, v.known = m.Checksum, v.known && trusted // as in a manifest, what comes later stands
		v.claim(m.Checksum)
	}
}

// reportMissing reports what the manifest names and the bundle does not have.
func (r *run) reportMissing(b *opened) {
	for _, id := range b.pins.ids() {
		if v := b.pins[id]; v.met < len(v.claims) {
			r.problem(Problem{Missing, b.name, id, errors.New("the manifest names it, but it is not in the bundle")})
		}
	}
}

// damage reports that bytes of a bundle cannot be used.
func (r *run) damage(b *opened, offset int64, err error) {
	b.bad, b.damaged = min(b.bad, offset), true
	after := "; no member before it is good"
	if b.last != (crate.ID{}) {
		after = fmt.Sprintf("; the last good member before it is %s", b.last)
	}
	r.problem(Problem{Kind: Damaged, Bundle: b.name, Err: fmt.Errorf("%w%s", err, after)})
}
