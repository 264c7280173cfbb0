package bundle

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable/durabletest"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/partfile"
)

var errInjected = errors.New("input/output error")

// put appends an item, a large one from a reader.
func put(w *Writer, it item) error {
	if len(it.Data) > 1<<19 {
		_, err := w.AppendFrom(it.ID, bytes.NewReader(it.Data), int64(len(it.Data)), nil)
		return err
	}
	f, err := Encode(nil, it.ID, it.Data)
	if err != nil {
		return err
	}
	_, err = w.Append(f)
	return err
}

// withLarge returns items and one that is streamed.
func withLarge() []item {
	return slices.Insert(items(), 2, item{ID: crate.ID{Name: "large", Version: "1.0.0"}, Data: noise(smallContent+77, 5)})
}

// write writes a bundle from start to end: members with a sync after every second one,
// finish, publish. It returns how many members were synced.
func write(fsys durable.FS, items []item) (synced int, err error) {
	w, err := Create(fsys, "d/b")
	if err != nil {
		return 0, err
	}
	defer w.Close()
	for i, it := range items {
		if err := put(w, it); err != nil {
			return synced, err
		}
		if i%2 == 1 {
			if err := w.Sync(); err != nil {
				return synced, err
			}
			synced = i + 1
		}
	}
	if _, err := w.Finish(); err != nil {
		return synced, err
	}
	return len(items), w.Publish()
}

// recovered continues on a disk after a crash until the bundle is published, and checks
// that every synced member was there and that the bundle equals whole.
func recovered(t *testing.T, what string, disk durable.FS, items []item, synced int, whole []byte) {
	t.Helper()
	if _, err := disk.Stat("d/b"); err == nil {
		readFile(t, what, disk, whole)
		return
	}
	var held []string
	w, err := Resume(disk, "d/b", func(m Member) error {
		held = append(held, m.ID.String())
		return nil
	})
	switch {
	case errors.Is(err, fs.ErrNotExist) && synced == 0:
		w, err = Create(disk, "d/b")
	case errors.Is(err, fs.ErrExist):
		t.Fatalf("%s: %v", what, err)
	}
	if err != nil {
		t.Fatalf("%s: %v", what, err)
	}
	if len(held) < synced || !slices.Equal(held, names(items)[:len(held)]) {
		t.Fatalf("%s: holds %q after a crash, %d were synced", what, held, synced)
	}
	for _, it := range items[len(held):] {
		must(t, put(w, it))
	}
	_, err = w.Finish()
	must(t, err)
	must(t, w.Publish())
	readFile(t, what, disk, whole)
}

// readFile checks that d/b is whole, the bundle that a run without a crash writes.
func readFile(t *testing.T, what string, disk durable.FS, want []byte) {
	t.Helper()
	got, err := durable.ReadFile(disk, "d/b", 1<<30)
	must(t, err)
	if !bytes.Equal(got, want) {
		t.Fatalf("%s: bundle has %d bytes, want the same %d as without a crash", what, len(got), len(want))
	}
}

// The power fails, or the process is killed, before any operation.
func TestC5CrashAtEveryOperation(t *testing.T) {
	want := withLarge()
	whole, _ := build(t, want)
	rnd := rand.New(rand.NewPCG(1, 2))
	type disk struct {
		*durabletest.Mem
		what   string
		synced int
	}
	var disks []disk
	synced := 0
	m := durabletest.NewMem()
	must(t, m.MkdirAll("d"))
	must(t, m.SyncDir("."))
	h := durabletest.Hook(m, func(op durabletest.Op) durabletest.Fault {
		disks = append(disks, disk{m.Kill(), "killed before " + op.String(), synced})
		for range 2 {
			disks = append(disks, disk{m.Crash(rnd), "crash before " + op.String(), synced})
		}
		return durabletest.Fault{}
	})
	w, err := Create(h, "d/b")
	must(t, err)
	for i, it := range want {
		must(t, put(w, it))
		if i%2 == 1 {
			must(t, w.Sync())
			synced = i + 1
		}
	}
	_, err = w.Finish()
	must(t, err)
	synced = len(want)
	must(t, w.Publish())
	for range 10 {
		published := m.Crash(rnd)
		if _, err := published.Stat("d/b"); err != nil {
			t.Fatalf("a published bundle is gone: %v", err)
		}
		readFile(t, "crash after all", published, whole)
	}
	if len(disks) < 60 {
		t.Errorf("only %d disks", len(disks))
	}
	first, step := durabletest.Every(4, nil)
	for i := first; i < len(disks); i += step {
		d := disks[i]
		recovered(t, d.what, d.Mem, want, d.synced, whole)
	}
}

