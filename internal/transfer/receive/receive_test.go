package receive

import (
	"bytes"
	"errors"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/signing"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/transfer"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/transfer/send"
)

// small makes volumes of some files each.
func small(cfg *send.Config) { cfg.Volume = 64 << 10 }

func smallFull(cfg *send.Config) { small(cfg); full(cfg) }

// TestVolumes: in any order, one at a time, twice, from a medium that cannot be written
// to; what is missing is named; nothing changes before all is there.
func TestVolumes(t *testing.T) {
	w := newWorld(t)
	w.publish(true, many("a", 60)...)
	w.publish(false, many("b", 20)...)
	medium := filepath.Join(w.dir, "medium")
	res, volumes := w.export(medium, smallFull)
	if len(volumes) < 4 || res.Crates != 85 {
		t.Fatalf("%d volumes, %d crates", len(volumes), res.Crates)
	}
	for _, v := range volumes {
		var sum int64
		entries, err := os.ReadDir(v)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			info, err := e.Info()
			if err != nil {
				t.Fatal(err)
			}
			sum += info.Size()
		}
		if sum > 64<<10 {
			t.Errorf("%s has %d bytes", v, sum)
		}
	}
	readOnly(t, medium)
	before := tree(t, medium)
	order := rand.Perm(len(volumes))
	for i, n := range order[:len(order)-1] {
		_, err := Run(t.Context(), w.config(volumes[n], volumes[n]))
		missing := new(MissingError)
		if !errors.As(err, &missing) || !strings.HasPrefix(err.Error(), "transfer "+res.Manifest.End.ID()+": nothing was changed; bring volume") || strings.Contains(err.Error(), "\n") {
			t.Fatalf("after %d of %d: %v", i+1, len(order), err)
		}
		for _, f := range missing.Transfer.Files {
			if there := slices.Contains(order[:i+1], f.Volume-1); f.Volume > 0 && f.Size > 0 && there == (missing.Files[f.Name] != nil) {
				t.Errorf("after %v, %s in volume %d is missing: %v", order[:i+1], f.Name, f.Volume, missing.Files[f.Name])
			}
		}
		if _, err := os.Stat(w.far.Index); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("there is an index before all is there: %v", err)
		}
	}
	got := w.take(volumes[order[len(order)-1]])
	if !got.Same || got.Held != 85 || got.Lacking != 0 {
		t.Errorf("%+v", got)
	}
	w.wantSame()
	if diff := cmp.Diff(before, tree(t, medium)); diff != "" {
		t.Errorf("the medium was written to:\n%s", diff)
	}
	if left, _ := filepath.Glob(filepath.Join(w.far.Bundles, arriving)); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
	again := w.take(medium)
	if len(again.Taken) != 0 || again.At != res.Manifest.End {
		t.Errorf("a second time: %+v", again)
	}
}

func readOnly(t *testing.T, dir string) {
	t.Helper()
	_ = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil {
			err = os.Chmod(path, map[bool]fs.FileMode{true: 0o555, false: 0o444}[d.IsDir()])
		}
		return err
	})
	t.Cleanup(func() {
		_ = filepath.WalkDir(dir, func(path string, _ fs.DirEntry, _ error) error { return os.Chmod(path, 0o755) })
	})
}

