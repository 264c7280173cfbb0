package prune

import (
	"errors"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/bundle"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/catalog"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/store"
)

// superseded is the key of what crate-04 was before it was published again.
func (w *world) superseded() (key crate.Key) {
	for k, v := range w.rows() {
		if !v.SupersededAt.IsZero() {
			key = k
		}
	}
	return key
}

// What goes, and what stays: by default what was superseded stays, and so do bundles that
// little of is unwanted.
func TestRewrite(t *testing.T) {
	unlisted := []string{"crate-01 1.0.0", "crate-02 1.0.0", "crate-03 1.0.0", "crate-07 1.0.0"}
	for name, tt := range map[string]struct {
		change    func(*Config)
		told      []string
		rewritten int
		bundled   int64
	}{
		"default":      {func(*Config) {}, unlisted, 3, 0},
		"superseded":   {func(cfg *Config) { cfg.Superseded = true }, []string{"crate-01 1.0.0", "crate-02 1.0.0", "crate-03 1.0.0", "crate-04 1.0.0", "crate-07 1.0.0"}, 3, 0},
		"min share":    {func(cfg *Config) { cfg.Bundles.MinShare = 0.4 }, unlisted[:2], 1, 2},
		"no bundles":   {func(cfg *Config) { cfg.Bundles = nil }, nil, 0, 4},
		"much":         {func(cfg *Config) { cfg.Bundles.MinShare = 1 }, nil, 0, 4},
		"a dry run":    {func(cfg *Config) { cfg.Trash, cfg.Bundles.Store = nil, nil }, unlisted, 3, 0},
		"too much":     {func(cfg *Config) { cfg.AcceptShrink = false }, nil, 0, 0},
		"other index":  {func(cfg *Config) { cfg.Index = cfg.Index.(atMirrored).Index }, nil, 0, 0},
		"yanked, none": {func(cfg *Config) { cfg.Yanked = true }, unlisted, 3, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.change = tt.change
			before := w.rows()
			p, told, err := w.run(w.disk)
			refused := name == "too much" || name == "other index"
			if refused != (err != nil) || refused && !strings.HasPrefix(err.Error(), "nothing is removed: ") {
				t.Errorf("error %v", err)
			}
			if diff := cmp.Diff(tt.told, told); diff != "" || len(p.Rewritten) != tt.rewritten || p.Bundled != tt.bundled {
				t.Errorf("%+v, told (-want +got):\n%s", p, diff)
			}
			w.check(name)
			gone := len(before) - len(w.rows())
			if name == "a dry run" {
				if diff := cmp.Diff(before, w.rows()); diff != "" {
					t.Errorf("rows (-before +after):\n%s", diff)
				}
			} else if gone != len(tt.told) {
				t.Errorf("%d rows are gone, want %d", gone, len(tt.told))
			}
		})
	}
}

// Bytes that were superseded and stand loose go with -superseded alone.
func TestSupersededLoose(t *testing.T) {
	w := newWorld(t)
	key := w.superseded()
	v := w.rows()[key]
	v.Bundle, v.Offset, v.FrameSize, v.Loose, v.Republished = "", 0, 0, true, key.Checksum.FileKey()
	file := v.Placement.LoosePath(v.ID)
	w.put(file, w.data[key])
	w.commit(catalog.Batch{Versions: []catalog.Version{v}})
	w.change = func(cfg *Config) { cfg.Bundles = nil }
	if _, told, err := w.run(w.disk); err != nil || len(told) > 0 {
		t.Fatalf("%v, %q", err, told)
	}
	w.change = func(cfg *Config) { cfg.Bundles, cfg.Superseded = nil, true }
	_, told, err := w.run(w.disk)
	if diff := cmp.Diff([]string{"crate-04 1.0.0"}, told); diff != "" || err != nil {
		t.Fatalf("error %v, told (-want +got):\n%s", err, diff)
	}
	if _, held := w.rows()[key]; held {
		t.Error("its row is there still")
	}
	if _, err := w.disk.Stat(file); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("its file: %v", err)
	}
	w.check("superseded, loose")
}

func (w *world) put(name, text string) {
	w.t.Helper()
	must(w.t, w.disk.MkdirAll(path.Dir(name)))
	f, err := w.disk.Create(name)
	must(w.t, err)
	_, err = io.WriteString(f, text)
	must(w.t, errors.Join(err, f.Close()))
}

func (w *world) commit(b catalog.Batch) {
	w.t.Helper()
	cat, err := catalog.Open(w.catalog + "/catalog.db")
	must(w.t, err)
	defer cat.Close()
	must(w.t, cat.Commit(w.t.Context(), b))
}

// A bundle in which a member that is wanted is damaged stays, with all that is in
// it; the others are written again.
func TestDamagedBundleStays(t *testing.T) {
	w := newWorld(t)
	hurt := w.rows()[w.key("crate-00")]
	f, err := w.disk.Open(hurt.Bundle)
	must(t, err)
	data, err := io.ReadAll(f)
	must(t, errors.Join(err, f.Close()))
	data[hurt.Offset+hurt.FrameSize/2] ^= 1
	must(t, w.disk.Remove(hurt.Bundle))
	w.put(hurt.Bundle, string(data))
	_, _, err = w.run(w.disk)
	if err == nil || !strings.Contains(err.Error(), hurt.Bundle+" stays as it is: copying crate-00 1.0.0: ") ||
		!strings.Contains(err.Error(), "run verify -repair") {
		t.Errorf("error %v", err)
	}
	if rows := w.rows(); rows[hurt.Key()].Bundle != hurt.Bundle {
		t.Errorf("crate-00 is in %q", rows[hurt.Key()].Bundle)
	}
	delete(w.data, hurt.Key())
	w.check("damaged")
	if _, err := w.disk.Stat(hurt.Bundle); err != nil {
		t.Error(err)
	}
	if _, held := w.rows()[w.key("crate-07")]; held {
		t.Error("crate-07, which is in another bundle, has not gone")
	}
}

