//go:build unix

package signing

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// A private key that others may read is refused; so is a new one where all users may
// replace files.
func TestPermissions(t *testing.T) {
	for mode, ok := range map[os.FileMode]bool{0o600: true, 0o400: true, 0o640: false, 0o604: false, 0o620: false, 0o644: false} {
		_, err := OpenPrivate(write(t, "key", noteKey(t, "x"), mode), nil)
		if (err == nil) != ok || err != nil && !strings.Contains(err.Error(), "chmod 600") {
			t.Errorf("mode %04o: %v", mode, err)
		}
	}
	for mode, ok := range map[os.FileMode]bool{0o700: true, 0o755: true, 0o775: true, 0o777: false, 0o777 | os.ModeSticky: true} {
		dir := t.TempDir()
		must(t, os.Chmod(dir, mode))
		_, err := NewKey(onDisk, filepath.Join(dir, "key"), "x")
		if (err == nil) != ok || err != nil && !strings.Contains(err.Error(), "every user may replace files") {
			t.Errorf("a folder of mode %v: %v", mode, err)
		}
	}
}

// A secret that a cluster hands out is a link to a file of root's, which a group may
// read; a FIFO is not waited for.
func TestOtherFiles(t *testing.T) {
	dir := t.TempDir()
	path := write(t, "key", noteKey(t, "x"), 0o600)
	must(t, os.Symlink(path, filepath.Join(dir, "link")))
	if _, err := OpenPrivate(filepath.Join(dir, "link"), nil); err != nil {
		t.Errorf("a link to a key: %v", err)
	}
	if os.Geteuid() == 0 {
		must(t, os.Chown(path, 1234, 1234))
		must(t, os.Chmod(path, 0o440))
		if _, err := OpenPrivate(filepath.Join(dir, "link"), nil); err != nil {
			t.Errorf("a key of another user: %v", err)
		}
	}
	must(t, syscall.Mkfifo(filepath.Join(dir, "fifo"), 0o600))
	if _, err := OpenPrivate(filepath.Join(dir, "fifo"), nil); err == nil || !strings.Contains(err.Error(), "not a regular file: keys are read from files") {
		t.Errorf("a FIFO: %v", err)
	}
}
