package mirror

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"runtime"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/bundle/legacy"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/bundle/lists"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/catalog"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/plan"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/store"
)

// takeOver copies the crates of v1.1.0's bundles into the store before planning, so that
// the plan finds them held and does not download them. Such a bundle is one stream: reading
// one crate means reading all crates before it, so it is read once, and its crates are
// stored like any other. Only crates that the source names with the checksum that they have
// are copied. The bundle stays unchanged. (docs/adr/0003-v110-bundles-are-taken-over.md)
func (r *run) takeOver(ctx context.Context) error {
	found, err := plan.OldBundles(ctx, r.cfg.OldBundles, r.cfg.Catalog)
	if err != nil || len(found) == 0 {
		return err
	}
	claims, err := lists.FindClaims(r.cfg.OldBundles)
	if err != nil {
		return err
	}
	for i := range found {
		r.cfg.Progress.old.size.Add(found[i].Size)
	}
	var before int64
	for i := range found {
		// Each bundle is recorded before the next is read: several may hold the same crate.
		err := r.committing(ctx, func(ctx, _ context.Context) error {
			return r.takeOverBundle(ctx, claims, &found[i], before)
		})
		if err != nil {
			return fmt.Errorf("taking over the crates of %s: %w", found[i].Name, err)
		}
		before += found[i].Size
	}
	r.cfg.Progress.old.read.Store(before)
	return nil
}

// takeOverBundle reads a bundle once, or twice if it has members that no manifest names:
// the source can be asked about them only after they are found.
func (r *run) takeOverBundle(ctx context.Context, claims *lists.Claims, old *catalog.Taken, before int64) error {
	f, err := r.cfg.OldBundles.Open(old.Name)
	if err != nil { // it was there a moment ago
		r.cfg.Log.Error("a bundle of v1.1.0 cannot be read: its crates are downloaded", "bundle", old.Name, "err", err)
		return nil
	}
	defer f.Close()
	t := takeover{run: r, worker: worker{run: r}, old: old, before: before, file: f, asked: map[crate.ID]*plan.Item{}}
	var ids []crate.ID
	for e, err := range claims.Of(old.Name) {
		if err == nil { // unusable claims are looked up when their members are found
			ids = append(ids, e.ID)
		}
	}
	for pass := range 2 {
		if err := t.ask(ctx, ids); err != nil {
			return err
		}
		switch useless := len(ids) > 0 && !t.wants(); {
		case useless && pass == 0 && !t.whole():
			return nil // a run over the whole index reads the rest of it
		case useless && pass > 0:
			return t.finish(ctx)
		}
		if ids, err = t.read(ctx); err != nil {
			return err
		}
		if len(ids) == 0 {
			break
		}
	}
	return t.finish(ctx)
}

// takeover is a bundle of v1.1.0 that is being copied into the store.
type takeover struct {
	run     *run
	worker  worker
	old     *catalog.Taken
	before  int64 // bytes of the bundles before it
	file    durable.File
	asked   map[crate.ID]*plan.Item // crates that the source was asked about; nil: not wanted
	unnamed int                     // of these, crates that the source does not name
	taken   int
	damage  error // why the bundle could not be read to its end
}

// ask asks the source about crates. Wanted are those that it names and that are not held.
func (t *takeover) ask(ctx context.Context, ids []crate.ID) error {
	var fresh []crate.ID
	for _, id := range ids {
		if _, again := t.asked[id]; !again {
			t.asked[id] = nil
			fresh = append(fresh, id)
		}
	}
	cfg := &t.run.cfg
	unnamed, err := plan.Missing(ctx, cfg.Config, cfg.held(), fresh, func(e *plan.Item) { t.asked[e.ID] = e })
	t.unnamed += unnamed
	return err
}

// wants reports whether any crate asked about is still wanted.
func (t *takeover) wants() bool {
	for _, e := range t.asked {
		if e != nil {
			return true
		}
	}
	return false
}

