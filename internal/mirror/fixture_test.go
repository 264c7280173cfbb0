package mirror

import (
	"cmp"
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
	"sync"
	"testing"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/bundle"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/catalog"
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

	vanished map[crate.ID]crate.Checksum // was published once
	before   map[crate.ID]crate.Checksum // of what was published again, mirrored already
	spoiled  map[crate.ID]bool           // damaged on purpose: no oracle looks at it
	evidence []byte                      // what damage has left of foo 1.0.0, to be kept
}

// bundling is how a run of a world makes bundles, beside the loose files.
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

// run mirrors once onto fsys, which is w.disk or something around it.
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

// mustRun mirrors once and wants everything held.
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

// content returns what stands under a crate's name.
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

// was reports whether bytes are those of a version, or those that it had before.
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

// republish lets a version be deleted and published again. A mirror keeps what it
// had.
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

// checksum is what the registry says, or once said, of a version.
func (w *world) checksum(id crate.ID) (crate.Checksum, error) {
	if sum, ok := w.vanished[id]; ok {
		return sum, nil
	}
	return w.reg.Checksum(id)
}

// vanish takes a version from the registry. A mirror keeps it.
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

// memCatalog is a catalog whose commits are durable at once, and which can be
// cloned with a disk.
type memCatalog struct {
	mu       sync.Mutex
	versions map[crate.ID]catalog.Version  // with the bytes that they have now
	others   map[crate.Key]catalog.Version // with other bytes
	removed  []catalog.Removal
	accepted map[crate.Key]bool
	crates   map[string]catalog.Crate
	gone     map[crate.ID]catalog.Gone
	bundles  map[string]bool
	taken    map[string]catalog.Taken
	revision catalog.Revision
	fail     error // of the next commit
}

func newMemCatalog() *memCatalog {
	return &memCatalog{
		versions: map[crate.ID]catalog.Version{}, crates: map[string]catalog.Crate{}, gone: map[crate.ID]catalog.Gone{},
		bundles: map[string]bool{}, taken: map[string]catalog.Taken{},
		others: map[crate.Key]catalog.Version{}, accepted: map[crate.Key]bool{},
	}
}

func (c *memCatalog) clone() *memCatalog {
	c.mu.Lock()
	defer c.mu.Unlock()
	return &memCatalog{
		versions: maps.Clone(c.versions), crates: maps.Clone(c.crates), gone: maps.Clone(c.gone), revision: c.revision,
		bundles: maps.Clone(c.bundles), taken: maps.Clone(c.taken),
		others: maps.Clone(c.others), accepted: maps.Clone(c.accepted), removed: slices.Clone(c.removed),
	}
}

func (c *memCatalog) held() map[crate.ID]bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	held := map[crate.ID]bool{}
	for id := range c.versions {
		held[id] = true
	}
	return held
}

func (c *memCatalog) Versions(_ context.Context, name string) (list []catalog.Version, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for id, v := range c.versions {
		if strings.EqualFold(id.Name, name) {
			list = append(list, v)
		}
	}
	for key, v := range c.others {
		if strings.EqualFold(key.Name, name) {
			list = append(list, v)
		}
	}
	return list, nil
}

func (c *memCatalog) BytesOf(ctx context.Context, id crate.ID) (list []catalog.Version, err error) {
	all, err := c.Versions(ctx, id.Name)
	for _, v := range all {
		if v.ID.Version == id.Version {
			list = append(list, v)
		}
	}
	return list, err
}

func (c *memCatalog) WasRemoved(_ context.Context, key crate.Key) (seen time.Time, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, r := range c.removed {
		if r.Key == key && r.Returned.IsZero() && r.Scope != catalog.RemovedChecksum {
			seen = r.Seen
		}
	}
	return seen, nil
}

func (c *memCatalog) Accepted(_ context.Context, key crate.Key) (bool, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.accepted[key], nil
}

// put writes a row. The real one replaces the row of the same bytes alone.
func (c *memCatalog) put(v catalog.Version) {
	delete(c.others, v.Key())
	for id, was := range c.versions { // names compare without case, as in the real one
		if id.Version != v.ID.Version || !strings.EqualFold(id.Name, v.Name) {
			continue
		}
		if was.Checksum == v.Checksum {
			delete(c.versions, id)
		} else if v.SupersededAt.IsZero() {
			delete(c.versions, id)
			c.others[was.Key()] = was
		}
	}
	if v.SupersededAt.IsZero() {
		c.versions[v.ID] = v
	} else {
		c.others[v.Key()] = v
	}
	c.note(v.Bundle)
}

// list notes what follows from it that the index names bytes.
func (c *memCatalog) list(v catalog.Version) {
	if !v.Listed {
		return
	}
	if p := crate.IndexPath(v.Name); c.crates[p].Path == "" {
		c.crates[p] = catalog.Crate{Path: p}
	}
	for i := range c.removed {
		if r := &c.removed[i]; r.Key == v.Key() && r.Returned.IsZero() {
			r.Returned = time.Now()
		}
	}
}

func (c *memCatalog) isRemoved(key crate.Key) bool {
	return slices.ContainsFunc(c.removed, func(r catalog.Removal) bool {
		return r.Key == key && r.Returned.IsZero() && r.Scope != catalog.RemovedChecksum
	})
}

func (c *memCatalog) incomplete(name string) {
	if p := crate.IndexPath(name); c.crates[p].Path != "" {
		c.crates[p] = catalog.Crate{Path: p}
	}
}