// key returns the bytes that a crate has now, or had.
func (w *world) key(name string) crate.Key {
	for key := range w.data {
		if key.Name == name {
			return key
		}
	}
	return crate.Key{}
}

// tight has space for one bundle.
type tight struct {
	durable.FS
	asked int
}

func (d *tight) Free() (bytes, files int64, err error) {
	if d.asked++; d.asked == 1 {
		return reserve + 3000, -1, nil
	}
	return reserve, -1, nil
}

// Where space gets short, what was done is finished, and the next run resumes.
func TestNoRoom(t *testing.T) {
	w := newWorld(t)
	_, _, err := w.run(&tight{FS: w.disk})
	if !errors.Is(err, durable.ErrNoSpace) || !strings.Contains(err.Error(), "empty the trash of the bundles, then prune again") {
		t.Errorf("error %v", err)
	}
	w.check("no room")
	if trashed, _ := w.files(w.trash()); !slices.Equal(trashed, w.old[:1]) {
		t.Errorf("in the trash are %q, want %q", trashed, w.old[:1])
	}
	_, _, err = w.run(w.disk)
	must(t, err)
	w.checkDone("room again")
}

// A bundle that a user moves back from the trash is read, and all that is in it is held again.
func TestBackFromTheTrash(t *testing.T) {
	w := newWorld(t)
	_, _, err := w.run(w.disk)
	must(t, err)
	must(t, w.disk.Publish(w.trash()+"/"+w.old[2], w.old[2]))
	w.change = func(cfg *Config) { cfg.Bundles = nil }
	_, _, err = w.run(w.disk)
	must(t, err)
	v, held := w.rows()[w.key("crate-07")]
	if !held || v.Bundle != w.old[2] {
		t.Errorf("crate-07: held %t, %+v", held, v)
	}
	if _, manifests := w.files("."); !slices.ContainsFunc(manifests, func(name string) bool {
		return strings.HasPrefix(name, strings.TrimSuffix(w.old[2], bundle.Ext))
	}) {
		t.Errorf("it has no manifest: %q", manifests)
	}
}

// What is in the deep archive alone is told, and its row goes; one that has a place
// elsewhere too goes with that, unless it stays in a bundle.
func TestDeep(t *testing.T) {
	w := newWorld(t)
	at := store.DeepPlace{Segment: "deep-0000.zst", Pack: 7, PackSize: 99}
	alone, loose, bundled := w.rows()[w.key("crate-01")], w.rows()[w.key("crate-02")], w.rows()[w.key("crate-03")]
	wanted := w.rows()[w.key("crate-00")]
	for n, v := range []*catalog.Version{&alone, &loose, &bundled, &wanted} {
		if at.Number = n; v == &bundled {
			v.Placement = v.With(store.Placement{Deep: at})
			continue
		}
		v.Placement = store.Placement{Deep: at, Loose: v == &loose}
	}
	w.put(loose.Placement.LoosePath(loose.ID), w.data[loose.Key()])
	w.commit(catalog.Batch{Versions: []catalog.Version{alone, loose, bundled, wanted}})
	before := w.rows()
	for _, dry := range []bool{true, false} {
		w.change = func(cfg *Config) {
			if cfg.Bundles = nil; dry {
				cfg.Trash = nil
			}
		}
		p, told, err := w.run(w.disk)
		if diff := cmp.Diff([]string{"crate-01 1.0.0", "crate-02 1.0.0"}, told); diff != "" || err != nil || p.Deep != 1 || p.Versions != 1 || p.Bundled != 2 {
			t.Errorf("dry %t: %+v, error %v, told (-want +got):\n%s", dry, p, err, diff)
		}
		if !dry {
			delete(before, alone.Key())
			delete(before, loose.Key())
		}
		if diff := cmp.Diff(before, w.rows()); diff != "" {
			t.Errorf("dry %t: rows (-want +got):\n%s", dry, diff)
		}
	}
	w.change = func(*Config) {}
	if _, _, err := w.run(w.disk); err != nil {
		t.Fatal(err)
	}
	if _, held := w.rows()[bundled.Key()]; held {
		t.Error("crate-03, whose bundle is written again, is held")
	}
}

// Very much that would go is not only what is loose.
func TestDeepTooMuch(t *testing.T) {
	w := newWorld(t)
	v := w.rows()[w.key("crate-01")]
	v.Placement = store.Placement{Deep: store.DeepPlace{Segment: "deep-0000.zst", PackSize: 99}}
	w.commit(catalog.Batch{Versions: []catalog.Version{v}})
	w.change = func(cfg *Config) { cfg.Bundles, cfg.AcceptShrink = nil, false }
	if _, _, err := w.run(w.disk); err == nil || !strings.Contains(err.Error(), "nothing is removed: 1 of the ") {
		t.Errorf("error %v", err)
	}
}
