package durabletest

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"runtime"
	"sync"
	"testing"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
)

// TestFS checks that a file system keeps the contract of durable.FS. open returns an empty
// one each time.
func TestFS(t *testing.T, open func(t *testing.T) durable.FS) {
	for _, tt := range []struct {
		name string
		test func(t *testing.T, fsys durable.FS)
	}{
		{"CreateWriteRead", testCreate},
		{"Append", testAppend},
		{"Folders", testFolders},
		{"Publish", testPublish},
		{"Replace", testReplace},
		{"Remove", testRemove},
		{"NotRegular", testNotRegular},
		{"InvalidNames", testInvalidNames},
		{"Sync", testSync},
		{"Whole", testWhole},
		{"New", testNew},
		{"OnePublisherWins", testOneWins},
		{"Closed", testClosed},
	} {
		t.Run(tt.name, func(t *testing.T) {
			fsys := open(t)
			t.Cleanup(func() { fsys.Close() })
			tt.test(t, fsys)
		})
	}
}

// must fails the test at once if err is not nil.
func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// wants fails the test if err is not want.
func wants(t *testing.T, what string, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Errorf("%s: error is %v, want %v", what, err, want)
	}
}

// put creates a file without syncing it.
func put(t *testing.T, fsys durable.FS, name, data string) {
	t.Helper()
	f, err := fsys.Create(name)
	must(t, err)
	_, err = io.WriteString(f, data)
	must(t, err)
	must(t, f.Close())
}

// has fails the test if the file's content is not want.
func has(t *testing.T, fsys durable.Reader, name, want string) {
	t.Helper()
	got, err := durable.ReadFile(fsys, name, 1<<20)
	if err != nil || string(got) != want {
		t.Errorf("%s holds %q, error %v; want %q", name, got, err, want)
	}
}

// absent fails the test if there is something at name.
func absent(t *testing.T, fsys durable.Reader, name string) {
	t.Helper()
	_, err := fsys.Stat(name)
	wants(t, "stat "+name, err, fs.ErrNotExist)
}

func testCreate(t *testing.T, fsys durable.FS) {
	f, err := fsys.Create("a")
	must(t, err)
	_, err = io.WriteString(f, "hello world")
	must(t, err)
	_, err = f.Seek(6, io.SeekStart)
	must(t, err)
	_, err = io.WriteString(f, "there")
	must(t, err)
	must(t, f.Truncate(9))
	part := make([]byte, 3)
	n, err := f.ReadAt(part, 6)
	if n != 3 || err != nil || string(part) != "the" {
		t.Errorf("ReadAt(6) = %q, %v", part[:n], err)
	}
	if n, err := f.ReadAt(part, 8); n != 1 || err != io.EOF {
		t.Errorf("ReadAt(8) = %d, %v, want 1, EOF", n, err)
	}
	info, err := f.Stat()
	must(t, err)
	if info.Size() != 9 || !info.Mode().IsRegular() || info.Name() != "a" {
		t.Errorf("Stat = %s, %d bytes, %v", info.Name(), info.Size(), info.Mode())
	}
	must(t, f.Sync())
	must(t, f.Close())
	has(t, fsys, "a", "hello the")
	_, err = fsys.Create("a")
	wants(t, "creating what is there", err, fs.ErrExist)
	has(t, fsys, "a", "hello the")
	_, err = fsys.Create("no/a")
	wants(t, "creating in no folder", err, fs.ErrNotExist)
	_, err = fsys.Open("b")
	wants(t, "opening nothing", err, fs.ErrNotExist)
	r, err := fsys.Open("a")
	must(t, err)
	if _, err := r.Write([]byte("x")); err == nil {
		t.Error("a file that was opened for reading can be written to")
	}
	must(t, r.Close())
}

func testAppend(t *testing.T, fsys durable.FS) {
	for i := range 2 {
		f, err := fsys.Append("log")
		must(t, err)
		_, err = fmt.Fprintf(f, "line %d\n", i)
		must(t, err)
		_, err = f.Seek(0, io.SeekStart)
		must(t, err)
		first := make([]byte, 6)
		_, err = io.ReadFull(f, first)
		must(t, err)
		if string(first) != "line 0" {
			t.Errorf("the file starts with %q", first)
		}
		_, err = io.WriteString(f, "torn") // at the end, wherever was read
		must(t, err)
		info, err := f.Stat()
		must(t, err)
		must(t, f.Truncate(info.Size()-int64(len("torn"))))
		must(t, f.Close())
	}
	has(t, fsys, "log", "line 0\nline 1\n")
	must(t, fsys.MkdirAll("d"))
	_, err := fsys.Append("d")
	wants(t, "appending to a folder", err, durable.ErrNotRegular)
}

