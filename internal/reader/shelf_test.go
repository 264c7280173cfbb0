package reader

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/store"
)

// asked opens a version for a client, reads it, and says whether its bytes were in memory.
func (w *world) asked(ctx context.Context, v *View, want []byte) (fromShelf bool, err error) {
	w.t.Helper()
	id := w.reg.IDs()[0]
	f, err := v.Open(ctx, id)
	if err != nil {
		return false, err
	}
	defer f.Close()
	got, err := io.ReadAll(f)
	if err != nil || !bytes.Equal(got, want) {
		w.t.Errorf("%d bytes that are not those of the crate, %v", len(got), err)
	}
	_, fromShelf = f.Content.(onlyInMemory)
	return fromShelf, nil
}

// TestH5ShelvedBytes: a small crate is in memory after the first client, and is called
// damaged all the same as soon as its file is changed, replaced or removed.
func TestH5ShelvedBytes(t *testing.T) {
	for name, how := range map[string]how{"loose": {}, "bundled": {bundle: true, target: 1 << 20}} {
		for _, size := range []string{"tiny 1.0.0\n  size 900", "small 1.0.0\n  size 6000"} {
			t.Run(name+" "+size[:5], func(t *testing.T) {
				w := newWorld(t, size)
				w.run(how)
				id := w.reg.IDs()[0]
				want, err := w.reg.CrateBytes(id)
				if err != nil {
					t.Fatal(err)
				}
				file := w.loose(id)
				if how.bundle {
					file = filepath.Join(w.bundles(), "bundle-0000.tar.zst")
				}
				v := w.view(nil)
				v.copies.clock = func() time.Time { return time.Now().Add(time.Minute) } // the file has long been there
				client := store.ForClient(t.Context(), "192.0.2.1")
				for n, shelved := range []bool{false, true, true} {
					if from, err := w.asked(client, v, want); err != nil || from != shelved {
						t.Errorf("asked for %d times before: in memory: %v, %v", n, from, err)
					}
				}
				info, err := os.Stat(file)
				if err != nil {
					t.Fatal(err)
				}
				wantDamaged := func(after string) {
					t.Helper()
					if _, err := w.asked(client, v, want); !errors.As(err, new(*DamagedError)) {
						t.Errorf("%s: %v", after, err)
					}
				}
				v.copies.clock = time.Now // nothing of what follows is old enough to be believed
				flip(t, file, info.Size()/2, info.ModTime())
				wantDamaged("changed in its place, with its times of before")
				flip(t, file, info.Size()/2, info.ModTime())
				if _, err := w.asked(client, v, want); err != nil {
					t.Error(err)
				}
				replaceDamaged(t, file, info)
				wantDamaged("another file in its place")
				if err := os.Remove(file); err != nil {
					t.Fatal(err)
				}
				wantDamaged("removed")
			})
		}
	}
}

// A caller that is no client gets the file itself, for export to link, and fills no memory.
func TestTheShelfIsForClients(t *testing.T) {
	w := newWorld(t, "small 1.0.0\n  size 6000")
	w.run(how{})
	id := w.reg.IDs()[0]
	v := w.view(nil)
	v.copies.clock = func() time.Time { return time.Now().Add(time.Minute) }
	client := store.ForClient(t.Context(), "192.0.2.1")
	for n, ctx := range []context.Context{t.Context(), client, t.Context()} {
		if _, err := read(t, v, id); err != nil {
			t.Fatal(err)
		}
		f, err := v.Open(ctx, id)
		if err != nil {
			t.Fatal(err)
		}
		if f.OnDisk() == nil {
			t.Errorf("opened for %d others before: no file", n)
		}
		f.Close()
		if has := v.copies.shelf.Get(w.key(id).Checksum) != nil; has && n == 0 {
			t.Error("what no client has asked for is in memory")
		}
	}
}
