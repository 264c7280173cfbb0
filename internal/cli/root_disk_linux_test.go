package cli

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// disk is a file system that one test has to itself.
type disk struct {
	t    *testing.T
	dir  string // where it is mounted
	what string // an image file, or the word tmpfs
	kind string
	opts string // of mount
}

// newTmpfs mounts a file system in memory, with options such as size=2m.
func newTmpfs(t *testing.T, dir, opts string) *disk {
	t.Helper()
	needRoot(t, "mount", "umount")
	return (&disk{t: t, dir: dir, what: "tmpfs", kind: "tmpfs", opts: opts}).firstMount()
}

// imageSize is the least that mkfs.xfs accepts, and some more. The file is
// sparse.
const imageSize = 512 << 20

// newImage mounts a file system that lives in a file.
func newImage(t *testing.T, dir, kind, opts string) *disk {
	t.Helper()
	mkfs := "mkfs." + kind
	needRoot(t, "mount", "umount", mkfs)
	image := filepath.Join(t.TempDir(), kind)
	f, err := os.Create(image)
	must(t, err)
	must(t, errors.Join(f.Truncate(imageSize), f.Close()))
	args := map[string][]string{"ext4": {"-q", "-F", "-m", "0"}, "xfs": {"-q", "-f"}, "vfat": {"-F", "32"}}[kind]
	must(t, tool(mkfs, append(args, image)...))
	return (&disk{t: t, dir: dir, what: image, kind: kind, opts: opts + "loop"}).firstMount()
}

// firstMount skips the test if this machine lets even root mount nothing.
func (d *disk) firstMount() *disk {
	d.t.Helper()
	if err := d.mount(); err != nil {
		d.t.Skip("mounting is refused here: ", err)
	}
	d.t.Cleanup(func() {
		if err := d.unmount(); err != nil {
			d.t.Errorf("%v; detaching it instead", err)
			must(d.t, tool("umount", "-l", d.dir))
		}
	})
	return d
}

func (d *disk) mount() error { return tool("mount", "-t", d.kind, "-o", d.opts, d.what, d.dir) }

func (d *disk) remount(opts string) {
	d.t.Helper()
	must(d.t, tool("mount", "-o", "remount,"+opts, d.dir))
}

// unmount unmounts the disk if it is mounted. A process that was killed may
// hold it for a moment longer.
func (d *disk) unmount() error {
	var err error
	for range 50 {
		if err = unix.Unmount(d.dir, 0); err == nil || err == unix.EINVAL {
			return nil
		}
		time.Sleep(20 * time.Millisecond)
	}
	return err
}

// cycle unmounts the disk and mounts it again, as after a power cut.
func (d *disk) cycle() {
	d.t.Helper()
	must(d.t, d.unmount())
	must(d.t, d.mount())
}

// sync makes durable what was done, also the removal of files.
func (d *disk) sync() {
	d.t.Helper()
	f, err := os.Open(d.dir)
	must(d.t, err)
	err = unix.Syncfs(int(f.Fd()))
	must(d.t, errors.Join(err, f.Close()))
}

// The ways in which FS_IOC_GOINGDOWN cuts a file system off from its disk.
const (
	goingDown  = 0x8004587d // _IOR('X', 125, uint32)
	flushedLog = 1          // the journal is written, no more data: renames without bytes
	unwritten  = 2          // nothing more is written: unsynced names and bytes are gone
)

// cut stops everything that is on its way to the disk, as a power cut does.
func (d *disk) cut(how uint32) {
	d.t.Helper()
	f, err := os.Open(d.dir)
	must(d.t, err)
	err = unix.IoctlSetPointerInt(int(f.Fd()), goingDown, int(how))
	must(d.t, errors.Join(err, f.Close()))
}
