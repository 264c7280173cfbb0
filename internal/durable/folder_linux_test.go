package durable

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

func newFolder(t *testing.T) *folder {
	t.Helper()
	fsys, err := Create(filepath.Join(t.TempDir(), "mirror"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { fsys.Close() })
	return fsys.(*folder)
}

// fsync of a folder of proc fails with EINVAL, as on some network file systems.
func TestC30FolderThatCannotBeSynced(t *testing.T) {
	const dir = "/proc/self"
	fsys, err := Open(dir)
	if err != nil {
		t.Skip(err)
	}
	defer fsys.Close()
	if err := fsys.SyncDir("task"); err != nil {
		t.Errorf("SyncDir = %v", err)
	}
	err = CheckFolderSync(dir)
	if !errors.Is(err, errors.ErrUnsupported) || !errors.Is(err, unix.EINVAL) {
		t.Errorf("CheckFolderSync = %v", err)
	}
}

func TestC11FullDevice(t *testing.T) {
	f, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Skip(err)
	}
	_, err = (&file{f: f}).Write([]byte("x"))
	if !errors.Is(err, ErrNoSpace) || !errors.Is(err, unix.ENOSPC) {
		t.Errorf("Write = %v", err)
	}
	if want := "write /dev/full: no space left on device"; err.Error() != want {
		t.Errorf("text is %q, want %q", err, want)
	}
	if err := f.Close(); err != nil {
		t.Error(err)
	}
}

// mountTmpfs mounts a file system, in tests that run as root.
func mountTmpfs(t *testing.T, dir, options string) {
	t.Helper()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, options); err != nil {
		t.Skipf("mounting a tmpfs needs root: %v", err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
}

// SyncAll covers a file system that is mounted inside the folder, such as one for the
// bundles.
func TestSyncAllCoversMounts(t *testing.T) {
	d := newFolder(t)
	if err := d.MkdirAll("bundles"); err != nil {
		t.Fatal(err)
	}
	mountTmpfs(t, d.full("bundles"), "size=1m")
	if err := WriteFile(d, "bundles/a", []byte("x")); err != nil {
		t.Fatal(err)
	}
	if len(d.mounts) != 1 {
		t.Errorf("%d mounts noted, want 1", len(d.mounts))
	}
	if err := d.SyncAll(); err != nil {
		t.Error(err)
	}
	if err := WriteFile(d, "b", []byte("x")); err != nil {
		t.Fatal(err)
	}
	if err := d.Publish("b", "bundles/b"); !errors.Is(err, unix.EXDEV) { // C17
		t.Errorf("Publish to another file system: %v", err)
	}
	if err := d.closeSystem(); err != nil { // otherwise the mount stays busy
		t.Error(err)
	}
}

func TestC7C10C14FullAndReadOnly(t *testing.T) {
	dir := t.TempDir()
	mountTmpfs(t, dir, "size=64k,nr_inodes=5")
	fsys, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer fsys.Close()
	if bytes, files, err := fsys.Free(); bytes != 64<<10 || files != 4 || err != nil {
		t.Errorf("Free = %d, %d, %v", bytes, files, err)
	}
	if err := WriteFile(fsys, "big", make([]byte, 100_000)); !errors.Is(err, ErrNoSpace) {
		t.Errorf("WriteFile = %v", err)
	}
	if entries, err := fsys.ReadDir("."); err != nil || len(entries) != 0 {
		t.Errorf("WriteFile left %v, %v", entries, err)
	}
	for _, name := range []string{"1", "2", "3", "4"} {
		if err := WriteFile(fsys, name, nil); err != nil {
			t.Fatal(err)
		}
	}
	if err := WriteFile(fsys, "5", nil); !errors.Is(err, ErrNoSpace) {
		t.Errorf("WriteFile without inodes = %v", err)
	}
	if err := unix.Mount("", dir, "", unix.MS_REMOUNT|unix.MS_RDONLY, ""); err != nil {
		t.Fatal(err)
	}
	for what, err := range map[string]error{
		"WriteFile": WriteFile(fsys, "1", nil), "Publish": fsys.Publish("1", "5"),
		"MkdirAll": fsys.MkdirAll("d"), "Remove": fsys.Remove("1"),
	} {
		if !errors.Is(err, ErrReadOnly) {
			t.Errorf("%s = %v", what, err)
		}
	}
}

// Where openat2 is missing or forbidden, os.Root resolves the names; both agree, also about
// links.
func TestWithoutOpenat2(t *testing.T) {
	for _, e := range []unix.Errno{unix.ENOSYS, unix.EPERM, unix.EAGAIN, unix.EXDEV} {
		if !undecided(e) {
			t.Errorf("undecided(%v) = false", e)
		}
	}
	for _, e := range []unix.Errno{unix.ENOENT, unix.EEXIST, unix.ELOOP, unix.ENOSPC} {
		if undecided(e) {
			t.Errorf("undecided(%v) = true", e)
		}
	}
	if undecided(nil) {
		t.Error("undecided(nil) = true")
	}
	d := newFolder(t)
	if err := os.Symlink("/", d.full("out")); err != nil {
		t.Fatal(err)
	}
	if _, err := d.openBeneath("out/etc", unix.O_PATH, 0); err != unix.EXDEV {
		t.Errorf("openat2 out of the folder: %v", err)
	}
	if _, err := d.openDir("out/etc"); err == nil || errors.Is(err, fs.ErrNotExist) {
		t.Errorf("os.Root out of the folder: %v", err)
	}
}
