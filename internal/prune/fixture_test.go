package prune

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/bundle"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/bundle/lists"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/catalog"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable/durabletest"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/index"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/jsonl"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/store"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/store/bundled"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/store/loose"
)

// world is a mirror in bundles, with versions that the index does not name any more:
// loose files and bundles on a disk in memory, the catalog in a folder.
type world struct {
	t       *testing.T
	disk    *durabletest.Mem
	catalog string // folder
	index   string // folder
	change  func(*Config)
	data    map[crate.Key]string // all that was ever held
	gone    map[crate.Key]bool   // of it: unwanted
	old     []string             // bundles with something unwanted
}

// mirrored is the commit that index and catalog agree about.
const mirrored = "c0ffee"

// atMirrored is an index in a folder that says that it is at that commit.
type atMirrored struct{ *index.Index }

func (atMirrored) Commit() string { return mirrored }

// adopter tells the catalog what bundles hold.
type adopter struct{ *catalog.Catalog }

func (a adopter) Bundles() map[string]bool {
	known := map[string]bool{}
	list, _ := a.Catalog.Bundles(context.Background())
	for _, b := range list {
		known[b.Name] = b.Whole && !b.Thrown()
	}
	return known
}

func (a adopter) Adopt(ctx context.Context, name string, members []bundle.Member) error {
	var found []catalog.Version
	for _, m := range members {
		found = append(found, catalog.Version{ID: m.ID, Checksum: m.Checksum, Size: m.Size,
			Placement: store.Placement{Bundle: name, Offset: m.Offset, FrameSize: m.FrameSize}})
	}
	return a.Catalog.Adopt(ctx, found)
}

func (a adopter) Adopted(ctx context.Context, b store.Bundle) error {
	return a.Commit(ctx, catalog.Batch{Bundles: []catalog.Bundle{{Name: b.Name, Whole: true, Entries: b.Entries, Bytes: b.Bytes, Checksum: b.Checksum}}})
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// bytesOf are as many incompressible bytes as a small crate has.
func bytesOf(id crate.ID, edition int) string {
	rnd := rand.New(rand.NewPCG(uint64(sha256.Sum256([]byte(id.String()))[0]), uint64(edition)))
	var b strings.Builder
	for range 40 {
		fmt.Fprintf(&b, "%x", rnd.Uint64())
	}
	return id.String() + b.String()
}

// newWorld makes a mirror of sixteen crates in bundles of five or so. The index
// names all but crate-01, -02, -03, -07 and what crate-04 was before it was
// published again.
func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{
		t: t, disk: durabletest.NewMem(), catalog: t.TempDir(), index: t.TempDir(),
		data: map[crate.Key]string{}, gone: map[crate.Key]bool{},
		change: func(cfg *Config) { cfg.Superseded = true },
	}
	must(t, w.disk.MkdirAll(loose.StateDir))
	cat, err := catalog.Open(filepath.Join(w.catalog, "catalog.db"))
	must(t, err)
	defer cat.Close()
	s, err := w.openStore(w.disk, cat)
	must(t, err)
	defer s.Close()
	names := []string{"crate-04"}
	for n := range 16 {
		names = append(names, fmt.Sprintf("crate-%02d", n))
	}
	var rows []catalog.Version
	for n, name := range names {
		id := crate.ID{Name: name, Version: "1.0.0"}
		text := bytesOf(id, min(n, 1))
		v := catalog.Version{ID: id, Checksum: sha256.Sum256([]byte(text)), Size: int64(len(text)), Listed: true, VerifiedAt: time.Unix(1, 0)}
		v.Placement, err = s.Put(t.Context(), id, store.Body{Data: []byte(text), Size: v.Size})
		must(t, err)
		w.data[v.Key()] = text
		switch {
		case n == 0:
			v.SupersededAt = time.Unix(2, 0)
			fallthrough
		case slices.Contains([]string{"crate-01", "crate-02", "crate-03", "crate-07"}, name):
			v.Listed, w.gone[v.Key()] = false, true
			if !slices.Contains(w.old, v.Bundle) {
				w.old = append(w.old, v.Bundle)
			}
		default:
			w.writeIndex(&v)
		}
		rows = append(rows, v)
	}
	done, err := s.Finish(t.Context())
	must(t, err)
	batch := catalog.Batch{Versions: rows, Revision: &catalog.Revision{Commit: mirrored, Time: time.Unix(1, 0)}}
	for _, b := range done.Finished {
		batch.Bundles = append(batch.Bundles, catalog.Bundle{Name: b.Name, Whole: true, Entries: b.Entries, Bytes: b.Bytes, Checksum: b.Checksum})
	}
	must(t, cat.Commit(t.Context(), batch))
	must(t, w.disk.SyncAll())
	return w
}

func (w *world) writeIndex(v *catalog.Version) {
	w.t.Helper()
	path := filepath.Join(w.index, filepath.FromSlash(crate.IndexPath(v.Name)))
	must(w.t, os.MkdirAll(filepath.Dir(path), 0o755))
	line := fmt.Sprintf(`{"name":%q,"vers":%q,"deps":[],"cksum":%q,"features":{},"yanked":%t}`+"\n", v.Name, v.Version, v.Checksum, v.Yanked)
	must(w.t, os.WriteFile(path, []byte(line), 0o644))
}

func (w *world) openStore(fsys durable.FS, cat *catalog.Catalog) (*bundled.Store, error) {
	l, err := loose.Open(fsys, loose.Batch)
	if err != nil {
		return nil, err
	}
	return bundled.Open(context.Background(), bundled.Config{
		Folder: fsys, Loose: l, Catalog: adopter{cat}, Target: 3000,
		URL: func(id crate.ID, _ crate.Checksum) string { return "https://example.org/" + id.URLPath() },
	})
}

