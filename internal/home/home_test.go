package home_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/catalog"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/home"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/store"
)

func in(dir string) home.Dirs {
	d := home.Dirs{Root: dir}
	d.Fill()
	return d
}

func TestNames(t *testing.T) {
	d := home.Dirs{Root: "m", Crates: "elsewhere"}
	d.Fill()
	want := home.Dirs{Root: "m", Index: filepath.Join("m", "crates.io-index"), Crates: "elsewhere", Bundles: filepath.Join("m", "bundles"), Deep: filepath.Join("m", "deep"),
		Manifest: filepath.Join("m", "manifest.jsonl"), Statements: filepath.Join("m", "log")}
	if diff := cmp.Diff(want, d); diff != "" {
		t.Error(diff)
	}
	for got, want := range map[string]string{
		d.State(): "elsewhere/.clonecratesio", d.Catalog(): "elsewhere/.clonecratesio/catalog.db", d.Quarantine(): "elsewhere/quarantine",
		d.Trash(): "elsewhere/trash", d.TrashedBundles(): "m/bundles/trash", d.VerifyLock(): "elsewhere/.clonecratesio/verify.lock",
	} {
		if filepath.ToSlash(got) != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
}

// What a folder has in it decides whether it is a mirror, and whether a catalog can be
// made of its crates.
func TestCheck(t *testing.T) {
	for name, tt := range map[string]struct {
		files  []string
		isOurs bool
		crates bool
	}{
		"nothing":            {nil, false, false},
		"other files":        {[]string{"crates/notes/readme.txt", "crates/1/2/3/4/foo-1.0.0.crate"}, false, false},
		"loose crates":       {[]string{"crates/se/rd/serde-1.0.0.crate"}, false, true},
		"bundles":            {[]string{"bundles/bundle-0000.tar.zst"}, false, true},
		"a state":            {[]string{"crates/.clonecratesio/run.json"}, true, false},
		"a state and crates": {[]string{"crates/.clonecratesio/run.json", "crates/1/a-1.0.0.crate"}, false, true},
		"a mirror":           {[]string{"crates/.clonecratesio/catalog.db", "crates/1/a-1.0.0.crate"}, true, true},
	} {
		d := in(t.TempDir())
		for _, file := range tt.files {
			write(t, filepath.Join(d.Root, file))
		}
		err := d.Check()
		no := new(home.NoMirrorError)
		if is := errors.As(err, &no); is == tt.isOurs || !tt.isOurs && no.Crates != tt.crates {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func write(t *testing.T, file string) {
	t.Helper()
	if err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o755), os.WriteFile(file, nil, 0o644)); err != nil {
		t.Fatal(err)
	}
}

func open(t *testing.T, d home.Dirs, change func(*home.Config)) *home.Writer {
	t.Helper()
	w, err := home.Open(t.Context(), config(d, change))
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func config(d home.Dirs, change func(*home.Config)) home.Config {
	cfg := home.Config{
		Dirs: d, Owner: durable.Self("a test"), Log: slog.New(slog.DiscardHandler), Manifest: d.Manifest,
		Bundles: home.BundleConfig{Size: 1 << 20, URL: func(crate.ID, crate.Checksum) string { return "" }},
	}
	if change != nil {
		change(&cfg)
	}
	return cfg
}

func bundling(cfg *home.Config) { cfg.Bundles.Write = true }

// One writer at a time has the mirror, its audit log, and its bundles; when it is
// closed, the next one may have them.
func TestLocks(t *testing.T) {
	d := in(t.TempDir())
	first := open(t, d, bundling)
	other := in(t.TempDir())
	for name, dirs := range map[string]home.Dirs{
		"the mirror":    {Crates: d.Crates, Bundles: other.Bundles, Manifest: other.Manifest},
		"the bundles":   {Crates: other.Crates, Bundles: d.Bundles, Manifest: other.Manifest},
		"the audit log": {Crates: other.Crates, Bundles: other.Bundles, Manifest: d.Manifest},
	} {
		_, err := home.Open(t.Context(), config(dirs, bundling))
		held := new(durable.HeldError)
		if !errors.As(err, &held) || held.Owner.Command != "a test" {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	for range 2 { // what failed to open has left no lock either
		for _, dirs := range []home.Dirs{d, other} {
			if err := open(t, dirs, bundling).Close(); err != nil {
				t.Error(err)
			}
		}
	}
}

// What a writer has stored, in either place, a reader finds, also one that was
// there before the folder of bundles.
func TestReaderSeesWhatIsWritten(t *testing.T) {
	d := in(t.TempDir())
	if _, err := home.OpenReader(t.Context(), &d); !errors.Is(err, home.ErrNoCatalog) || !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("before there is a mirror: %v", err)
	}
	if err := open(t, d, nil).Close(); err != nil {
		t.Fatal(err)
	}
	r, err := home.OpenReader(t.Context(), &d)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	_, err = r.Store.Open(t.Context(), crate.Key{}, store.Placement{Bundle: "bundle-0000.tar.zst"})
	if !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), d.Bundles) {
		t.Errorf("before there are bundles: %v", err)
	}
	for _, bundle := range []bool{false, true} {
		id := crate.ID{Name: "foo", Version: map[bool]string{false: "1.0.0", true: "2.0.0"}[bundle]}
		data := []byte("the bytes of " + id.Version)
		key := crate.Key{ID: id, Checksum: crate.Checksum(sha256.Sum256(data))}
		at := put(t, d, key, data, bundle)
		if (at.Bundle != "") != bundle {
			t.Errorf("%s was put to %v", id, at)
		}
		c, err := r.Store.Open(t.Context(), key, at)
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(c)
		if string(got) != string(data) || errors.Join(err, c.Close()) != nil {
			t.Errorf("%s: %q, %v", id, got, err)
		}
		rows, err := r.Catalog.Versions(t.Context(), "foo")
		if err != nil || !slices.ContainsFunc(rows, func(v catalog.Version) bool { return v.ID == id }) {
			t.Errorf("%s: rows %v, %v", id, rows, err)
		}
	}
}

// put stores a crate and records it.
func put(t *testing.T, d home.Dirs, key crate.Key, data []byte, bundle bool) store.Placement {
	t.Helper()
	w := open(t, d, func(cfg *home.Config) { cfg.Bundles.Write = bundle })
	at, err := w.Store.Put(t.Context(), key.ID, store.Body{Data: data, Size: int64(len(data))})
	if err == nil {
		_, err = w.Store.Checkpoint(t.Context())
	}
	if err == nil {
		v := catalog.Version{ID: key.ID, Checksum: key.Checksum, Size: int64(len(data)), Placement: at, Listed: true, VerifiedAt: time.Unix(1, 0)}
		err = w.Catalog.Commit(t.Context(), catalog.Batch{Versions: []catalog.Version{v}})
	}
	if err := errors.Join(err, w.Close()); err != nil {
		t.Fatal(err)
	}
	return at
}

// A damaged catalog is set aside, and so is one that is made again; a writer that needs
// the one that is there gets no empty one.
func TestCatalogAside(t *testing.T) {
	d := in(t.TempDir())
	w, err := home.Hold(config(d, nil))
	if err != nil {
		t.Fatal(err)
	}
	if err := w.OpenKnownCatalog(); !errors.Is(err, home.ErrNoCatalog) {
		t.Errorf("known catalog of an empty folder: %v", err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(d.Catalog(), []byte(strings.Repeat("no database ", 1000)), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, renew := range []bool{false, true} {
		if err := open(t, d, func(cfg *home.Config) { cfg.NewCatalog = renew }).Close(); err != nil {
			t.Fatal(err)
		}
	}
	for _, why := range []string{"damaged", "old"} {
		if found, _ := filepath.Glob(d.Catalog() + "." + why + "-*Z"); len(found) != 1 {
			t.Errorf("%s: %v", why, found)
		}
	}
	err = d.ReadCatalog(t.Context(), func(c *catalog.Catalog) error {
		totals, err := c.Totals(context.Background())
		if totals.Versions != 0 {
			t.Errorf("%+v", totals)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

// Closers close the last first, all of them, once.
func TestClosers(t *testing.T) {
	var c home.Closers
	var order []int
	for n := range 3 {
		c.Add(func() error { order = append(order, n); return errors.New("no") })
	}
	if err := c.Close(); strings.Count(err.Error(), "no") != 3 {
		t.Error(err)
	}
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	if diff := cmp.Diff([]int{2, 1, 0}, order); diff != "" {
		t.Error(diff)
	}
}
