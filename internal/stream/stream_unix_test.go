//go:build unix

package stream

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
)

// C33: what a path of an output file resolves to.
func TestC33Resolve(t *testing.T) {
	t.Chdir(t.TempDir())
	for _, dir := range []string{"d", "e", "d/dir"} {
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for _, link := range [][2]string{
		{"../e/there", "d/link"}, {"link", "d/twice"}, {"../e/absent", "d/dangling"}, {"/dev/stdout", "d/out"}, {"/dev/null", "d/null"},
		{"e", "f"}, {"../d/file", "e/up"}, {"loop", "loop"}, {"d/dir", "folder"},
	} {
		if err := os.Symlink(link[0], link[1]); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"d/file", "e/there"} {
		if err := os.WriteFile(name, nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := syscall.Mkfifo("d/fifo", 0o644); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		path, file string
		stream     bool
		err        string
	}{
		{path: "d/file", file: "d/file"},
		{path: "d/new", file: "d/new"},
		{path: "no/folder/yet", file: "no/folder/yet"},
		{path: "d/link", file: "e/there"},
		{path: "d/twice", file: "e/there"},
		{path: "d/dangling", file: "e/absent"},
		{path: "f/up", file: "d/file"},
		{path: "d/fifo", file: "d/fifo", stream: true},
		{path: "/dev/null", file: "/dev/null", stream: true},
		{path: "d/null", file: "/dev/null", stream: true},
		{path: "d/out", file: "/dev/stdout", stream: true},
		{path: "/dev/fd/63", file: "/dev/fd/63", stream: true},
		{path: "/proc/self/fd/1", file: "/proc/self/fd/1", stream: true},
		{path: "/dev/shm/m.jsonl", file: "/dev/shm/m.jsonl"},
		{path: "d/dir", err: "write d/dir: is a directory"},
		{path: "folder", err: "write d/dir: is a directory"},
		{path: "loop", err: "write loop: too many levels of symbolic links"},
	} {
		file, stream, err := Resolve(tt.path)
		if got := errText(err); file != tt.file || stream != tt.stream || got != tt.err {
			t.Errorf("%s: %q, stream %t, %q; want %q, %t, %q", tt.path, file, stream, got, tt.file, tt.stream, tt.err)
		}
	}
}

func errText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// C33: what cannot be written to is known when it is opened.
func TestC33StreamThatCannotBeOpened(t *testing.T) {
	readerWait = 100 * time.Millisecond
	t.Cleanup(func() { readerWait = 10 * time.Second })
	fifo := filepath.Join(t.TempDir(), "fifo")
	if err := syscall.Mkfifo(fifo, 0o644); err != nil {
		t.Fatal(err)
	}
	stopped, stop := context.WithCancelCause(t.Context())
	stop(errors.New("stopped"))
	for _, tt := range []struct {
		ctx        context.Context
		path, want string
	}{
		{t.Context(), fifo, "write " + fifo + ": nothing has opened this FIFO for reading within 100ms: start its reader first"},
		{stopped, fifo, "write " + fifo + ": stopped"},
		{t.Context(), "/dev/nul", "write /dev/nul: no such file or directory"},
		{t.Context(), "/dev/fd/987", "write /dev/fd/987: bad file descriptor"},
	} {
		f, err := Open(tt.ctx, tt.path)
		if got := errText(err); got != tt.want || f != nil {
			t.Errorf("%s: %q, want %q", tt.path, got, tt.want)
		}
	}
	if err := check(fs.ModeDevice); err == nil {
		t.Error("a disk is taken")
	}
}

// C33: a FIFO takes what is written, is not synced or cut back, and says that its
// reader has gone.
func TestC33FIFO(t *testing.T) {
	path := filepath.Join(t.TempDir(), "fifo")
	f, reader := openFIFO(t, t.Context(), path)
	if _, err := f.Write([]byte("line\n")); err != nil {
		t.Fatal(err)
	}
	if err := f.Sync(); err != nil {
		t.Error(err)
	}
	if err := f.Truncate(0); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("truncating: %v", err)
	}
	got := make([]byte, 10)
	n, err := reader.Read(got)
	if err != nil || string(got[:n]) != "line\n" {
		t.Errorf("read %q, %v", got[:n], err)
	}
	reader.Close()
	_, err = f.Write([]byte("more\n"))
	if broken := new(Error); !errors.As(err, &broken) || err.Error() != "writing to "+path+": broken pipe" {
		t.Errorf("without a reader: %v", err)
	}
}

// C33: a reader that takes nothing does not keep a program from ending.
func TestC33StalledReader(t *testing.T) {
	streamGrace = 50 * time.Millisecond
	t.Cleanup(func() { streamGrace = 10 * time.Second })
	ctx, stop := context.WithCancelCause(t.Context())
	f, reader := openFIFO(t, ctx, filepath.Join(t.TempDir(), "fifo"))
	defer reader.Close()
	cause := errors.New("stopped by the test")
	time.AfterFunc(50*time.Millisecond, func() { stop(cause) })
	if _, err := f.Write([]byte(strings.Repeat("x", 4<<20))); !errors.Is(err, cause) {
		t.Errorf("writing ended with %v", err)
	}
}

func openFIFO(t *testing.T, ctx context.Context, path string) (durable.File, *os.File) {
	t.Helper()
	if err := syscall.Mkfifo(path, 0o644); err != nil {
		t.Fatal(err)
	}
	opened := make(chan *os.File, 1)
	go func() {
		reader, _ := os.Open(path)
		opened <- reader
	}()
	f, err := Open(ctx, path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f, <-opened
}

// C33: what is open already is continued, not overwritten.
func TestC33InheritedFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	file, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if _, err := file.WriteString("before\n"); err != nil {
		t.Fatal(err)
	}
	f, err := Open(t.Context(), fmt.Sprintf("/dev/fd/%d", file.Fd()))
	if err != nil {
		t.Fatal(err)
	}
	_, err = f.Write([]byte("ours\n"))
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		t.Fatal(err)
	}
	if _, err := file.WriteString("after\n"); err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(path); err != nil || string(got) != "before\nours\nafter\n" {
		t.Errorf("%q, %v", got, err)
	}
}
