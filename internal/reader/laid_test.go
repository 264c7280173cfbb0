package reader

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/extent"
)

// TestH5ProvedBytesThatChange: verified bytes are served from the file that has them, also
// out of a bundle; never from a file that has changed since, however alike it looks.
func TestH5ProvedBytesThatChange(t *testing.T) {
	for name, how := range map[string]how{"loose": {}, "bundled": {bundle: true, target: 1 << 20}} {
		for _, size := range []string{"small 1.0.0\n  size 200000", "large 1.0.0\n  size 3000000"} {
			t.Run(name, func(t *testing.T) {
				w := newWorld(t, size)
				w.run(how)
				id := w.reg.IDs()[0]
				file := w.loose(id)
				if how.bundle {
					file = filepath.Join(w.bundles(), "bundle-0000.tar.zst")
				}
				v := w.view(nil)
				v.copies.clock = func() time.Time { return time.Now().Add(time.Minute) } // the file has long been there
				w.wantRead(v, id.Name, id.Version)
				w.wantLaid(v, id)
				info, err := os.Stat(file)
				if err != nil {
					t.Fatal(err)
				}
				v.copies.clock = time.Now // nothing of what follows is old enough to be believed
				flip(t, file, info.Size()/2, info.ModTime())
				if _, err := read(t, v, id); !errors.As(err, new(*DamagedError)) {
					t.Errorf("changed in its place, with its times of before: %v", err)
				}
				flip(t, file, info.Size()/2, info.ModTime())
				w.wantRead(v, id.Name, id.Version)
				replaceDamaged(t, file, info)
				if _, err := read(t, v, id); !errors.As(err, new(*DamagedError)) {
					t.Errorf("another file in its place: %v", err)
				}
			})
		}
	}
}

// wantLaid opens a version, and compares the pieces of its file with its bytes.
func (w *world) wantLaid(v *View, id crate.ID) {
	w.t.Helper()
	f, err := v.Open(w.t.Context(), id)
	if err != nil {
		w.t.Fatal(err)
	}
	defer f.Close()
	want, err := w.reg.CrateBytes(id)
	if err != nil {
		w.t.Fatal(err)
	}
	file, all := extent.Of(f.Content)
	if len(all) == 0 {
		w.t.Fatalf("%s lies nowhere", id)
	}
	got, err := io.ReadAll(extent.NewReader(file, all, f.Size()))
	if err != nil || !bytes.Equal(got, want) {
		w.t.Errorf("%s: %d bytes lie in the file, %v", id, len(got), err)
	}
}

// replaceDamaged puts a copy with other bytes in the place of a file, with its time.
func replaceDamaged(t *testing.T, file string, info os.FileInfo) {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	data[len(data)/2] ^= 1
	if err := errors.Join(os.WriteFile(file+".new", data, 0o644), os.Chtimes(file+".new", info.ModTime(), info.ModTime()), os.Rename(file+".new", file)); err != nil {
		t.Fatal(err)
	}
}

// The row of a version is kept until the catalog changes, and what is not held is not.
func TestRowsAreKeptUntilTheyChange(t *testing.T) {
	w := newWorld(t, small4)
	w.run(how{})
	v := w.view(func(c *Config) { c.Interval = time.Hour })
	one := rowKey{Key: crate.Key{ID: serde100}}
	w.wantRead(v, "serde", "1.0.0")
	before, ok := v.rows.Get(one)
	w.wantRead(v, "serde", "1.0.0")
	if after, _ := v.rows.Get(one); !ok || after != before {
		t.Errorf("read again: %p, then %p", before.Version, after.Version)
	}
	v.generation.Add(1)
	w.wantRead(v, "serde", "1.0.0")
	if after, _ := v.rows.Get(one); after.Version == before.Version {
		t.Error("the row of before counts after a change")
	}
	absent := crate.ID{Name: "serde", Version: "9.9.9"}
	if _, err := read(t, v, absent); err == nil {
		t.Error("it is held")
	}
	if _, ok := v.rows.Get(rowKey{Key: crate.Key{ID: absent}}); ok {
		t.Error("that a version is not held is kept")
	}
}
