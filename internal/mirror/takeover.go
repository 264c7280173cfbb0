package mirror

import (
	"context"
	"errors"
	"fmt"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/bundle"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/catalog"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/store"
)

// takeOver puts the crates of v1.1.0's bundles into the store, before anything
// is planned, so that the plan finds them held and nothing is fetched that is
// there. Such a bundle is one stream: to read one crate is to read all before
// it, so it is read once, and its crates become what every other crate is. The
// source decides which of them: those that it names with the checksum that they
// hash to. The bundle stays as it is. (docs/adr/0003-v110-bundles-are-taken-over.md)
func (r *run) takeOver(ctx context.Context) error {
	found, err := oldBundles(ctx, r.cfg.OldBundles, r.cfg.Catalog)
	if err != nil || len(found) == 0 {
		return err
	}
	claims, err := bundle.FindClaims(r.cfg.OldBundles)
	if err != nil {
		return err
	}
	for i := range found {
		r.cfg.Progress.old.size.Add(found[i].Size)
	}
	var before int64
	for i := range found {
		// One is recorded before the next: several may hold the same crate.
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

// oldBundles finds bundles of v1.1.0 that were not taken over yet.
func oldBundles(ctx context.Context, folder durable.Reader, known Reader) (found []catalog.Taken, err error) {
	if folder == nil {
		return nil, nil
	}
	entries, err := folder.ReadDir(".")
	if err != nil {
		return nil, fmt.Errorf("looking for bundles of v1.1.0: %w", err)
	}
	taken, err := known.Taken(ctx)
	if err != nil {
		return nil, err
	}
	done := make(map[string]catalog.Taken, len(taken))
	for _, t := range taken {
		done[t.Name] = t
	}
	for _, e := range entries {
		if _, err := bundle.ParseFileName(e.Name()); err != nil {
			continue
		}
		info, err := e.Info()
		if err != nil || !info.Mode().IsRegular() {
			continue // whoever makes bundles here tells what is wrong with it
		}
		t := catalog.Taken{Name: e.Name(), Size: info.Size(), Modified: info.ModTime()}
		if was := done[t.Name]; was.Size == t.Size && was.Modified.Equal(t.Modified) {
			continue
		}
		if isOld(folder, t.Name, t.Size) {
			found = append(found, t)
		}
	}
	return found, nil
}

func isOld(folder durable.Reader, name string, size int64) bool {
	f, err := folder.Open(name)
	if err != nil {
		return false
	}
	defer f.Close()
	_, err = bundle.Open(f, size)
	return errors.Is(err, bundle.ErrStream)
}

// takeOverBundle reads a bundle once, or twice if there are members that no
// manifest names: the source can be asked about them only when they were met.
func (r *run) takeOverBundle(ctx context.Context, claims *bundle.Claims, old *catalog.Taken, before int64) error {
	f, err := r.cfg.OldBundles.Open(old.Name)
	if err != nil { // it was there a moment ago
		r.cfg.Log.Error("a bundle of v1.1.0 cannot be read: its crates are fetched", "bundle", old.Name, "err", err)
		return nil
	}
	defer f.Close()
	t := takeover{run: r, worker: worker{run: r}, old: old, before: before, file: f, asked: map[crate.ID]*Entry{}}
	var ids []crate.ID
	for e, err := range claims.Of(old.Name) {
		if err == nil { // what cannot be used is asked about when it is met
			ids = append(ids, e.ID)
		}
	}
	for pass := range 2 {
		if err := t.ask(ctx, ids); err != nil {
			return err
		}
		switch useless := len(ids) > 0 && !t.wants(); {
		case useless && pass == 0 && !t.whole():
			return nil // what else lies in it, a run over the whole index will see
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

// takeover is one bundle of v1.1.0 on its way into the store.
type takeover struct {
	run     *run
	worker  worker
	old     *catalog.Taken
	before  int64 // bytes of the bundles before it
	file    durable.File
	asked   map[crate.ID]*Entry // about whom the source was asked; nil: it is not wanted
	unnamed int                 // of these, those that the source does not name
	taken   int
	damage  error // why the bundle could not be read to its end
}

// ask asks the source about crates. Wanted are those that it names and that are
// not held.
func (t *takeover) ask(ctx context.Context, ids []crate.ID) error {
	unnamed, files := map[crate.ID]bool{}, map[string]bool{}
	for _, id := range ids {
		if _, again := t.asked[id]; !again {
			t.asked[id] = nil
			unnamed[id], files[crate.IndexPath(id.Name)] = true, true
		}
	}
	if len(files) == 0 {
		return nil
	}
	defer func() { t.unnamed += len(unnamed) }()
	cfg := &t.run.cfg
	listing, err := cfg.Store.NewListing()
	if err != nil {
		return err
	}
	p := planner{cfg: cfg, catalog: cfg.Catalog, listing: listing}
	return cfg.Source.Groups(ctx, func(path, _ string) bool { return files[path] }, func(g *Group) error {
		if !files[g.Path] {
			return nil
		}
		held, err := p.heldOf(ctx, g)
		if err != nil {
			return err
		}
		for i := range g.Entries {
			e := &g.Entries[i]
			if unnamed[e.ID] && !p.stands(e, held.of(e.ID)) {
				t.asked[e.ID] = e
			}
			delete(unnamed, e.ID)
		}
		return nil
	})
}

// wants reports whether a crate is wanted that was asked about.
func (t *takeover) wants() bool {
	for _, e := range t.asked {
		if e != nil {
			return true
		}
	}
	return false
}

// whole reports whether the source names all that there is.
func (t *takeover) whole() bool {
	_, scope := t.run.cfg.Source.Revision()
	return scope == Whole
}

// stands reports whether there is anything already for the plan to look at: the
// crate itself, another one under its name, or one that contradicts it.
func (p *planner) stands(e *Entry, h *heldBytes) bool {
	v := h.now
	switch {
	case v == nil || v.Checksum != e.Checksum && v.VerifiedAt.IsZero():
		v = h.find(e.Checksum)
	case v.Checksum != e.Checksum:
		return true
	}
	if v != nil && v.ID == e.ID && p.surviving(&v.Version) != (store.Placement{}) {
		return true
	}
	return p.occupied(e.ID)
}

// finish remembers that the bundle was read, together with the rows of the last
// crates that came out of it. One that the disk did not give is tried again by
// the next run, and so is one with crates that another source may name.
func (t *takeover) finish(ctx context.Context) error {
	log := t.run.cfg.Log.With("bundle", t.old.Name, "crates", t.taken)
	done := !errors.As(t.damage, new(*unreadableError)) && (t.whole() || t.unnamed == 0)
	switch {
	case t.damage != nil:
		log.Error("a bundle of v1.1.0 is damaged: what came before that was taken over, the rest is fetched", "read_again", !done, "err", t.damage)
	case !done:
		log.Info("crates of a bundle of v1.1.0 were taken over; it holds others, which this list does not name", "others", t.unnamed)
	default:
		log.Info("the crates of a bundle of v1.1.0 were taken over; it is not needed any more, and stays until you delete it", "not_in_index", t.unnamed)
	}
	if !done {
		return nil
	}
	return t.run.send(ctx, &result{outcome: bookkeeping, taken: t.old})
}