// run prunes, on w.disk or something around it.
func (w *world) run(fsys durable.FS) (p Pruned, told []string, err error) {
	w.t.Helper()
	cat, err := catalog.Open(filepath.Join(w.catalog, "catalog.db"))
	must(w.t, err)
	defer cat.Close()
	ix, err := index.Open(context.Background(), w.index, index.Options{})
	must(w.t, err)
	defer ix.Close()
	s, err := w.openStore(fsys, cat)
	if err != nil {
		return p, nil, err
	}
	defer s.Close()
	cfg := Config{
		Index: atMirrored{ix}, Catalog: cat, AcceptShrink: true, Log: slog.New(slog.DiscardHandler),
		Bundles: &Bundles{Folder: fsys, Store: s, MinShare: 0.1},
		Trash:   s.Loose.(*loose.Store).Trash,
	}
	w.change(&cfg)
	p, err = Run(context.Background(), cfg, func(v *catalog.Version) { told = append(told, v.ID.String()) })
	return p, told, err
}

// rows returns what the catalog says, by bytes.
func (w *world) rows() map[crate.Key]catalog.Version {
	w.t.Helper()
	cat, err := catalog.Open(filepath.Join(w.catalog, "catalog.db"))
	must(w.t, err)
	defer cat.Close()
	rows := map[crate.Key]catalog.Version{}
	for key := range w.data {
		list, err := cat.Versions(context.Background(), key.Name)
		must(w.t, err)
		for _, v := range list {
			rows[v.Key()] = v
		}
	}
	return rows
}

// check wants everything that is wanted to be where the catalog says.
func (w *world) check(at string) {
	w.t.Helper()
	l := loose.OpenReadOnly(w.disk)
	s := bundled.OpenReadOnly(w.disk, l)
	defer s.Close()
	rows := w.rows()
	for key, text := range w.data {
		v, held := rows[key]
		if !held {
			if !w.gone[key] {
				w.t.Errorf("%s: %v is not held", at, key)
			}
			continue
		}
		if w.gone[key] {
			continue // its bundle may be in the trash
		}
		if v.VerifiedAt.IsZero() || !v.Listed {
			w.t.Errorf("%s: what was known of %v is forgotten: %+v", at, key, v)
		}
		c, err := s.Open(w.t.Context(), v.Key(), v.Placement)
		if err != nil {
			w.t.Errorf("%s: %v", at, err)
			continue
		}
		data, err := io.ReadAll(c)
		if err = errors.Join(err, c.Close()); err != nil || string(data) != text {
			w.t.Errorf("%s: %v in %s has other bytes: %v", at, key, v.Bundle, err)
		}
	}
}

// checkDone wants the unwanted to be gone, and the files beside bundles to be right.
func (w *world) checkDone(at string) {
	w.t.Helper()
	w.check(at)
	for key := range w.rows() {
		if w.gone[key] {
			w.t.Errorf("%s: %v is held still", at, key)
		}
	}
	bundles, manifests := w.files(".")
	trashed, trashedManifests := w.files(w.trash())
	if !slices.Equal(trashed, w.old) || len(trashedManifests) != len(w.old) {
		w.t.Errorf("%s: in the trash are %q and %q, want %q and their manifests", at, trashed, trashedManifests, w.old)
	}
	if len(manifests) != len(bundles) {
		w.t.Errorf("%s: manifests are %q, of bundles %q", at, manifests, bundles)
	}
	var listed []string
	f, err := w.disk.Open(lists.CatalogName)
	must(w.t, err)
	defer f.Close()
	for e, err := range lists.ReadCatalog(f) {
		if errors.As(err, new(*jsonl.LineError)) {
			continue // of a write that failed
		}
		must(w.t, err)
		listed = append(listed, e.Bundle.String())
	}
	if slices.Sort(listed); !slices.Equal(listed, bundles) {
		w.t.Errorf("%s: lines are there of %q, bundles are %q", at, listed, bundles)
	}
	for _, name := range bundles {
		if slices.Contains(w.old, name) {
			w.t.Errorf("%s: %s has the name of one that was thrown away", at, name)
		}
	}
}

func (w *world) trash() string { return "trash/" + time.Now().UTC().Format(time.DateOnly) }

// files lists the bundles and the manifests in a folder; nothing may be left that
// is unfinished or temporary.
func (w *world) files(dir string) (bundles, manifests []string) {
	w.t.Helper()
	entries, err := w.disk.ReadDir(dir)
	must(w.t, err)
	for _, e := range entries {
		switch name := e.Name(); {
		case strings.HasSuffix(name, bundle.Ext):
			bundles = append(bundles, name)
		case strings.HasSuffix(name, ".manifest.jsonl"):
			manifests = append(manifests, name)
		case durable.IsTemp(name), strings.HasSuffix(name, bundle.PartExt), strings.HasSuffix(name, ".damaged"):
			w.t.Errorf("%s is left in %s", name, dir)
		}
	}
	return bundles, manifests
}

// on is the same world with another disk, and the catalog in another folder.
func (w *world) on(disk *durabletest.Mem, catalog string) *world {
	other := *w
	other.disk, other.catalog = disk, catalog
	return &other
}

// copyCatalog copies the catalog as a crash would leave it.
func (w *world) copyCatalog() string {
	w.t.Helper()
	dir := w.t.TempDir()
	for _, name := range []string{"catalog.db", "catalog.db-wal"} {
		data, err := os.ReadFile(filepath.Join(w.catalog, name))
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		must(w.t, err)
		must(w.t, os.WriteFile(filepath.Join(dir, name), data, 0o644))
	}
	return dir
}