func testFolders(t *testing.T, fsys durable.FS) {
	must(t, fsys.MkdirAll("."))
	for range 2 {
		must(t, fsys.MkdirAll("s/er/x"))
	}
	put(t, fsys, "s/er/b", "")
	put(t, fsys, "s/er/a", "1")
	entries, err := fsys.ReadDir("s/er")
	must(t, err)
	var got []byte
	for _, e := range entries {
		got = fmt.Appendf(got, "%s:%v ", e.Name(), e.IsDir())
	}
	if want := "a:false b:false x:true "; string(got) != want {
		t.Errorf("ReadDir = %s, want %s", got, want)
	}
	if entries, err := fsys.ReadDir("."); err != nil || len(entries) != 1 || entries[0].Name() != "s" {
		t.Errorf("ReadDir(.) = %v, %v", entries, err)
	}
	if info, err := fsys.Stat("s"); err != nil || !info.IsDir() {
		t.Errorf("Stat(s) = %v, %v", info, err)
	}
	_, err = fsys.ReadDir("no")
	wants(t, "listing nothing", err, fs.ErrNotExist)
	if _, err := fsys.ReadDir("s/er/a"); err == nil {
		t.Error("a file can be listed")
	}
	for _, name := range []string{"s/er/a", "s/er/a/b"} {
		if err := fsys.MkdirAll(name); err == nil {
			t.Errorf("MkdirAll(%s) is nil, there is a file", name)
		}
	}
}

func testPublish(t *testing.T, fsys durable.FS) {
	must(t, fsys.MkdirAll("d"))
	put(t, fsys, "temp", "one")
	must(t, fsys.Publish("temp", "d/final"))
	has(t, fsys, "d/final", "one")
	absent(t, fsys, "temp")

	put(t, fsys, "d/temp", "two")
	wants(t, "publishing over a file", fsys.Publish("d/temp", "d/final"), fs.ErrExist)
	has(t, fsys, "d/final", "one")
	has(t, fsys, "d/temp", "two")
	wants(t, "publishing over a folder", fsys.Publish("d/temp", "d"), fs.ErrExist)
	wants(t, "publishing nothing", fsys.Publish("no", "d/new"), fs.ErrNotExist)
	wants(t, "publishing into no folder", fsys.Publish("d/temp", "no/final"), fs.ErrNotExist)
	must(t, fsys.Publish("d/temp", "d/final2"))
	has(t, fsys, "d/final2", "two")
	absent(t, fsys, "d/temp")
}

func testReplace(t *testing.T, fsys durable.FS) {
	put(t, fsys, "temp", "one")
	must(t, fsys.Replace("temp", "final"))
	old, err := fsys.Open("final")
	must(t, err)
	put(t, fsys, "temp", "two")
	must(t, fsys.Replace("temp", "final"))
	has(t, fsys, "final", "two")
	absent(t, fsys, "temp")
	if got, err := io.ReadAll(old); err != nil || string(got) != "one" {
		t.Errorf("the replaced file reads %q, %v", got, err)
	}
	must(t, old.Close())
	wants(t, "replacing by nothing", fsys.Replace("temp", "final"), fs.ErrNotExist)
	must(t, fsys.MkdirAll("d"))
	put(t, fsys, "temp", "three")
	if err := fsys.Replace("temp", "d"); err == nil {
		t.Error("a folder can be replaced")
	}
	has(t, fsys, "temp", "three")
}

func testRemove(t *testing.T, fsys durable.FS) {
	must(t, fsys.MkdirAll("d"))
	put(t, fsys, "d/a", "1")
	if err := fsys.Remove("d"); err == nil {
		t.Error("a folder that is not empty can be removed")
	}
	has(t, fsys, "d/a", "1")
	must(t, fsys.Remove("d/a"))
	must(t, fsys.Remove("d"))
	absent(t, fsys, "d")
	wants(t, "removing nothing", fsys.Remove("d"), fs.ErrNotExist)
}

func testNotRegular(t *testing.T, fsys durable.FS) {
	must(t, fsys.MkdirAll("d"))
	for _, name := range []string{"d", "."} {
		_, err := fsys.Open(name)
		wants(t, "opening a folder", err, durable.ErrNotRegular)
	}
	_, err := fsys.Create("d")
	wants(t, "creating over a folder", err, fs.ErrExist)
}

