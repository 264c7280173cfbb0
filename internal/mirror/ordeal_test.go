package mirror

import (
	"bytes"
	"context"
	"errors"
	"math/rand/v2"
	"os"
	"slices"
	"sync"
	"testing"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/catalog"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable/durabletest"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/plan"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/simreg"
)

// ordeal is a run that is interrupted, or whose disk fails, at each of its operations.
type ordeal struct {
	name     string
	bundle   *bundling
	noAll    bool                        // the disk cannot sync everything at once
	chaos    bool                        // half of the versions go wrong when they are asked for first
	prepare  func(w *world)              // what the run starts from; nil: nothing
	change   func(w *world, cfg *Config) // of the run; nil: it is an ordinary one
	spoiling bool                        // prepare damages something, which the run finds
}

// where is where the run stores.
func (o *ordeal) where() string {
	if o.bundle == nil {
		return "loose"
	}
	return "bundles"
}

func in1500() *bundling { return &bundling{target: 1500} }

// looseOrdeals are of runs that store loose files.
func looseOrdeals() []ordeal {
	return []ordeal{
		{name: "fresh"},
		{name: "fresh, file by file", noAll: true},
		{name: "fresh, upstream misbehaves", chaos: true},
		{name: "update", prepare: publish, change: acceptShrink},
		{name: "repair", prepare: damageLoose, change: repair, spoiling: true},
		{name: "repair bundles", prepare: damageBundles, change: repair, spoiling: true},
		{name: "take over", prepare: leaveOld},
		{name: "published again", prepare: republishSome, change: acceptRepublished},
		{name: "published again, file by file", prepare: republishSome, change: acceptRepublished, noAll: true},
		{name: "back to what it was", prepare: republishAndBack, change: acceptRepublished},
		{name: "published again after bundles", prepare: republishBundled, change: acceptRepublished},
	}
}

// bundleOrdeals are of runs that make bundles.
func bundleOrdeals() []ordeal {
	return []ordeal{
		{name: "fresh", bundle: in1500()},
		{name: "fresh, upstream misbehaves", bundle: in1500(), chaos: true},
		{name: "add", bundle: &bundling{target: 1500, add: true}},
		{name: "update", bundle: in1500(), prepare: publish, change: acceptShrink},
		{name: "move", bundle: in1500(), prepare: storeLoose},
		{name: "move, file by file", bundle: in1500(), prepare: storeLoose, noAll: true},
		{name: "repair", bundle: in1500(), prepare: damageMembers, change: verifyExisting, spoiling: true},
		{name: "take over", bundle: in1500(), prepare: leaveOld},
		{name: "published again", bundle: in1500(), prepare: republishSome, change: acceptRepublished},
		{name: "published again, add", bundle: &bundling{target: 1500, add: true}, prepare: republishSome, change: acceptRepublished},
		{name: "back to what it was, add", bundle: &bundling{target: 1500, add: true}, prepare: republishAndBack, change: acceptRepublished},
		{name: "published again, move", bundle: in1500(), prepare: republishLoose, change: acceptRepublished},
	}
}

// medium has enough for several bundles of 1,500 bytes.
const medium = small + `
	d-one 1.0.0
	d-one 1.0.1
	d-two 0.1.0
	e-three 0.1.0
`

// publish changes the registry after a first run: versions are new, yanked, not yanked
// any more, and gone, one of them with its crate.
func publish(w *world) {
	w.mustRun(nil)
	w.vanish(crate.ID{Name: "foo", Version: "2.0.0+meta"})
	w.vanish(bar)
	w.reg.Yank(foo1, true)
	w.reg.Yank(foo11, false)
	w.reg.Add(simreg.MustParse("ox 0.3.1\nnew 1.0.0\nnew 1.0.1 yanked")...)
	must(w.t, os.RemoveAll(w.index))
	w.writeIndex()
}

func acceptShrink(_ *world, cfg *Config) { cfg.AcceptShrink = true }

// storeLoose makes a mirror of loose files.
func storeLoose(w *world) {
	b := w.bundle
	w.bundle = nil
	w.mustRun(nil)
	w.bundle = b
}

// republishSome lets versions be published again after a first run, one of them
// twice, and another be what it was at first after it was something else.
func republishSome(w *world) {
	w.mustRun(nil)
	w.republish(ox)
	w.writeIndex()
	w.mustRun(func(cfg *Config) { cfg.AcceptRepublished = plan.AcceptAlways })
	w.republish(foo1)
	w.republish(ox)
	w.writeIndex()
}

