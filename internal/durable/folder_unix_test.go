//go:build unix

package durable_test

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
)

func openTemp(t *testing.T) (durable.FS, string) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "mirror")
	fsys, err := durable.Create(dir)
	must(t, err)
	t.Cleanup(func() { fsys.Close() })
	return fsys, dir
}

func put(t *testing.T, fsys durable.FS, name, data string) {
	t.Helper()
	f, err := fsys.Create(name)
	must(t, err)
	_, err = io.WriteString(f, data)
	must(t, err)
	must(t, f.Close())
}

func holds(t *testing.T, path, want string) {
	t.Helper()
	if got, err := os.ReadFile(path); err != nil || string(got) != want {
		t.Errorf("%s holds %q, %v; want %q", path, got, err, want)
	}
}

// Only its owner can read a private file.
func TestPrivateFileIsForItsOwner(t *testing.T) {
	fsys, dir := openTemp(t)
	f, err := fsys.CreatePrivate("made")
	must(t, err)
	must(t, f.Close())
	must(t, durable.WriteNewPrivate(fsys, "written", []byte("secret")))
	for _, name := range []string{"made", "written"} {
		info, err := os.Stat(filepath.Join(dir, name))
		must(t, err)
		if info.Mode() != 0o600 {
			t.Errorf("%s has mode %v", name, info.Mode())
		}
	}
	holds(t, filepath.Join(dir, "written"), "secret")
}

// Something at a final name that is not a regular file is not read, not written through,
// not waited for, and not replaced by a publication.
func TestC18NameIsNoRegularFile(t *testing.T) {
	fsys, dir := openTemp(t)
	outside := filepath.Join(t.TempDir(), "outside")
	must(t, os.WriteFile(outside, []byte("outside"), 0o644))
	put(t, fsys, "inside", "inside")
	must(t, os.Mkdir(filepath.Join(dir, "folder"), 0o755))
	must(t, syscall.Mkfifo(filepath.Join(dir, "fifo"), 0o644))
	for name, target := range map[string]string{
		"out": outside, "up": "../../outside", "in": "inside", "dangling": "nothing", "loop": "loop",
	} {
		must(t, os.Symlink(target, filepath.Join(dir, name)))
	}
	for _, name := range []string{"folder", "fifo", "out", "up", "in", "dangling", "loop"} {
		if _, err := fsys.Open(name); !errors.Is(err, durable.ErrNotRegular) {
			t.Errorf("Open(%s) = %v", name, err)
		}
		if _, err := fsys.Append(name); !errors.Is(err, durable.ErrNotRegular) {
			t.Errorf("Append(%s) = %v", name, err)
		}
		if _, err := fsys.Create(name); !errors.Is(err, fs.ErrExist) {
			t.Errorf("Create(%s) = %v", name, err)
		}
		put(t, fsys, "temp", "x")
		if err := fsys.Publish("temp", name); !errors.Is(err, fs.ErrExist) {
			t.Errorf("Publish(%s) = %v", name, err)
		}
		must(t, fsys.Remove("temp"))
		info, err := fsys.Stat(name)
		if err != nil || info.Mode().IsRegular() {
			t.Errorf("Stat(%s) = %v, %v", name, info, err)
		}
	}
	holds(t, outside, "outside")
	holds(t, filepath.Join(dir, "inside"), "inside")
	if _, err := os.Lstat(filepath.Join(dir, "nothing")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a dangling link was followed: %v", err)
	}
}

func TestC26LinkToFolderLeadsNowhere(t *testing.T) {
	for _, relative := range []bool{false, true} { // the kernel treats them differently
		fsys, dir := openTemp(t)
		outside := t.TempDir()
		must(t, os.WriteFile(filepath.Join(outside, "a"), []byte("outside"), 0o644))
		target := outside
		if relative {
			var err error
			target, err = filepath.Rel(dir, outside)
			must(t, err)
		}
		must(t, os.Symlink(target, filepath.Join(dir, "d")))
		if _, err := os.Stat(filepath.Join(dir, "d", "a")); err != nil {
			t.Fatalf("the link leads nowhere even for others: %v", err)
		}
		for call, err := range callsBelow(t, fsys, "d") {
			if err == nil {
				t.Errorf("%s through the link %s succeeded", call, target)
			}
		}
		entries, err := os.ReadDir(outside)
		must(t, err)
		if len(entries) != 1 {
			t.Errorf("outside there are %v", entries)
		}
		holds(t, filepath.Join(outside, "a"), "outside")
	}
}

// callsBelow tries every operation on a folder that holds the file a.
func callsBelow(t *testing.T, fsys durable.FS, dir string) map[string]error {
	t.Helper()
	put(t, fsys, "temp", "x")
	calls := map[string]error{
		"MkdirAll": fsys.MkdirAll(dir + "/e"),
		"Publish":  fsys.Publish("temp", dir+"/b"),
		"Replace":  fsys.Replace("temp", dir+"/a"),
		"Remove":   fsys.Remove(dir + "/a"),
		"SyncDir":  fsys.SyncDir(dir),
	}
	_, calls["Open"] = fsys.Open(dir + "/a")
	_, calls["Create"] = fsys.Create(dir + "/b")
	_, calls["Append"] = fsys.Append(dir + "/a")
	_, calls["Stat"] = fsys.Stat(dir + "/a")
	_, calls["ReadDir"] = fsys.ReadDir(dir)
	return calls
}