// whole reports whether the source names all published versions.
func (t *takeover) whole() bool {
	_, scope := t.run.cfg.Source.Revision()
	return scope == plan.Whole
}

// finish records that the bundle was read, together with the rows of its last crates. The
// next run reads it again if the disk could not read all of it, or if another source may
// name more of its crates.
func (t *takeover) finish(ctx context.Context) error {
	log := t.run.cfg.Log.With("bundle", t.old.Name, "crates", t.taken)
	done := !errors.As(t.damage, new(*legacy.ReadError)) && (t.whole() || t.unnamed == 0)
	switch {
	case t.damage != nil:
		log.Error("a bundle of v1.1.0 is damaged: crates before the damage were taken over, the rest is downloaded", "read_again", !done, "err", t.damage)
	case !done:
		log.Info("crates of a bundle of v1.1.0 were taken over; it holds others, which this list does not name", "others", t.unnamed)
	default:
		log.Info("the crates of a bundle of v1.1.0 were taken over; it stays until clonecratesio prune -old-bundles proves them and removes it", "not_in_index", t.unnamed)
	}
	if !done {
		return nil
	}
	return t.run.send(ctx, &result{outcome: bookkeeping, taken: t.old})
}

// read reads the bundle from front to end and stores what is wanted: one goroutine decodes
// and hashes, others store. It returns the crates that the source was not asked about yet.
// An error ends the run.
func (t *takeover) read(ctx context.Context) (late []crate.ID, err error) {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(2 * runtime.GOMAXPROCS(0)) // each holds at most store.KeptInMemory
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
			return err // another member with this name may be the right one: it was published again
		}
		t.asked[e.ID] = nil // a second copy is useless
		t.taken++
		g.Go(func() error { return t.put(ctx, res, *body) })
		return nil
	})
	return late, errors.Join(err, g.Wait())
}

// scan calls visit for the members that are crates, until the bundle or ctx ends, or visit
// fails.
func (t *takeover) scan(ctx context.Context, visit func(*legacy.Member) error) error {
	r := legacy.Open(t.file, t.old.Size)
	for m, err := range r.Members() {
		t.run.cfg.Progress.old.read.Store(t.before + r.Offset())
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if rejected := (*legacy.MemberError)(nil); errors.As(err, &rejected) {
			t.run.cfg.Log.Warn("a member of a bundle of v1.1.0 is not a crate", "bundle", t.old.Name, "err", rejected)
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

// member reads a member and compares it with what is wanted. It returns no body if the
// member is something else, or if it cannot be read, which ends the scan.
func (t *takeover) member(e *legacy.Member, want *plan.Item) (*result, *store.Body, error) {
	res := &result{item: *want, outcome: takenOver, started: time.Now()}
	k := store.Keeper{New: t.run.cfg.Store.NewSpill}
	h := sha256.New()
	size, err := io.Copy(io.MultiWriter(h, k.When(true)), e)
	if err != nil {
		return nil, nil, errors.Join(t.worker.fatal(err), k.Discard())
	}
	if sum := crate.Checksum(h.Sum(nil)); sum != want.Checksum {
		t.run.cfg.Log.Info("a bundle of v1.1.0 holds other bytes than the index names, as of a version that was published again; they stay there",
			"crate", want.Name, "version", want.Version, "bundle", t.old.Name, "sha256", sum)
		return nil, nil, k.Discard()
	}
	res.size = size
	return res, k.Body(size, store.Placement{}), nil
}

// put stores a member. If that fails, the plan handles the crate.
func (t *takeover) put(ctx context.Context, res *result, body store.Body) error {
	if err := t.worker.put(ctx, res, body); err != nil {
		t.run.cfg.Log.Warn("a crate of a bundle of v1.1.0 was not taken over", "crate", res.item.Name, "version", res.item.Version, "err", err)
		return t.worker.fatal(err)
	}
	res.finished = time.Now()
	return t.run.send(ctx, res)
}
