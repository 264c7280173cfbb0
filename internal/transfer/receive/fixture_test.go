package receive

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/catalog"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable/durabletest"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/home"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/index/clone"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/index/indextest"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/signing"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/simreg"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/store"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/transfer"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/transfer/send"
)

// A world is a registry, a mirror of it, and one on the far side.
type world struct {
	*indextest.Upstream
	dir       string
	near, far home.Dirs
	day       int
	held      map[crate.Key]bool // by near
	key       *signing.Signer
}

// dear skips a test that takes a second of a core and more, one time in two.
func dear(t *testing.T) {
	t.Helper()
	durabletest.Seldom(t, 2)
}

const firstVersions = "foo 1.0.0\nbar 1.0.0\nserde 1.0.0\nserde 1.1.0\ngone 1.0.0"

// model is what a world begins with, in a folder that is copied: making it takes git a while.
var model = struct {
	sync.Mutex
	dir  string
	held map[crate.Key]bool
	key  *signing.Signer
}{}

func newWorld(t *testing.T) *world {
	t.Helper()
	indextest.NeedGit(t)
	t.Setenv("GIT_CONFIG_GLOBAL", os.DevNull)
	t.Setenv("GIT_CONFIG_NOSYSTEM", "1")
	model.Lock()
	defer model.Unlock()
	if model.dir == "" {
		dir, err := os.MkdirTemp("", "clonecratesio-receive-")
		must(t, err)
		w := worldIn(t, dir)
		w.Commit()
		w.sync(true)
		model.dir, model.held, model.key = dir, w.held, newKey(t, t.TempDir(), "mirror.example.org")
	}
	w := worldIn(t, t.TempDir())
	must(t, os.CopyFS(w.dir, os.DirFS(model.dir)))
	w.held, w.key = maps.Clone(model.held), model.key
	return w
}

// worldIn is a world of the first versions, with nothing in its folder yet.
func worldIn(t *testing.T, dir string) *world {
	up := &indextest.Upstream{T: t, Reg: simreg.New(simreg.MustParse(firstVersions)...), Git: filepath.Join(dir, "up.git")}
	return &world{Upstream: up, dir: dir, near: dirsIn(dir, "near"), far: dirsIn(dir, "far"), day: 1, held: map[crate.Key]bool{}}
}

// TestMain removes the model.
func TestMain(m *testing.M) {
	durabletest.ScratchInMemory()
	durabletest.GarbageWaits()
	code := m.Run()
	if model.dir != "" {
		_ = os.RemoveAll(model.dir)
	}
	os.Exit(code)
}

func dirsIn(dir, name string) home.Dirs {
	d := home.Dirs{Root: filepath.Join(dir, name)}
	d.Fill()
	return d
}

