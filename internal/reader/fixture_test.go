package reader

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/bundle"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/catalog"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable/durabletest"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/home"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/index"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/index/indextest"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/mirror"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/plan"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/runlog"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/simreg"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/store"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/store/bundled"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/store/loose"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/upstream"
)

func TestMain(m *testing.M) {
	durabletest.ScratchInMemory()
	goleak.VerifyTestMain(m)
}

// world is a registry, a mirror of it on disk, and those who write it.
type world struct {
	t      testing.TB
	reg    *simreg.Registry
	server *simreg.Server
	dir    string
	index  string
}

// newWorld serves a registry and commits its index to a bare repository.
func newWorld(t testing.TB, text string) *world {
	indextest.NeedGit(t)
	t.Helper()
	reg := simreg.New(simreg.MustParse(text)...)
	server, err := reg.Start(simreg.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Close)
	dir := t.TempDir()
	w := &world{t: t, reg: reg, server: server, dir: dir, index: filepath.Join(dir, "index.git")}
	w.commitIndex()
	if err := os.MkdirAll(w.dirs().State(), 0o755); err != nil {
		t.Fatal(err)
	}
	return w
}

func (w *world) out() string         { return filepath.Join(w.dir, "crates") }
func (w *world) bundles() string     { return filepath.Join(w.dir, "bundles") }
func (w *world) catalogPath() string { return w.dirs().Catalog() }

func (w *world) dirs() *home.Dirs {
	return &home.Dirs{Crates: w.out(), Bundles: w.bundles(), Index: w.index}
}

// hook lets a view's loose files be read from a folder with faults.
func (w *world) hook(v *View, fault func(durabletest.Op) durabletest.Fault) {
	w.t.Helper()
	out, err := durable.Open(w.out())
	if err != nil {
		w.t.Fatal(err)
	}
	if err := v.copies.stores.Close(); err != nil {
		w.t.Fatal(err)
	}
	v.copies.stores = home.NewStores(durabletest.Hook(out, fault), w.dirs(), home.Limits{})
}

func (w *world) commitIndex() string {
	w.t.Helper()
	commit, err := w.reg.CommitIndex(context.Background(), w.index, "Update crates")
	if err != nil {
		w.t.Fatal(err)
	}
	return commit
}

// view opens the mirror for reading.
func (w *world) view(change func(*Config)) *View {
	w.t.Helper()
	cfg := Config{Dirs: *w.dirs(), Interval: 5 * time.Millisecond}
	if change != nil {
		change(&cfg)
	}
	v, err := Open(w.t.Context(), cfg)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() {
		if err := v.Close(); err != nil {
			w.t.Error(err)
		}
	})
	return v
}

// how a run stores.
type how struct {
	bundle, add bool
	target      int64
	change      func(*mirror.Config)
}

// run mirrors the registry once, as the command does.
func (w *world) run(h how) {
	w.t.Helper()
	if err := w.tryRun(h); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) tryRun(h how) (err error) {
	ctx := context.Background()
	defer func() {
		if err != nil {
			w.t.Errorf("run: %v", err)
		}
	}()
	out, err := durable.Open(w.out())
	if err != nil {
		return err
	}
	defer out.Close()
	state, err := durable.Open(w.dirs().State())
	if err != nil {
		return err
	}
	defer state.Close()
	cat, err := catalog.Open(w.catalogPath())
	if err != nil {
		return err
	}
	defer cat.Close()
	bundles, err := durable.Create(w.bundles())
	if err != nil {
		return err
	}
	defer bundles.Close()
	l, err := loose.Open(out, loose.None)
	if err != nil {
		return err
	}
	var st store.Store = bundled.OpenReadOnly(bundles, l)
	if h.bundle {
		b, err := bundled.Open(ctx, bundled.Config{Folder: bundles, Loose: l, Catalog: adopter{cat}, Target: h.target, KeepLoose: h.add,
			URL: func(id crate.ID, _ crate.Checksum) string { return w.server.BaseURL + "/" + id.URLPath() }})
		if err != nil {
			return err
		}
		st = b
		defer b.Close()
	}
	ix, err := index.Open(ctx, w.index, index.Options{})
	if err != nil {
		return err
	}
	defer ix.Close()
	client, err := upstream.New(upstream.Config{Concurrency: 4, Attempts: 3, RetryBase: time.Millisecond, RetryMax: 5 * time.Millisecond, Dial: simreg.LoopbackOnly})
	if err != nil {
		return err
	}
	defer client.Close()
	log := runlog.Create(state, "manifest.jsonl")
	defer log.Close()
	cfg := mirror.Config{
		Config: plan.Config{Source: plan.FromIndex(ix, nil), IncludeYanked: true},
		Fetch:  client, Store: st, Catalog: cat, Manifest: log, State: state,
		URLs: urls(w.server.BaseURL), Out: w.out(), Concurrency: 4, Interval: 5 * time.Millisecond, Grace: time.Second,
	}
	if h.bundle {
		cfg.Bundle, cfg.KeepLoose, cfg.BundlesOut = true, h.add, w.bundles()
	}
	if h.change != nil {
		h.change(&cfg)
	}
	_, err = mirror.Run(ctx, cfg)
	return err
}