// TestDamage: whatever became of a medium, the mirror stays what it was, and the error
// says which volume; with parity, what is lost is rebuilt.
func TestDamage(t *testing.T) {
	dear(t)
	w := newWorld(t)
	first := filepath.Join(w.dir, "first")
	w.export(first, full)
	w.take(first)
	w.publish(true, many("a", 60)...)
	medium := filepath.Join(w.dir, "medium")
	_, volumes := w.export(medium, nil)
	withParity := filepath.Join(w.dir, "parity")
	w.export(withParity, func(cfg *send.Config) { cfg.Since, cfg.Parity = send.Since{Point: "1"}, 20 })
	other := filepath.Join(w.dir, "other")
	foreign := newKey(t, w.dir, "foreign.example.org")
	w.export(other, func(cfg *send.Config) { cfg.Since, cfg.Signers = send.Since{Point: "1"}, []*signing.Signer{foreign} })
	before := shows(t, w.far)
	file := func(name string) string {
		return filepath.Join(filepath.Base(filepath.Dir(volumes[0])), "volume-001", name)
	}
	note := file(transfer.NoteName)
	edit := func(name string, change func([]byte) []byte) func(t *testing.T, dir string) {
		return func(t *testing.T, dir string) {
			path := filepath.Join(dir, name)
			data, err := os.ReadFile(path)
			if err == nil {
				err = os.WriteFile(path, change(data), 0o644)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	flip := func(b []byte) []byte { b[len(b)/2] ^= 4; return b }
	for name, c := range map[string]struct {
		damage func(t *testing.T, dir string)
		want   string
	}{
		"a bundle is flipped":   {edit(file("bundle-0000.tar.zst"), flip), "bring volume 1 of 1 of transfer 2-"},
		"the index is flipped":  {edit(file(transfer.IndexName), flip), "index.bundle (it was changed"},
		"a bundle is cut off":   {edit(file("bundle-0000.tar.zst"), func(b []byte) []byte { return b[:len(b)-1] }), "bundle-0000.tar.zst (it is cut off after"},
		"a bundle is longer":    {edit(file("bundle-0000.tar.zst"), func(b []byte) []byte { return append(b, 0) }), "bundle-0000.tar.zst (it was changed"},
		"a file is lost":        {func(t *testing.T, dir string) { must(t, os.Remove(filepath.Join(dir, file(transfer.IndexName)))) }, "index.bundle (not there)"},
		"a link in its place":   {linked(file("bundle-0000.tar.zst")), "bring volume 1"},
		"a folder in its place": {folder(file("bundle-0000.tar.zst")), "bring volume 1"},
		"the manifest is edited": {edit(note, func(b []byte) []byte {
			return bytes.Replace(b, []byte("volumes 1"), []byte("volumes 2"), 1)
		}), "signature"},
		"the manifest is not signed": {edit(note, func(b []byte) []byte { return b[:bytes.Index(b, []byte("\n\n"))+1] }), "not signed"},
		"the manifest is empty":      {edit(note, func([]byte) []byte { return nil }), "not signed"},
		"the manifest is a link":     {linked(note), "volume"},
		"signed by somebody else": {func(t *testing.T, dir string) {
			must(t, os.RemoveAll(dir))
			must(t, os.CopyFS(dir, os.DirFS(other)))
		}, "not signed by"},
		"nothing at all": {func(t *testing.T, dir string) { must(t, os.RemoveAll(filepath.Join(dir, filepath.Dir(note)))) }, "there is no volume"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "medium")
			must(t, os.CopyFS(dir, os.DirFS(medium)))
			c.damage(t, dir)
			must(t, os.RemoveAll(filepath.Join(w.far.Bundles, arriving))) // or what the last one staged would do
			_, err := Run(t.Context(), w.config(dir))
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v, want %q", err, c.want)
			}
			if after := shows(t, w.far); after != before {
				t.Errorf("the mirror shows another state (-before +after):\n%s", cmp.Diff(before, after))
			}
		})
	}
	// The other copy, or parity, repairs it. Volumes that another key signed are skipped.
	dir := filepath.Join(w.dir, "damaged")
	must(t, os.CopyFS(dir, os.DirFS(withParity)))
	damaged, _ := filepath.Glob(filepath.Join(dir, "transfer-*"))
	under := filepath.Base(damaged[0])
	edit(filepath.Join(under, "volume-001", "bundle-0000.tar.zst"), flip)(t, dir)
	must(t, os.RemoveAll(filepath.Join(w.far.Bundles, arriving)))
	must(t, os.Remove(filepath.Join(damaged[0], "volume-001", transfer.IndexName)))
	must(t, os.Remove(filepath.Join(damaged[0], "volume-001", transfer.FactsName))) // which is empty
	res, err := Run(t.Context(), w.config(dir, other))
	lost := new(MissingError)
	if !errors.As(err, &lost) { // of so few pieces one is good for one
		t.Fatalf("%+v, %v", res, err)
	}
	must(t, os.CopyFS(filepath.Join(w.dir, "copy"), os.DirFS(withParity)))
	must(t, os.Remove(filepath.Join(w.dir, "copy", under, "volume-001", "bundle-0000.tar.zst")))
	if res = w.take(dir, filepath.Join(w.dir, "copy"), other); res.Rebuilt != 1 || !res.Same {
		t.Errorf("%+v", res)
	}
	w.wantSame()
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func linked(name string) func(t *testing.T, dir string) {
	return func(t *testing.T, dir string) {
		path := filepath.Join(dir, name)
		must(t, os.Rename(path, path+".there"))
		if err := os.Symlink(path+".there", path); err != nil {
			t.Skip(err)
		}
	}
}

func folder(name string) func(t *testing.T, dir string) {
	return func(t *testing.T, dir string) {
		must(t, os.Remove(filepath.Join(dir, name)))
		must(t, os.Mkdir(filepath.Join(dir, name), 0o755))
	}
}

// TestKeys: of several keys one is enough, so that keys can be changed.
func TestKeys(t *testing.T) {
	w := newWorld(t)
	next := newKey(t, w.dir, "next.example.org")
	medium := filepath.Join(w.dir, "medium")
	w.export(medium, func(cfg *send.Config) { full(cfg); cfg.Signers = append(cfg.Signers, next) })
	cfg := w.config(medium)
	cfg.Keys = []*signing.Verifier{newKey(t, w.dir, "old.example.org").Public()}
	if _, err := Run(t.Context(), cfg); !errors.As(err, new(*signing.UnknownSignersError)) {
		t.Errorf("a key that did not sign: %v", err)
	}
	cfg.Keys = append(cfg.Keys, next.Public())
	if _, err := Run(t.Context(), cfg); err != nil {
		t.Error(err)
	}
	w.wantSame()
}

func TestRanges(t *testing.T) {
	for want, numbers := range map[string][]int{"": nil, "7": {7}, "1, 3-12": {1, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}, "1-2, 4": {1, 2, 4}} {
		if got := ranges(numbers); got != want {
			t.Errorf("%v: %q, want %q", numbers, got, want)
		}
	}
}