// republishAndBack lets a version have other bytes, and then those that it had.
func republishAndBack(w *world) {
	w.mustRun(nil)
	first := w.key(foo1)
	w.republish(foo1)
	w.writeIndex()
	w.mustRun(func(cfg *Config) { cfg.AcceptRepublished = plan.AcceptAlways })
	w.before[foo1] = w.key(foo1).Checksum
	w.reg.Remove(foo1)
	w.reg.Restore(foo1, first.Checksum)
	w.writeIndex()
}

// republishLoose is republishSome of a mirror of loose files, republishBundled of
// one of bundles.
func republishLoose(w *world) {
	b := w.bundle
	w.bundle = nil
	republishSome(w)
	w.bundle = b
}

func republishBundled(w *world) {
	w.bundle = in1500()
	republishSome(w)
	w.bundle = nil
}

func acceptRepublished(_ *world, cfg *Config) { cfg.AcceptRepublished = plan.AcceptAlways }

// leaveOld leaves a bundle of v1.1.0, with some of its manifest.
func leaveOld(w *world) {
	all := w.items()
	w.old(all, all[:4])
}

// damageLoose flips a bit of one crate and removes another.
func damageLoose(w *world) {
	w.mustRun(nil)
	flip(w.t, w.disk, foo1.LoosePath(), 10)
	must(w.t, w.disk.Remove(ox.LoosePath()))
	w.spoiled = map[crate.ID]bool{foo1: true, ox: true}
	var err error
	w.evidence, err = content(w.disk, foo1)
	must(w.t, err)
}

// damageMembers flips a bit of two crates in bundles.
func damageMembers(w *world) {
	w.mustRun(nil)
	w.spoiled = map[crate.ID]bool{foo1: true, ox: true}
	for id := range w.spoiled {
		v := w.catalog.versions[id]
		flip(w.t, w.disk, v.Bundle, v.Offset+v.FrameSize/2)
	}
}

// damageBundles is damageMembers of a mirror that stores loose files since.
func damageBundles(w *world) {
	w.bundle = in1500()
	damageMembers(w)
	w.bundle = nil
}

func verifyExisting(_ *world, cfg *Config) { cfg.VerifyExisting = true }

// repair is what "verify -repair" runs for what it found.
func repair(w *world, cfg *Config) {
	var bad []plan.Item
	for _, id := range []crate.ID{foo1, ox} {
		sum, err := w.checksum(id)
		must(w.t, err)
		bad = append(bad, plan.Item{ID: id, Checksum: sum})
	}
	cfg.Source, cfg.VerifyExisting = plan.FromList(bad, nil), true
}

// begin makes what the run of an ordeal starts from.
func (o *ordeal) begin(t *testing.T, seed uint64) *world {
	t.Helper()
	w := newWorld(t, parse(medium))
	w.disk.NoSyncAll, w.bundle = o.noAll, o.bundle
	if o.prepare != nil {
		o.prepare(w)
	}
	if err := w.disk.SyncAll(); err != nil && !errors.Is(err, errors.ErrUnsupported) {
		t.Fatal(err)
	}
	if o.chaos {
		w.reg.Chaos(seed, 0.5)
	}
	return w
}

// run is the run of an ordeal, on w.disk or something around it.
func (o *ordeal) run(w *world, fsys durable.FS) (*Summary, error) {
	w.t.Helper()
	return w.run(context.Background(), fsys, func(cfg *Config) {
		if o.change != nil {
			o.change(w, cfg)
		}
	})
}

// wreck is a disk and a catalog as a power failure, a kill or a broken disk left them.
type wreck struct {
	at      string
	disk    *durabletest.Mem
	catalog *memCatalog
}