// Any operation fails, and synced members are found again (E10).
func TestE10FailureOfEveryOperation(t *testing.T) {
	want := withLarge()
	whole, _ := build(t, want)
	for _, persisted := range []bool{false, true} {
		first, step := durabletest.Every(4, nil)
		for n := first + 1; ; n += step {
			m := durabletest.NewMem()
			must(t, m.MkdirAll("d"))
			must(t, m.SyncDir("."))
			h := durabletest.FailAt(m, n, errInjected, true, persisted)
			synced, err := write(h, want)
			if h.Ops() < n {
				must(t, err)
				break
			}
			what := fmt.Sprintf("operation %d, persisted %v", n, persisted)
			if !errors.Is(err, errInjected) {
				t.Fatalf("%s: %v", what, err)
			}
			recovered(t, what, m.Crash(rand.New(rand.NewPCG(1, 2))), want, synced, whole)
		}
	}
}

// A broken Writer reports it, and never syncs again.
func TestE10WriterIsDeadAfterAnError(t *testing.T) {
	for _, kind := range []durabletest.Kind{durabletest.OpWrite, durabletest.OpSync} {
		failed := 0
		h := durabletest.Hook(durabletest.NewMem(), func(op durabletest.Op) durabletest.Fault {
			if op.Kind != kind {
				return durabletest.Fault{}
			}
			failed++
			return durabletest.Fault{Err: errInjected}
		})
		w, err := Create(h, "b")
		must(t, err)
		err = errors.Join(put(w, items()[0]), w.Sync())
		if !errors.Is(err, errInjected) {
			t.Errorf("%s: %v", kind, err)
		}
		_, finish := w.Finish()
		for what, err := range map[string]error{
			"append": put(w, items()[0]), "append large": put(w, withLarge()[2]), "sync": w.Sync(), "finish": finish, "publish": w.Publish(),
		} {
			if !errors.Is(err, ErrBroken) || !errors.Is(err, errInjected) {
				t.Errorf("%s after a failed %s: %v", what, kind, err)
			}
		}
		if failed != 1 {
			t.Errorf("%s is tried %d times", kind, failed)
		}
		must(t, w.Close())
	}
}

// The bytes change while they are bundled: the recorded checksum is that of the bytes
// written.
func TestE11SourceChanges(t *testing.T) {
	it := withLarge()[2]
	sum := func(b []byte) crate.Checksum {
		f, err := Encode(nil, it.ID, b)
		must(t, err)
		return f.Checksum
	}
	other := bytes.Clone(it.Data)
	other[len(other)-1] ^= 1
	was := sum(it.Data)

	m := durabletest.NewMem()
	w, err := Create(m, "b")
	must(t, err)
	must(t, put(w, items()[0]))
	before := w.Summary()
	var mismatch *crate.ChecksumError
	for what, src := range map[string]io.Reader{
		"other bytes":   bytes.NewReader(other),
		"fewer bytes":   bytes.NewReader(it.Data[1:]),
		"more bytes":    io.MultiReader(bytes.NewReader(it.Data), strings.NewReader("x")),
		"reading fails": io.MultiReader(bytes.NewReader(it.Data[:1<<20]), failingReader{}),
	} {
		_, err := w.AppendFrom(it.ID, src, int64(len(it.Data)), &was)
		if err == nil || what == "other bytes" && !errors.As(err, &mismatch) {
			t.Errorf("%s: %v", what, err)
		}
		small := other[:100]
		if _, err := w.AppendFrom(it.ID, bytes.NewReader(small), int64(len(small)), &was); !errors.As(err, &mismatch) {
			t.Errorf("%s, small: %v", what, err)
		}
	}
	for what, src := range map[string]string{"fewer": "1234", "more": "123456", "none": ""} {
		if _, err := w.AppendFrom(it.ID, strings.NewReader(src), 5, nil); err == nil {
			t.Errorf("%s bytes than the size says are appended", what)
		}
	}
	if w.Summary() != before {
		t.Errorf("what could not be appended left %+v, want %+v", w.Summary(), before)
	}
	got, err := w.AppendFrom(it.ID, bytes.NewReader(other), int64(len(other)), nil)
	if err != nil || got.Checksum != sum(other) {
		t.Errorf("checksum is %s, %v, want that of the bytes that went in", got.Checksum, err)
	}
	_, err = w.Finish()
	must(t, err)
	must(t, w.Publish())
	want := []item{items()[0], {ID: it.ID, Data: other}}
	b, err := durable.ReadFile(m, "b", 1<<30)
	must(t, err)
	if whole, sum := build(t, want); !bytes.Equal(b, whole) || sum.Checksum != w.Summary().Checksum {
		t.Error("the bundle differs from one that nothing happened to")
	}
}