// The mirror's folder, and one inside it, are replaced by links while we write. Nothing is
// written outside, and open files stay where they were.
func TestC25FolderReplacedByLinkWhileRunning(t *testing.T) {
	fsys, dir := openTemp(t)
	outside := t.TempDir()
	must(t, fsys.MkdirAll("s/er"))
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		er, away := filepath.Join(dir, "s", "er"), filepath.Join(dir, "s", "away")
		for {
			select {
			case <-stop:
				return
			default:
			}
			if os.Rename(er, away) == nil && os.Symlink(outside, er) == nil {
				time.Sleep(50 * time.Microsecond)
				os.Remove(er)
			}
			os.Rename(away, er)
			time.Sleep(50 * time.Microsecond)
		}
	}()
	published := 0
	for deadline := time.Now().Add(200 * time.Millisecond); time.Now().Before(deadline); {
		temp := durable.TempName("s/er")
		f, err := fsys.Create(temp)
		if err != nil {
			continue
		}
		f.Close()
		if fsys.Publish(temp, "s/er/a") == nil {
			published++
			fsys.Remove("s/er/a")
		}
		fsys.MkdirAll("s/er/d")
	}
	close(stop)
	<-stopped
	if published == 0 {
		t.Error("nothing was published, the test says nothing")
	}
	entries, err := os.ReadDir(outside)
	must(t, err)
	if len(entries) != 0 {
		t.Errorf("outside there are %v", entries)
	}

	moved := dir + "-moved"
	must(t, os.Rename(dir, moved))
	must(t, os.Symlink(outside, dir))
	put(t, fsys, "b", "x")
	holds(t, filepath.Join(moved, "b"), "x")
}

// A link to a folder may be followed if it stays inside, as with os.Root.
func TestLinkToFolderInside(t *testing.T) {
	fsys, dir := openTemp(t)
	must(t, fsys.MkdirAll("real"))
	must(t, os.Symlink("real", filepath.Join(dir, "link")))
	put(t, fsys, "link/temp", "x")
	must(t, fsys.Publish("link/temp", "link/a"))
	holds(t, filepath.Join(dir, "real", "a"), "x")
}

func TestAppendRefusesHardLinks(t *testing.T) {
	fsys, dir := openTemp(t)
	put(t, fsys, "final", "whole")
	must(t, os.Link(filepath.Join(dir, "final"), filepath.Join(dir, "x.part")))
	if _, err := fsys.Append("x.part"); !errors.Is(err, durable.ErrLinked) {
		t.Errorf("Append to a second name of a final file: %v", err)
	}
	must(t, fsys.Remove("x.part"))
	f, err := fsys.Append("final")
	must(t, err)
	must(t, f.Close())
}

func TestModes(t *testing.T) {
	old := syscall.Umask(0o022)
	defer syscall.Umask(old)
	fsys, dir := openTemp(t)
	must(t, fsys.MkdirAll("d"))
	put(t, fsys, "d/a", "")
	for name, want := range map[string]fs.FileMode{"d": 0o755, "d/a": 0o644} {
		info, err := os.Stat(filepath.Join(dir, name))
		must(t, err)
		if info.Mode().Perm() != want {
			t.Errorf("%s has mode %v, want %v", name, info.Mode().Perm(), want)
		}
	}
}

// TestC11FileSizeLimit runs itself in a process that may only write files of up to 4 KB.
// The signal SIGXFSZ must not end it.
func TestC11FileSizeLimit(t *testing.T) {
	const env = "DURABLE_FILE_SIZE_LIMIT"
	if dir := os.Getenv(env); dir != "" {
		const limit = 4096
		must(t, syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: limit, Max: limit}))
		fsys, err := durable.Open(dir)
		must(t, err)
		f, err := fsys.Create("a")
		must(t, err)
		if n, err := f.Write(make([]byte, 2*limit)); n != limit || !errors.Is(err, durable.ErrNoSpace) {
			t.Errorf("Write = %d, %v", n, err)
		}
		if err := f.Truncate(2 * limit); !errors.Is(err, durable.ErrNoSpace) {
			t.Errorf("Truncate = %v", err)
		}
		return
	}
	cmd := exec.Command(os.Args[0], "-test.run=^TestC11FileSizeLimit$")
	cmd.Env = append(os.Environ(), env+"="+t.TempDir())
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

// Stat says of a name what os.Lstat says, and nothing of a name that a link
// leads out of the folder.
func TestStatIsLstat(t *testing.T) {
	d, dir := openTemp(t)
	must(t, os.MkdirAll(filepath.Join(dir, "a", "b"), 0o700))
	must(t, os.WriteFile(filepath.Join(dir, "a", "b", "file"), []byte("12345"), 0o600))
	must(t, os.Symlink("file", filepath.Join(dir, "a", "b", "link")))
	must(t, os.Symlink(t.TempDir(), filepath.Join(dir, "out")))
	for _, name := range []string{"a", "a/b/file", "a/b/link", "out"} {
		want, err := os.Lstat(filepath.Join(dir, filepath.FromSlash(name)))
		must(t, err)
		got, err := d.Stat(name)
		if err != nil || got.Mode() != want.Mode() || got.Size() != want.Size() || got.Name() != want.Name() || !os.SameFile(got, want) {
			t.Errorf("%s: %v, %v, want %v", name, got, err, want)
		}
	}
	for _, name := range []string{"a/none", "none/none/none"} {
		if _, err := d.Stat(name); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := d.Stat("out/."); err == nil {
		t.Error("a name that is no path is taken")
	}
	if got, err := d.Stat("out/none"); err == nil || errors.Is(err, fs.ErrNotExist) {
		t.Errorf("outside: %v, %v", got, err)
	}
}