func newKey(t *testing.T, dir, name string) *signing.Signer {
	t.Helper()
	file := filepath.Join(dir, name+".key")
	if _, err := signing.NewKey(func(f durable.FS) durable.FS { return f }, file, name); err != nil {
		t.Fatal(err)
	}
	key, err := signing.OpenPrivate(file, nil)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// publish adds versions on the next day, and near mirrors them.
func (w *world) publish(bundled bool, versions ...simreg.Version) {
	w.T.Helper()
	w.day++
	w.Reg.Date(time.Date(2026, 1, w.day, 12, 0, 0, 0, time.UTC))
	w.Reg.Add(versions...)
	w.Commit()
	w.sync(bundled)
}

// many is versions with crates of some size.
func many(name string, n int) (list []simreg.Version) {
	for i := range n {
		list = append(list, simreg.Version{Name: fmt.Sprintf("%s-%d", name, i), Version: "1.0.0", Size: 3000 + i})
	}
	return list
}

// sync makes near what the registry is.
func (w *world) sync(bundled bool) {
	w.T.Helper()
	ctx := w.T.Context()
	if _, err := clone.Update(ctx, clone.Config{Dir: w.near.Index, URL: w.Git, AcceptShrink: true}); err != nil {
		w.T.Fatal(err)
	}
	m, err := home.Open(ctx, homeConfig(w.near, func(cfg *home.Config) { cfg.Bundles.Write = bundled }))
	if err != nil {
		w.T.Fatal(err)
	}
	var rows []catalog.Version
	for _, id := range w.Reg.IDs() {
		data, err := w.Reg.CrateBytes(id)
		if err != nil {
			w.T.Fatal(err)
		}
		sum, size, _ := crate.Hash(strings.NewReader(string(data)))
		if key := (crate.Key{ID: id, Checksum: sum}); w.held[key] {
			continue
		} else {
			w.held[key] = true
		}
		at, err := m.Store.Put(ctx, id, store.Body{Data: data, Size: size})
		if err != nil {
			w.T.Fatal(err)
		}
		rows = append(rows, catalog.Version{ID: id, Checksum: sum, Size: size, Placement: at, Listed: true, VerifiedAt: time.Unix(1, 0)})
	}
	var done store.Outcome
	if f, ok := m.Store.(store.Finisher); ok {
		done, err = f.Finish(ctx)
	} else {
		done, err = m.Store.Checkpoint(ctx)
	}
	b := catalog.Batch{Versions: rows}
	for _, f := range done.Finished {
		b.Bundles = append(b.Bundles, catalog.Bundle{Name: f.Name, Whole: true, Entries: f.Entries, Bytes: f.Bytes, Checksum: f.Checksum})
	}
	if err := errors.Join(err, m.Catalog.Commit(ctx, b), m.Close()); err != nil {
		w.T.Fatal(err)
	}
}

func homeConfig(d home.Dirs, change func(*home.Config)) home.Config {
	cfg := home.Config{
		Dirs: d, Owner: durable.Self("a test"), Log: slog.New(slog.DiscardHandler), Manifest: d.Manifest,
		Bundles: home.BundleConfig{Write: true, Size: 1 << 20, URL: func(crate.ID, crate.Checksum) string { return "" }},
	}
	if change != nil {
		change(&cfg)
	}
	return cfg
}

// export makes a transfer in a folder, and returns its volumes.
func (w *world) export(to string, change func(*send.Config)) (*send.Result, []string) {
	w.T.Helper()
	res, err := w.tryExport(to, change)
	if err != nil {
		w.T.Fatal(err)
	}
	volumes, _ := filepath.Glob(filepath.Join(to, "transfer-*", "volume-*"))
	return res, volumes
}

func (w *world) tryExport(to string, change func(*send.Config)) (*send.Result, error) {
	return w.send(to, change, send.Run)
}

// send does something that makes a transfer, or a plan of one.
func (w *world) send(to string, change func(*send.Config), do func(context.Context, send.Config) (*send.Result, error)) (*send.Result, error) {
	m, err := home.OpenReader(w.T.Context(), &w.near)
	if err != nil {
		return nil, err
	}
	defer m.Close()
	sent, err := durable.Create(filepath.Join(w.near.State(), "sent"))
	if err != nil {
		return nil, err
	}
	defer sent.Close()
	cfg := send.Config{
		Mirror: m, Dirs: &w.near, Sent: sent, Out: func() (durable.FS, error) { return durable.Create(to) },
		Volume: 1 << 30, Signers: []*signing.Signer{w.key}, Since: send.Since{Last: true}, Log: slog.New(slog.DiscardHandler),
	}
	if change != nil {
		change(&cfg)
	}
	return do(w.T.Context(), cfg)
}

func full(cfg *send.Config) { cfg.Since = send.Since{} }

// config is what takes volumes into far.
func (w *world) config(from ...string) Config {
	return Config{Home: homeConfig(w.far, nil), From: from, Keys: []*signing.Verifier{w.key.Public()}, AcceptShrink: true, Log: slog.New(slog.DiscardHandler)}
}

// take takes volumes.
func (w *world) take(from ...string) *Result {
	w.T.Helper()
	res, err := Run(w.T.Context(), w.config(from...))
	if err != nil {
		w.T.Fatal(err)
	}
	return res
}

// shows is what a mirror shows: every line of its index with the bytes behind it, its
// days, and at which point it is.
func shows(t *testing.T, d home.Dirs) string {
	t.Helper()
	var b strings.Builder
	refs, err := clone.ReadRefs(t.Context(), d.Index)
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprintln(&b, refs)
	if refs.Head == "" {
		return b.String()
	}
	r, err := home.OpenReader(t.Context(), &d)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	x, err := d.OpenIndex(t.Context(), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer x.Close()
	for c, err := range x.Crates(t.Context(), nil) {
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range c.Entries {
			key := crate.Key{ID: e.ID, Checksum: e.Checksum}
			row, err := r.Catalog.ByChecksum(t.Context(), key)
			if err != nil {
				fmt.Fprintf(&b, "%s %v %v\n", e.Raw, key.ID, err)
				continue
			}
			sum, _, err := store.Hash(t.Context(), r.Store, key, row.Placement, discard{})
			if sum != e.Checksum {
				err = errors.Join(err, errors.New("other bytes"))
			}
			fmt.Fprintf(&b, "%s %v %v\n", e.Raw, row.SupersededAt.IsZero(), err)
		}
	}
	return b.String()
}

type discard struct{}

func (discard) Write(p []byte) (int, error) { return len(p), nil }

// wantSame wants far to show what near does.
func (w *world) wantSame() {
	w.T.Helper()
	if near, far := shows(w.T, w.near), shows(w.T, w.far); near != far {
		w.T.Errorf("-near +far:\n%s", cmp.Diff(near, far))
	}
}

// tree is all files below a folder, by path, with their sizes and times of change.
func tree(t *testing.T, dir string) (list []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err == nil && !d.IsDir() {
			info, statErr := d.Info()
			err = statErr
			list = append(list, fmt.Sprint(path, info.Size(), info.ModTime()))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// manifestOf reads the manifest of a volume.
func manifestOf(t *testing.T, volume string) *transfer.Manifest {
	t.Helper()
	note, err := os.ReadFile(filepath.Join(volume, transfer.NoteName))
	if err != nil {
		t.Fatal(err)
	}
	m, err := transfer.Open(note)
	if err != nil {
		t.Fatal(err)
	}
	return m
}