func (c *memCatalog) Holdings(ctx context.Context) iter.Seq2[catalog.Holding, error] {
	then := c.clone()
	return func(yield func(catalog.Holding, error) bool) {
		for _, p := range slices.Sorted(maps.Keys(then.crates)) {
			held, _ := then.Versions(ctx, path.Base(p))
			if !yield(catalog.Holding{Crate: then.crates[p], Versions: held}, nil) {
				return
			}
		}
	}
}

func (c *memCatalog) Revision(context.Context) (catalog.Revision, error) {
	return c.clone().revision, nil
}

func (c *memCatalog) WasGone(_ context.Context, id crate.ID) (bool, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	_, ok := c.gone[id]
	return ok, nil
}

func (c *memCatalog) Commit(_ context.Context, b catalog.Batch) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.fail != nil {
		return c.fail
	}
	for _, v := range b.Versions {
		c.put(v)
		c.list(v)
		delete(c.gone, v.ID)
	}
	for _, b := range b.Bundles {
		c.bundles[b.Name] = b.Whole
	}
	for _, t := range b.Taken {
		c.taken[t.Name] = t
	}
	for _, g := range b.Gone {
		c.gone[g.ID] = g
	}
	for _, key := range b.Dropped {
		delete(c.others, key)
		if c.versions[key.ID].Checksum == key.Checksum {
			delete(c.versions, key.ID)
		}
	}
	for _, key := range b.Accepted {
		c.accepted[key] = true
	}
	for _, r := range b.Removed {
		if r.Scope == catalog.RemovedChecksum {
			c.incomplete(r.Name)
		}
	}
	c.removed = append(c.removed, b.Removed...)
	for _, cr := range b.Crates {
		c.crates[cr.Path] = cr
	}
	for _, p := range b.Vanished {
		delete(c.crates, p)
		for id, v := range c.versions {
			if strings.EqualFold(id.Name, path.Base(p)) {
				if v.Listed || !c.isRemoved(v.Key()) {
					c.removed = append(c.removed, catalog.Removal{Key: v.Key(), Scope: catalog.RemovedCrate, Seen: time.Now(), At: b.At})
				}
				v.Listed = false
				c.versions[id] = v
			}
		}
	}
	if b.Revision != nil {
		c.revision = *b.Revision
	}
	return nil
}

func (c *memCatalog) AdoptRepublished(_ context.Context, found []catalog.Version) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, v := range found {
		was, other := c.others[v.Key()]
		if now := c.versions[v.ID]; now.Checksum == v.Checksum && !other {
			if now.Listed {
				continue
			}
			was = now
			delete(c.versions, v.ID)
		}
		if was.Checksum == v.Checksum {
			was.Loose, was.Republished = true, v.Republished
			v = was
		}
		if v.SupersededAt.IsZero() {
			v.SupersededAt = time.Now()
		}
		c.others[v.Key()] = v
	}
	return c.fail
}

func (c *memCatalog) Taken(context.Context) ([]catalog.Taken, error) {
	return slices.Collect(maps.Values(c.clone().taken)), nil
}

// note makes a bundle known.
func (c *memCatalog) note(bundle string) {
	if _, ok := c.bundles[bundle]; !ok && bundle != "" {
		c.bundles[bundle] = false
	}
}

func (c *memCatalog) TwicePage(_ context.Context, after crate.ID, limit int) (page []catalog.Version, err error) {
	return c.twice(after, limit, false), nil
}

func (c *memCatalog) UnlistedTwicePage(_ context.Context, after crate.ID, limit int) (page []catalog.Version, err error) {
	return c.twice(after, limit, true), nil
}

func (c *memCatalog) twice(after crate.ID, limit int, unlisted bool) (page []catalog.Version) {
	c.mu.Lock()
	defer c.mu.Unlock()
	order := func(a, b crate.ID) int {
		return cmp.Or(strings.Compare(a.Name, b.Name), strings.Compare(a.Version, b.Version))
	}
	for _, id := range slices.SortedFunc(maps.Keys(c.versions), order) {
		v := c.versions[id]
		if order(id, after) > 0 && v.Loose && c.bundles[v.Bundle] && !(unlisted && v.Listed) && len(page) < limit {
			page = append(page, v)
		}
	}
	return page
}

// Bundles, Adopt and Adopted are bundled.Catalog's.
func (c *memCatalog) Bundles() map[string]bool { return c.clone().bundles }

func (c *memCatalog) Adopt(_ context.Context, name string, members []bundle.Member) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, m := range members {
		found := catalog.Version{ID: m.ID, Checksum: m.Checksum, Size: m.Size}
		if v, ok := c.versions[m.ID]; ok && v.Checksum == m.Checksum {
			found = v
		} else if v, held := c.others[found.Key()]; ok || held {
			if held {
				found = v
			}
			found.Bundle, found.Offset, found.FrameSize = name, m.Offset, m.FrameSize
			c.others[found.Key()] = found
			c.note(name)
			continue
		}
		found.Bundle, found.Offset, found.FrameSize = name, m.Offset, m.FrameSize
		c.versions[m.ID] = found
		c.note(name)
	}
	return c.fail
}

func (c *memCatalog) Adopted(_ context.Context, b store.Bundle) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.bundles[b.Name] = true
	return c.fail
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

// urls is where a registry below base has its crates.
func urls(base string) crate.URLTemplate {
	return crate.CargoURLTemplate(base + "/{crate}/{crate}-{version}.crate")
}

// evidence is what is in quarantine.
func (w *world) quarantine() iter.Seq2[store.Evidence, error] {
	return loose.OpenReadOnly(w.disk).Evidence()
}
