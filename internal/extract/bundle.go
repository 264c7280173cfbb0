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

// opened is a bundle that is being extracted. Only the goroutine that reads the bundle uses
// it, except file and reader, which all may use.
type opened struct {
	name   string
	file   durable.File
	bytes  io.ReaderAt    // of file
	sums   *store.Summing // computes its checksum, if there is one to compare with
	want   crate.Checksum // the expected checksum of the whole file
	size   int64
	reader *bundle.Reader // nil: a bundle of v1.1.0
	before int64          // total size of the bundles before it
	pins

	late []bundle.Member // members whose checksum was unknown before the bundle was read
	last crate.ID        // the last readable member
	bad  int64           // offset of the first damage; size: none in its members

	damaged bool // damage was reported
}

// bundle extracts one bundle; before is the total size of earlier ones. An error ends the
// run.
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
	// A file that is not a bundle of ours, or is unreadable somewhere (F13), is read as one
	// stream, which reports how far that went.
	b.reader, _ = bundle.Open(b.bytes, b.size)
	return b, nil
}

// lateRound extracts the members whose checksums were looked up after the bundle was read.
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

// believe uses the checksums in the bundle itself. What follows damage might not be a
// member: a crate may contain frames, and a bundle of v1.1.0 has only one checksum, at its
// end.
func (r *run) believe(b *opened, late []bundle.Member) {
	for _, m := range late {
		trusted := m.Offset < b.bad && (b.reader != nil || b.bad == b.size)
		v := b.pins[m.ID]
		if v == nil {
			v = &pin{known: true}
			b.pins[m.ID] = v
		}
		v.sum, v.known = m.Checksum, v.known && trusted // as in a manifest, the last one counts
		v.claim(m.Checksum)
	}
}

// reportMissing reports crates that the manifest names and the bundle lacks.
func (r *run) reportMissing(b *opened) {
	for _, id := range b.pins.ids() {
		if v := b.pins[id]; v.met < len(v.claims) {
			r.problem(Problem{Missing, b.name, id, errors.New("the manifest names it, but the bundle does not have it")})
		}
	}
}

// damage reports that bytes of a bundle are unusable.
func (r *run) damage(b *opened, offset int64, err error) {
	b.bad, b.damaged = min(b.bad, offset), true
	after := "; no member before it is good"
	if b.last != (crate.ID{}) {
		after = fmt.Sprintf("; the last good member before it is %s", b.last)
	}
	r.problem(Problem{Kind: Damaged, Bundle: b.name, Err: fmt.Errorf("%w%s", err, after)})
}
