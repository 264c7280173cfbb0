package mirror

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"log/slog"
	"maps"
	"path"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable/durabletest"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/index"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/jsonl"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/plan"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/runlog"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/simreg"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/store"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/store/bundled"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/store/loose"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/upstream"
)

// world is a registry and a mirror of it: the real packages, on a disk in
// memory.
type world struct {
	t       *testing.T
	reg     *simreg.Registry
	server  *simreg.Server
	index   string       // folder
	read    *index.Index // of the last run
	disk    *durabletest.Mem
	catalog *memCatalog
	bundle  *bundling    // nil: loose files
	log     *slog.Logger // of the store; nil: none

	vanished map[crate.ID]crate.Checksum // published once
	before   map[crate.ID]crate.Checksum // of versions that were published again, and were mirrored before
	spoiled  map[crate.ID]bool           // damaged on purpose: ignored by all oracles
	evidence []byte                      // remains of the damaged foo 1.0.0, to be kept
}

// bundling configures the bundles of a run of a world.
type bundling struct {
	target int64
	add    bool
}

func newWorld(t *testing.T, reg *simreg.Registry) *world {
	t.Helper()
	server, err := reg.Start(simreg.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Close)
	w := &world{t: t, reg: reg, server: server, index: t.TempDir(), disk: durabletest.NewMem(), catalog: newMemCatalog()}
	w.writeIndex()
	return w
}

// parse makes a registry of the text form of simreg.
func parse(text string) *simreg.Registry { return simreg.New(simreg.MustParse(text)...) }

func (w *world) writeIndex() {
	w.t.Helper()
	if err := w.reg.WriteIndex(w.index); err != nil {
		w.t.Fatal(err)
	}
}

// run mirrors once to fsys, which is w.disk or a wrapper of it.
func (w *world) run(ctx context.Context, fsys durable.FS, change func(*Config)) (*Summary, error) {
	w.t.Helper()
	if err := fsys.MkdirAll(loose.StateDir); err != nil {
		return nil, err
	}
	st, close, err := w.openStore(ctx, fsys)
	if err != nil {
		return nil, err
	}
	defer close()
	log := runlog.Create(fsys, "manifest.jsonl")
	defer log.Close()
	ix, err := index.Open(ctx, w.index, index.Options{})
	if err != nil {
		return nil, err
	}
	defer ix.Close()
	client, err := upstream.New(upstream.Config{
		Concurrency: 8, Attempts: 3, RetryBase: time.Millisecond, RetryMax: 5 * time.Millisecond,
		StallTimeout: time.Second, Dial: simreg.LoopbackOnly, RefusalLimit: 20, FailureLimit: 10,
	})
	if err != nil {
		return nil, err
	}
	defer client.Close()
	w.read = ix
	cfg := Config{
		Config: plan.Config{Source: plan.FromIndex(ix, nil), IncludeYanked: true, OldBundles: fsys},
		Fetch:  client, Store: st, Catalog: w.catalog, Manifest: log, State: fsys,
		URLs: urls(w.server.BaseURL), Out: "out", Concurrency: 8, Interval: 5 * time.Millisecond,
		Grace: time.Second, BundlesOut: "bundles",
	}
	if w.bundle != nil {
		cfg.Bundle, cfg.KeepLoose = true, w.bundle.add
	}
	if change != nil {
		change(&cfg)
	}
	return Run(ctx, cfg)
}

// openStore opens what a run stores into.
func (w *world) openStore(ctx context.Context, fsys durable.FS) (_ store.Store, close func() error, err error) {
	l, err := loose.Open(fsys, loose.Batch)
	if err != nil {
		return nil, nil, err
	}
	if w.bundle == nil {
		ro := bundled.OpenReadOnly(fsys, l)
		return ro, ro.Close, nil
	}
	b, err := bundled.Open(ctx, bundled.Config{
		Folder: fsys, Loose: l, Catalog: w.catalog, Target: w.bundle.target, KeepLoose: w.bundle.add,
		URL: func(id crate.ID, _ crate.Checksum) string { return w.server.BaseURL + "/" + id.URLPath() }, Log: w.log,
	})
	if err != nil {
		return nil, nil, err
	}
	return b, b.Close, nil
}

// mustRun mirrors once and checks that everything is held.
func (w *world) mustRun(change func(*Config)) *Summary {
	w.t.Helper()
	s, err := w.run(context.Background(), w.disk, change)
	if err != nil {
		w.t.Fatalf("run: %v", err)
	}
	if !s.Complete(false) || !s.Sound() {
		w.t.Fatalf("run: not complete and sound: %+v", s.Counts)
	}
	return s
}

// content returns the file under a crate's name.
func content(fsys durable.Reader, id crate.ID) ([]byte, error) {
	return durable.ReadFile(fsys, id.LoosePath(), 1<<30)
}

