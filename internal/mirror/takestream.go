package mirror

import (
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"runtime"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/bundle/legacy"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/plan"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/store"
)

// read reads the bundle from front to end and puts what is wanted into the
// store: one goroutine decodes and hashes, others store. It returns the crates
// about whom nobody was asked yet. An error ends the run.
func (t *takeover) read(ctx context.Context) (late []crate.ID, err error) {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(2 * runtime.GOMAXPROCS(0)) // each holds at most keepInMemory
	err = t.scan(ctx, func(e *legacy.Member) error {
		want, asked := t.asked[e.ID]
		switch {
		case !asked:
			late = append(late, e.ID)
			return nil
		case want == nil:
			return nil
		}
		res, body, err := t.member(e, want)
		if err != nil || body == nil {
			return err // another member of the name may be it: it was published again
		}
		t.asked[e.ID] = nil // a second one is of no use
		t.taken++
		g.Go(func() error { return t.put(ctx, res, *body) })
		return nil
	})
	return late, errors.Join(err, g.Wait())
}

// scan visits the members that are crates, until the bundle or ctx is at its
// end, or visit fails.
func (t *takeover) scan(ctx context.Context, visit func(*legacy.Member) error) error {
	r := legacy.Open(t.file, t.old.Size)
	for m, err := range r.Members() {
		t.run.cfg.Progress.old.read.Store(t.before + r.Offset())
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if rejected := (*legacy.MemberError)(nil); errors.As(err, &rejected) {
			t.run.cfg.Log.Warn("a member of a bundle of v1.1.0 is no crate", "bundle", t.old.Name, "err", rejected)
			continue
		}
		if err != nil {
			t.damage = err
			return nil
		}
		if err := visit(m); err != nil {
			return err
		}
	}
	return nil
}

// member reads a member and compares it with what is wanted. It returns no body
// if the member is something else, or cannot be read, which ends the scan.
func (t *takeover) member(e *legacy.Member, want *plan.Item) (*result, *store.Body, error) {
	res := &result{item: *want, outcome: takenOver, started: time.Now()}
	k := keeper{spill: t.run.cfg.Store.NewSpill}
	h := sha256.New()
	size, err := io.Copy(io.MultiWriter(h, k.when(true)), e)
	if err != nil {
		return nil, nil, errors.Join(t.worker.fatal(err), k.discard())
	}
	if sum := crate.Checksum(h.Sum(nil)); sum != want.Checksum {
		t.run.cfg.Log.Info("a bundle of v1.1.0 holds other bytes than the index names, as of a version that was published again; they stay there",
			"crate", want.Name, "version", want.Version, "bundle", t.old.Name, "sha256", sum)
		return nil, nil, k.discard()
	}
	res.size = size
	return res, &store.Body{Data: k.data, Spill: k.file, Size: size}, nil
}

// put stores a member. One that could not be is left to the plan.
func (t *takeover) put(ctx context.Context, res *result, body store.Body) error {
	if err := t.worker.put(ctx, res, body); err != nil {
		t.run.cfg.Log.Warn("a crate of a bundle of v1.1.0 was not taken over", "crate", res.item.Name, "version", res.item.Version, "err", err)
		return t.worker.fatal(err)
	}
	res.finished = time.Now()
	return t.run.send(ctx, res)
}
