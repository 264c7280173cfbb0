package clone

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// TestC24IndexOnAMount: a disk that is mounted at the index's folder is cloned to.
func TestC24IndexOnAMount(t *testing.T) {
	for _, checkout := range []bool{false, true} {
		u := newUpstream(t, "foo 1.0.0")
		if err := os.MkdirAll(u.dir, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := unix.Mount("tmpfs", u.dir, "tmpfs", 0, "size=8m"); err != nil {
			t.Skipf("mounting a tmpfs needs root: %v", err)
		}
		t.Cleanup(func() {
			if err := unix.Unmount(u.dir, unix.MNT_DETACH); err != nil {
				t.Error(err)
			}
		})
		if err := os.Mkdir(filepath.Join(u.dir, lostFound), 0o700); err != nil {
			t.Fatal(err)
		}
		u.mustUpdate(func(cfg *Config) { cfg.Checkout = checkout })
		u.wantSame()
		u.Commit()
		u.mustUpdate(nil)
		u.wantSame()

		// Read-only, it is read, its past too, and an update says that it cannot be.
		u.Commit()
		if err := unix.Mount("", u.dir, "", unix.MS_REMOUNT|unix.MS_RDONLY, ""); err != nil {
			t.Fatal(err)
		}
		x := openIndex(t, u.dir)
		if kept, err := x.Days(t.Context()); err != nil || len(kept) != 1 || kept[0].Commit != x.Commit() {
			t.Errorf("kept %v, %v", kept, err)
		}
		if up, err := u.update(nil); err == nil || up.Changed() || !strings.Contains(err.Error(), "ead-only file system") {
			t.Errorf("%+v, %v", up, err)
		}
	}
}