// checkWhole is oracle O1 and O3: every final name has the bytes of the
// registry, and everything acknowledged is there.
func (w *world) checkWhole(fsys durable.Reader, acknowledged map[crate.ID]bool) error {
	for _, id := range w.all() {
		data, err := content(fsys, id)
		if w.spoiled[id] || errors.Is(err, fs.ErrNotExist) && !acknowledged[id] {
			continue
		}
		if err != nil {
			return err
		}
		want, err := w.checksum(id)
		if err != nil {
			return err
		}
		if !w.was(id, sha256.Sum256(data), want) {
			return fmt.Errorf("%v: %d bytes under the final name are not the crate", id, len(data))
		}
	}
	return nil
}

// was reports whether bytes are a version's current or earlier ones.
func (w *world) was(id crate.ID, sum, want crate.Checksum) bool {
	return sum == want || sum == w.before[id] && sum != crate.Checksum{}
}

// key identifies the bytes that the registry has of a version.
func (w *world) key(id crate.ID) crate.Key {
	w.t.Helper()
	sum, err := w.reg.Checksum(id)
	must(w.t, err)
	return crate.Key{ID: id, Checksum: sum}
}

// republish deletes a version and publishes it again. A mirror keeps its earlier bytes.
func (w *world) republish(id crate.ID) {
	w.t.Helper()
	sum, err := w.reg.Checksum(id)
	must(w.t, err)
	if w.before == nil {
		w.before = map[crate.ID]crate.Checksum{}
	}
	w.before[id] = sum
	w.reg.ReplaceBytes(id)
}

// all are the versions that are published, or once were.
func (w *world) all() []crate.ID {
	return append(w.reg.IDs(), slices.Collect(maps.Keys(w.vanished))...)
}

// checksum returns the registry's current or past checksum of a version.
func (w *world) checksum(id crate.ID) (crate.Checksum, error) {
	if sum, ok := w.vanished[id]; ok {
		return sum, nil
	}
	return w.reg.Checksum(id)
}

// vanish removes a version from the registry. A mirror keeps it.
func (w *world) vanish(id crate.ID) {
	w.t.Helper()
	sum, err := w.reg.Checksum(id)
	must(w.t, err)
	if w.vanished == nil {
		w.vanished = map[crate.ID]crate.Checksum{}
	}
	w.vanished[id] = sum
	w.reg.Remove(id)
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// records reads the manifest of the last run, by crate.
func (w *world) records() map[string]runlog.Record {
	w.t.Helper()
	recs, err := readRecords(w.disk)
	if err != nil {
		w.t.Fatal(err)
	}
	return recs
}

func readRecords(fsys durable.Reader) (map[string]runlog.Record, error) {
	f, err := fsys.Open("manifest.jsonl")
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil // nothing was recorded
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	recs := map[string]runlog.Record{}
	for rec, err := range runlog.Read(f) {
		if errors.Is(err, jsonl.ErrTorn) {
			break
		}
		if err != nil {
			return nil, err
		}
		recs[rec.Crate+" "+rec.Version] = rec
	}
	return recs, nil
}

// leftovers lists temporary files (oracle O5).
func leftovers(t *testing.T, fsys durable.Reader) []string {
	t.Helper()
	var list []string
	temporary := loose.StateDir + "/tmp"
	dirs := []string{temporary, "quarantine", "."}
	for len(dirs) > 0 {
		dir := dirs[0]
		dirs = dirs[1:]
		entries, err := fsys.ReadDir(dir)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			t.Fatal(err)
		}
		for _, e := range entries {
			name := path.Join(dir, e.Name())
			switch in := strings.HasPrefix(name, temporary+"/"); {
			case in && e.IsDir():
				dirs = append(dirs, name)
			case in || durable.IsTemp(name) || slices.Contains(plan.SpoolNames[:], name):
				list = append(list, name)
			}
		}
	}
	return list
}

// damage writes other bytes under a crate's name, as a bad disk or a curious
// user might.
func (w *world) damage(id crate.ID, data []byte) {
	w.t.Helper()
	if err := w.disk.Remove(id.LoosePath()); err != nil {
		w.t.Fatal(err)
	}
	f, err := w.disk.Create(id.LoosePath())
	if err != nil {
		w.t.Fatal(err)
	}
	if _, err := f.Write(data); err != nil {
		w.t.Fatal(err)
	}
	if err := errors.Join(f.Close(), w.disk.SyncAll()); err != nil {
		w.t.Fatal(err)
	}
}

// urls returns where a registry below base has its crates.
func urls(base string) crate.URLTemplate {
	return crate.CargoURLTemplate(base + "/{crate}/{crate}-{version}.crate")
}

// quarantine yields the evidence in quarantine.
func (w *world) quarantine() iter.Seq2[store.Evidence, error] {
	return loose.OpenReadOnly(w.disk).Evidence()
}