// hold puts a crate file into the mirror that no registry has.
func (w *world) hold(id crate.ID, data []byte) {
	w.t.Helper()
	if err := os.MkdirAll(filepath.Dir(w.loose(id)), 0o755); err != nil {
		w.t.Fatal(err)
	}
	if err := os.WriteFile(w.loose(id), data, 0o644); err != nil {
		w.t.Fatal(err)
	}
	cat, err := catalog.Open(w.catalogPath())
	if err != nil {
		w.t.Fatal(err)
	}
	row := catalog.Version{ID: id, Checksum: sha256.Sum256(data), Size: int64(len(data)), Placement: store.Placement{Loose: true}, Listed: true, VerifiedAt: time.Unix(1, 0)}
	if err := errors.Join(cat.Commit(context.Background(), catalog.Batch{Versions: []catalog.Version{row}}), cat.Close()); err != nil {
		w.t.Fatal(err)
	}
}

// adopter is the catalog as the bundles need it.
type adopter struct{ *catalog.Catalog }

func (a adopter) Bundles() map[string]bool { return nil }

func (a adopter) Adopt(ctx context.Context, name string, members []bundle.Member) error {
	var found []catalog.Version
	for _, m := range members {
		found = append(found, catalog.Version{ID: m.ID, Checksum: m.Checksum, Size: m.Size, Placement: store.Placement{Bundle: name, Offset: m.Offset, FrameSize: m.FrameSize}})
	}
	return a.Catalog.Adopt(ctx, found)
}

func (a adopter) Adopted(ctx context.Context, b store.Bundle) error {
	return a.Commit(ctx, catalog.Batch{Bundles: []catalog.Bundle{{Name: b.Name, Whole: true, Entries: b.Entries, Bytes: b.Bytes, Checksum: b.Checksum}}})
}

// shown describes what a view shows of a crate.
func shown(t *testing.T, v *View, name string) []string {
	t.Helper()
	c, err := v.Crate(t.Context(), name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		t.Fatal(err)
	}
	var list []string
	for _, e := range c.Entries {
		text := e.ID.String()
		if e.Yanked {
			text += " yanked"
		}
		if !e.Held {
			text += " not held"
		}
		list = append(list, text)
	}
	return list
}

// key identifies the bytes that the registry has.
func (w *world) key(id crate.ID) crate.Key {
	w.t.Helper()
	sum, err := w.reg.Checksum(id)
	if err != nil {
		w.t.Fatal(err)
	}
	return crate.Key{ID: id, Checksum: sum}
}

// read returns the bytes of a crate file.
func read(t testing.TB, v *View, id crate.ID) ([]byte, error) {
	t.Helper()
	f, err := v.Open(t.Context(), id)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(f)
}

// wantRead wants the bytes that the registry has.
func (w *world) wantRead(v *View, name, version string) {
	w.t.Helper()
	id := crate.ID{Name: name, Version: version}
	want, err := w.reg.CrateBytes(id)
	if err != nil {
		w.t.Fatal(err)
	}
	got, err := read(w.t, v, id)
	if err != nil || !bytes.Equal(got, want) {
		w.t.Errorf("%s: %d bytes, %v; want %d", id, len(got), err, len(want))
	}
}

// eventually waits until something is so.
func eventually(t *testing.T, what string, so func() bool) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); !so(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%s: not so after ten seconds", what)
		}
	}
}

// logBuffer is a log that may be read while it is written.
type logBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *logBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *logBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

func (b *logBuffer) logger() *slog.Logger { return slog.New(slog.NewTextHandler(b, nil)) }

// urls is where a registry below base has its crates.
func urls(base string) crate.URLTemplate {
	return crate.CargoURLTemplate(base + "/{crate}/{crate}-{version}.crate")
}
