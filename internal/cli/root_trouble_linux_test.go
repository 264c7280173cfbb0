package cli

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/program"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/simreg"
)

// cedars is a folder of the demo's mirror with the versions of five crates.
const cedars = "c/ed"

// C13: half of a folder's files are on sectors that cannot be read any more. They are
// neither missing nor wrong: they stay where they are, and the run names them.
func TestRootC13UnreadableFiles(t *testing.T) {
	needRoot(t)
	dir := t.TempDir()
	m := newMirroredOn(t, simreg.Demo(), dir)
	m.want(program.ExitOK, "", nil)

	// The folder moves to a disk of its own, which then loses its end.
	folder := filepath.Join(dir, "out", filepath.FromSlash(cedars))
	copied := t.TempDir()
	must(t, os.CopyFS(copied, os.DirFS(folder)))
	d := newImage(t, folder, "ext4", "noatime,")
	must(t, os.CopyFS(folder, os.DirFS(copied)))
	d.cycle() // written, and no longer in memory
	ids := m.in(cedars)
	bad := d.loseEnd(m, ids)

	before := m.reg.TotalRequests()
	m.want(program.ExitIntegrity, "", []string{"-verify-existing"}, "input/output error", "which is held")
	if n := m.reg.TotalRequests() - before; n > 0 {
		t.Errorf("%d requests were made", n)
	}
	for _, rec := range m.records() {
		id := crate.ID{Name: rec.Crate, Version: rec.Version}
		if rec.OK == slices.Contains(bad, id) {
			t.Errorf("%v: ok=%t, %q", id, rec.OK, rec.Error)
		}
	}
	for _, id := range ids {
		if _, err := os.Lstat(m.path(id)); err != nil {
			t.Errorf("after the run: %v", err)
		}
	}
	if _, err := os.Stat(filepath.Join(dir, "out", "quarantine")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("there is a quarantine: %v", err)
	}
	must(t, d.unmount()) // the disk is gone
	m.complete()
}

// loseEnd cuts the image file in the middle of the crate files, and returns
// those that cannot be read any more.
func (d *disk) loseEnd(m *mirrored, ids []crate.ID) []crate.ID {
	d.t.Helper()
	block := map[crate.ID]int64{}
	var blocks []int64
	for _, id := range ids {
		f, err := os.Open(m.path(id))
		must(d.t, err)
		block[id] = firstBlock(d.t, f)
		must(d.t, f.Close())
		blocks = append(blocks, block[id])
	}
	slices.Sort(blocks)
	half := blocks[len(blocks)/2]
	var st unix.Statfs_t
	must(d.t, unix.Statfs(d.dir, &st))
	must(d.t, os.Truncate(d.what, half*st.Bsize))
	return slices.DeleteFunc(slices.Clone(ids), func(id crate.ID) bool { return block[id] < half })
}

// firstBlock returns where on its disk a file begins.
func firstBlock(t *testing.T, f *os.File) int64 {
	t.Helper()
	const fibmap = 1 // FIBMAP, _IO(0x00, 1): the number of a block, in and out
	var block int32
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, f.Fd(), fibmap, uintptr(unsafe.Pointer(&block))); errno != 0 {
		t.Fatal("FIBMAP: ", errno)
	}
	return int64(block)
}

// C14: a disk that is read-only from the beginning. The run downloads nothing, because it
// could not store it.
func TestRootC14ReadOnlyFromTheBeginning(t *testing.T) {
	needRoot(t)
	for _, there := range []bool{false, true} {
		name := "new mirror"
		if there {
			name = "mirror that was there"
		}
		t.Run(name, func(t *testing.T) {
			d := newTmpfs(t, t.TempDir(), roomy)
			m := newMirroredOn(t, simreg.Demo(), d.dir)
			if there {
				m.want(program.ExitOK, "", []string{"-limit", "100"})
			}
			before := m.reg.TotalRequests()
			d.remount("ro")
			m.want(program.ExitFailure, "", nil, "read-only file system", "mount the file system read-write")
			if n := m.reg.TotalRequests() - before; n > 0 {
				t.Errorf("%d requests were made", n)
			}
			d.remount("rw")
			m.complete()
		})
	}
}

// C14: the kernel finds an error in the file system during a run and makes it
// read-only. (By hand, mount -o remount,ro refuses while a file is written to.)
func TestRootC14ReadOnlyInMidRun(t *testing.T) {
	needRoot(t, "fsck.ext4")
	d := newImage(t, t.TempDir(), "ext4", "errors=remount-ro,")
	m := newMirroredOn(t, simreg.Demo(), d.dir)
	m.slow(40 * time.Millisecond)
	c := m.start("", "-concurrency", "4")
	m.waitForRequests(150) // more than a second: one commit has been made
	time.Sleep(100 * time.Millisecond)
	d.failInside()
	c.want(program.ExitFailure, "read-only file system", "mount the file system read-write")
	if n := m.reg.TotalRequests(); n > 250 {
		t.Errorf("%d requests were made: the run went on", n)
	}
	m.sound()
	ids := m.acknowledged()
	if len(ids) == 0 {
		t.Error("nothing was recorded before")
	}
	must(t, d.unmount())
	if err := exec.Command("fsck.ext4", "-f", "-y", d.what).Run(); err != nil {
		if exit := new(exec.ExitError); !errors.As(err, &exit) || exit.ExitCode() > 1 { // 1: all repaired
			t.Fatal("fsck.ext4: ", err)
		}
	}
	must(t, d.mount())
	m.holds("the manifest", ids)
	m.reg.Heal()
	m.complete()
}