// wreckEverywhere carries the run out and takes wrecks at every operation.
func (o *ordeal) wreckEverywhere(w *world, rnd *rand.Rand) (wrecks []wreck) {
	w.t.Helper()
	var mu sync.Mutex
	hooked := durabletest.Hook(w.disk, func(op durabletest.Op) durabletest.Fault {
		mu.Lock()
		defer mu.Unlock()
		// The catalog first: its commits are durable, so an older one with a
		// newer disk is what a crash in between leaves.
		take := func(what string, crash func() *durabletest.Mem) {
			wr := wreck{at: what + " at " + op.String(), catalog: w.catalog.clone()}
			wr.disk = crash()
			wrecks = append(wrecks, wr)
		}
		take("kill", w.disk.Kill)
		for range 3 {
			take("power cut", func() *durabletest.Mem { return w.disk.Crash(rnd) })
		}
		return durabletest.Fault{}
	})
	if s, err := o.run(w, hooked); err != nil || !s.Complete(false) || s.Violated > 0 || s.Sound() == o.spoiling {
		w.t.Fatalf("%v, %+v", err, s)
	}
	return wrecks
}

// look is oracles O1, O2 and O3: a file under a final name is the crate, and what the
// catalog or the manifest calls held is stored.
func (w *world) look(wr wreck) {
	w.t.Helper()
	if err := w.checkHeld(wr.disk, wr.catalog); err != nil {
		w.t.Errorf("O1, O3 %s: %v", wr.at, err)
	}
	if there, err := content(wr.disk, foo1); w.evidence != nil && (err != nil || !bytes.Equal(there, w.evidence)) {
		w.inQuarantine(wr)
	}
	recs, err := readRecords(wr.disk)
	if err != nil {
		return // the first lines alone are there
	}
	for key, rec := range recs {
		rows, _ := wr.catalog.Versions(context.Background(), rec.Crate)
		if rec.OK && !slices.ContainsFunc(rows, func(v catalog.Version) bool {
			return v.ID.Version == rec.Version && v.Checksum.String() == rec.SHA256
		}) {
			w.t.Errorf("O2 %s: the manifest says that %s is held, the catalog says %+v", wr.at, key, rows)
		}
	}
}

// inQuarantine checks that the evidence is there.
func (w *world) inQuarantine(wr wreck) {
	w.t.Helper()
	entries, _ := wr.disk.ReadDir("quarantine")
	for _, e := range entries {
		if data, err := durable.ReadFile(wr.disk, "quarantine/"+e.Name(), 1<<20); err == nil && bytes.Equal(data, w.evidence) {
			return
		}
	}
	w.t.Errorf("%s: what was damaged is lost", wr.at)
}

// recover is oracles O4 and O5: the same command completes and fetches nothing
// that was recorded, an ordinary run finds nothing left to do, every crate is
// where it belongs, and nothing temporary is left. It returns how many crates
// were fetched.
func (o *ordeal) recover(w *world, wr wreck) (fetched int64) {
	w.t.Helper()
	again := *w
	again.disk, again.catalog = wr.disk, wr.catalog
	most := int64(len(w.spoiled) + len(w.before))
	for held, ids := wr.catalog.held(), w.reg.IDs(); len(ids) > 0; ids = ids[1:] {
		if !held[ids[0]] {
			most++
		}
	}
	s, err := o.run(&again, again.disk)
	if err != nil || !s.Complete(false) || !o.spoiling && !s.Sound() || s.Downloaded > most {
		w.t.Fatalf("O4 %s: the next run: %v, %+v, want %d fetched at most", wr.at, err, s, most)
	}
	fetched = s.Downloaded
	again.spoiled = nil
	s, err = again.run(context.Background(), again.disk, nil)
	if err != nil || !s.Complete(false) || s.Downloaded > 0 {
		w.t.Fatalf("O4 %s: the run after that: %v, %+v", wr.at, err, s)
	}
	again.checkComplete(wr.at)
	if w.bundle != nil && !w.bundle.add && !o.spoiling {
		again.checkOnce(again.disk)
	}
	if left := leftovers(w.t, again.disk); len(left) > 0 {
		w.t.Errorf("O5 %s: %v", wr.at, left)
	}
	if w.t.Failed() {
		w.t.Fatal(wr.at)
	}
	return fetched
}

// checkComplete checks that every current or past version is held and correct.
func (w *world) checkComplete(at string) {
	w.t.Helper()
	held := w.catalog.held()
	for _, id := range w.all() {
		if !held[id] {
			w.t.Errorf("%s: %v is not held", at, id)
		}
	}
	err := w.checkHeld(w.disk, w.catalog)
	if w.bundle != nil && w.bundle.add {
		err = errors.Join(err, w.checkWhole(w.disk, held))
	}
	if err != nil {
		w.t.Errorf("%s: %v", at, err)
	}
}