func testInvalidNames(t *testing.T, fsys durable.FS) {
	put(t, fsys, "a", "1")
	for _, name := range []string{"", "/a", "../a", "a/", "./a", "x/../a", "a//b", ".."} {
		calls := map[string]error{
			"MkdirAll":     fsys.MkdirAll(name),
			"Remove":       fsys.Remove(name),
			"SyncDir":      fsys.SyncDir(name),
			"Publish from": fsys.Publish(name, "b"),
			"Publish to":   fsys.Publish("a", name),
			"Replace from": fsys.Replace(name, "b"),
			"Replace to":   fsys.Replace("a", name),
		}
		_, calls["Open"] = fsys.Open(name)
		_, calls["Create"] = fsys.Create(name)
		_, calls["Append"] = fsys.Append(name)
		_, calls["Stat"] = fsys.Stat(name)
		_, calls["ReadDir"] = fsys.ReadDir(name)
		for call, err := range calls {
			wants(t, fmt.Sprintf("%s(%q)", call, name), err, fs.ErrInvalid)
		}
	}
	has(t, fsys, "a", "1")
}

func testSync(t *testing.T, fsys durable.FS) {
	must(t, fsys.MkdirAll("d"))
	put(t, fsys, "d/a", "1")
	must(t, fsys.SyncDir("d"))
	must(t, fsys.SyncDir("."))
	if err := fsys.SyncAll(); err != nil {
		wants(t, "SyncAll", err, errors.ErrUnsupported)
	}
	if runtime.GOOS != "windows" {
		wants(t, "syncing no folder", fsys.SyncDir("no"), fs.ErrNotExist)
	}
	if bytes, files, err := fsys.Free(); err != nil || bytes < -1 || files < -1 {
		t.Errorf("Free = %d, %d, %v", bytes, files, err)
	}
}

func testWhole(t *testing.T, fsys durable.FS) {
	must(t, fsys.MkdirAll("d"))
	for _, want := range []string{"one", "two", ""} {
		must(t, durable.WriteFile(fsys, "d/cursor", []byte(want)))
		has(t, fsys, "d/cursor", want)
	}
	if entries, err := fsys.ReadDir("d"); err != nil || len(entries) != 1 {
		t.Errorf("WriteFile leaves %v, %v", entries, err)
	}
	must(t, durable.WriteFile(fsys, "d/cursor", bytes.Repeat([]byte("x"), 11)))
	if _, err := durable.ReadFile(fsys, "d/cursor", 10); !errors.Is(err, durable.ErrTooLarge) {
		t.Errorf("ReadFile of more than its limit: %v", err)
	}
}

// testNew checks that a new file never replaces anything, and that a failure leaves
// nothing.
func testNew(t *testing.T, fsys durable.FS) {
	must(t, fsys.MkdirAll("d"))
	must(t, durable.WriteNew(fsys, "d/public", []byte("one")))
	must(t, durable.WriteNewPrivate(fsys, "d/private", []byte("secret")))
	wants(t, "WriteNew over a file", durable.WriteNew(fsys, "d/private", []byte("two")), fs.ErrExist)
	wants(t, "WriteNewPrivate over a file", durable.WriteNewPrivate(fsys, "d/public", []byte("two")), fs.ErrExist)
	has(t, fsys, "d/public", "one")
	has(t, fsys, "d/private", "secret")
	if entries, err := fsys.ReadDir("d"); err != nil || len(entries) != 2 {
		t.Errorf("WriteNew leaves %v, %v", entries, err)
	}
	f, err := fsys.CreatePrivate("p")
	must(t, err)
	must(t, f.Close())
	_, err = fsys.CreatePrivate("p")
	wants(t, "creating what is there", err, fs.ErrExist)
}

func testOneWins(t *testing.T, fsys durable.FS) {
	const publishers = 8
	errs := make([]error, publishers)
	for i := range publishers {
		put(t, fsys, fmt.Sprintf("temp%d", i), fmt.Sprint(i))
	}
	var all sync.WaitGroup
	for i := range publishers {
		all.Go(func() { errs[i] = fsys.Publish(fmt.Sprintf("temp%d", i), "final") })
	}
	all.Wait()
	winners := 0
	for i, err := range errs {
		if err == nil {
			winners++
			has(t, fsys, "final", fmt.Sprint(i))
		} else {
			wants(t, "publishing second", err, fs.ErrExist)
		}
	}
	if winners != 1 {
		t.Errorf("%d publishers of one name succeeded", winners)
	}
}

func testClosed(t *testing.T, fsys durable.FS) {
	f, err := fsys.Create("a")
	must(t, err)
	must(t, fsys.Close())
	if _, err := io.WriteString(f, "still open"); err != nil {
		t.Errorf("writing to an open file of a closed FS: %v", err)
	}
	must(t, f.Close())
	_, err = fsys.Create("b")
	wants(t, "creating in a closed FS", err, fs.ErrClosed)
	_, err = fsys.Open("a")
	wants(t, "opening in a closed FS", err, fs.ErrClosed)
	wants(t, "syncing a closed FS", fsys.SyncDir("."), fs.ErrClosed)
}