// failInside makes ext4 find an error in itself.
func (d *disk) failInside() {
	d.t.Helper()
	var st unix.Stat_t
	must(d.t, unix.Stat(d.dir, &st))
	device, err := os.Readlink(fmt.Sprintf("/sys/dev/block/%d:%d", unix.Major(st.Dev), unix.Minor(st.Dev)))
	must(d.t, err)
	trigger := filepath.Join("/sys/fs/ext4", filepath.Base(device), "trigger_fs_error")
	if err := os.WriteFile(trigger, []byte("test of clonecratesio"), 0); err != nil {
		d.t.Skip("this kernel cannot make its ext4 fail: ", err)
	}
}

// C24: a folder of the mirror is another file system. Either that works, or
// exactly its crates are said to be missing, and why.
func TestRootC24FolderOnAnotherFileSystem(t *testing.T) {
	dir := t.TempDir()
	m := newMirroredOn(t, simreg.Demo(), dir)
	folder := filepath.Join(dir, "out", filepath.FromSlash(cedars))
	must(t, os.MkdirAll(folder, 0o755))
	d := newTmpfs(t, folder, roomy)
	c := m.start("")
	switch code := c.code(patience); code {
	case program.ExitOK:
		must(t, m.check(true))
	case program.ExitIncomplete:
		c.says("cross-device", cedars)
		m.lacks(m.in(cedars))
	default:
		t.Errorf("exit code %d, want 0 or 3\n%s", code, c.said())
	}
	m.sound()
	must(t, d.unmount())
	m.complete()
}

// lacks fails the test unless the versions in ids are recorded as not held, and
// all others are held.
func (m *mirrored) lacks(ids []crate.ID) {
	m.t.Helper()
	m.holds("the index", slices.DeleteFunc(m.reg.IDs(), func(id crate.ID) bool { return slices.Contains(ids, id) }))
	recorded := m.records()
	for _, id := range ids {
		if _, err := os.Lstat(m.path(id)); err == nil {
			m.t.Errorf("%v is there", id)
		}
	}
	if len(recorded) != m.reg.Len() || len(m.acknowledged()) != m.reg.Len()-len(ids) {
		m.t.Errorf("%d versions of %d records are held, want %d of %d", len(m.acknowledged()), len(recorded), m.reg.Len()-len(ids), m.reg.Len())
	}
}

// C31: one folder belongs to another user.
func TestRootC31FolderOfSomebodyElse(t *testing.T) {
	needRoot(t)
	const nobody = 65534
	base := t.TempDir()
	must(t, os.Chmod(filepath.Dir(base), 0o711)) // a TempDir is root's alone
	binary := copyProgram(t, base)
	dir := filepath.Join(base, "mirror")
	must(t, os.Mkdir(dir, 0o755))
	m := newMirroredOn(t, simreg.Demo(), dir)
	must(t, os.Chown(m.dir, nobody, nobody))
	folder := filepath.Join(m.dir, "out", filepath.FromSlash(cedars))
	must(t, os.MkdirAll(folder, 0o755))
	must(t, os.Chown(filepath.Join(m.dir, "out"), nobody, nobody))
	must(t, os.Chown(filepath.Join(m.dir, "out", "c"), nobody, nobody))
	must(t, os.Chmod(folder, 0o555))

	run := func() *child {
		cmd, out := m.command()
		cmd.Path = binary
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
		return begin(t, cmd, out)
	}
	run().want(program.ExitIncomplete, "permission denied", cedars)
	m.sound()
	m.lacks(m.in(cedars))

	must(t, os.Chown(folder, nobody, nobody))
	must(t, os.Chmod(folder, 0o755))
	before := m.reg.TotalRequests()
	run().want(program.ExitOK)
	must(t, m.check(true))
	if n := m.reg.TotalRequests() - before; n != len(m.in(cedars)) {
		t.Errorf("%d requests were made for the %d crates that were missing", n, len(m.in(cedars)))
	}
}

// copyProgram copies the program to where everybody may run it.
func copyProgram(t *testing.T, dir string) string {
	t.Helper()
	self, err := os.Open("/proc/self/exe")
	must(t, err)
	defer self.Close()
	name := filepath.Join(dir, "download-crates")
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE, 0o755)
	must(t, err)
	_, err = io.Copy(f, self)
	must(t, errors.Join(err, f.Close()))
	return name
}