type failingReader struct{}

func (failingReader) Read([]byte) (int, error) { return 0, errInjected }

// Corruption by the encoder or the memory is found by reading the bundle again, before
// anything that depends on it is deleted.
func TestE12CorruptedFrame(t *testing.T) {
	want := items()
	m := durabletest.NewMem()
	w, err := Create(m, "b")
	must(t, err)
	for i, it := range want {
		f, err := Encode(nil, it.ID, it.Data)
		must(t, err)
		if i == 1 {
			f.Encoded[len(f.Encoded)/2] ^= 1
		}
		_, err = w.Append(f)
		must(t, err)
	}
	_, err = w.Finish()
	must(t, err)
	must(t, w.Publish())
	b, err := durable.ReadFile(m, "b", 1<<30)
	must(t, err)
	got, errs := read(t, b, want)
	if !slices.Equal(got, names(slices.Delete(want, 1, 2))) || len(errs) != 1 {
		t.Errorf("members %q, errors %v", got, errs)
	}
}

func TestCreateAndPublishReplaceNothing(t *testing.T) {
	m := durabletest.NewMem()
	w, err := Create(m, "b")
	must(t, err)
	if _, err := Create(m, "b"); !errors.Is(err, fs.ErrExist) {
		t.Errorf("creating what is there: %v", err)
	}
	if err := w.Publish(); err == nil || !strings.Contains(err.Error(), "not finished") {
		t.Errorf("publishing what is not finished: %v", err)
	}
	_, err = w.Finish()
	must(t, err)
	if err := put(w, items()[0]); !errors.Is(err, partfile.ErrFinished) {
		t.Errorf("appending to what is finished: %v", err)
	}
	f, err := m.Create("b")
	must(t, err)
	must(t, f.Close())
	if err := w.Publish(); !errors.Is(err, fs.ErrExist) {
		t.Errorf("publishing over a file: %v", err)
	}
	if _, err := Resume(m, "c", nil); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("resuming nothing: %v", err)
	}
	if _, err := m.Stat("c.part"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("resuming nothing created a file: %v", err)
	}
}

// The same on a real disk.
func TestOnDisk(t *testing.T) {
	dir := t.TempDir()
	fsys, err := durable.Open(dir)
	must(t, err)
	defer fsys.Close()
	want := withLarge()
	w, err := Create(fsys, FileName(0))
	must(t, err)
	for _, it := range want[:3] {
		must(t, put(w, it))
	}
	must(t, w.Close())
	held := 0
	w, err = Resume(fsys, FileName(0), count(&held))
	must(t, err)
	if held != 3 {
		t.Errorf("%d members are held, want 3", held)
	}
	for _, it := range want[3:] {
		must(t, put(w, it))
	}
	sum, err := w.Finish()
	must(t, err)
	must(t, w.Publish())
	b, err := os.ReadFile(dir + "/" + FileName(0))
	must(t, err)
	whole, wantSum := build(t, want)
	if !bytes.Equal(b, whole) || sum != wantSum {
		t.Errorf("the bundle is not the one that memory gives: %+v, want %+v", sum, wantSum)
	}
}
