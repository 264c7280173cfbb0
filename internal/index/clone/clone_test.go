package clone

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
)

// TestCloneIntoFolder: a folder that is there is not replaced, because a disk may be
// mounted at it; and a clone that was killed at any step of moving in is completed.
func TestCloneIntoFolder(t *testing.T) {
	for _, checkout := range []bool{false, true} {
		u := newUpstream(t, "foo 1.0.0\nbar 1.0.0")
		if err := os.MkdirAll(u.dir, 0o700); err != nil {
			t.Fatal(err)
		}
		before, err := os.Stat(u.dir)
		if err != nil {
			t.Fatal(err)
		}
		update := func() Updated {
			t.Helper()
			return u.mustUpdate(func(cfg *Config) { cfg.Checkout = checkout })
		}
		update()
		u.wantSame()
		if after, err := os.Stat(u.dir); err != nil || !os.SameFile(before, after) || after.Mode().Perm() != 0o700 {
			t.Errorf("the folder was replaced: %v, %v", after, err)
		}
		names, err := os.ReadDir(u.dir)
		if err != nil {
			t.Fatal(err)
		}
		inside := filepath.Join(u.dir, ".index"+wholeSuffix)
		for moved := range names { // so many of them are where they belong
			if err := os.Mkdir(inside, 0o755); err != nil {
				t.Fatal(err)
			}
			for _, e := range names {
				first, last := e.Name() == ".git", e.Name() == "HEAD"
				if first && moved > 0 || !first && !last && moved > 1 {
					continue
				}
				if err := os.Rename(filepath.Join(u.dir, e.Name()), filepath.Join(inside, e.Name())); err != nil {
					t.Fatal(err)
				}
			}
			if up := update(); up.Changed() {
				t.Errorf("%+v, want the clone that was there", up)
			}
			u.wantSame()
			if _, err := os.Stat(inside); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("%s is still there: %v", inside, err)
			}
		}
		// One that was not complete is made again.
		u = newUpstream(t, "foo 1.0.0")
		if err := os.MkdirAll(filepath.Join(u.dir, ".index"+cloneSuffix+"123", "objects"), 0o755); err != nil {
			t.Fatal(err)
		}
		update()
		u.wantSame()
	}
}
