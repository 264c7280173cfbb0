package durabletest_test

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable/durabletest"
)

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// put creates a file, and syncs its bytes if sync is set.
func put(t *testing.T, fsys durable.FS, name, data string, sync bool) {
	t.Helper()
	f, err := fsys.Create(name)
	must(t, err)
	_, err = io.WriteString(f, data)
	must(t, err)
	if sync {
		must(t, f.Sync())
	}
	must(t, f.Close())
}

// list returns "name=content" of every file, separated by spaces.
func list(t *testing.T, fsys durable.FS, dir string) string {
	t.Helper()
	entries, err := fsys.ReadDir(dir)
	must(t, err)
	var files []string
	for _, e := range entries {
		name := strings.TrimPrefix(dir+"/"+e.Name(), "./")
		if e.IsDir() {
			files = append(files, name+"/", list(t, fsys, name))
			continue
		}
		data, err := durable.ReadFile(fsys, name, 1<<20)
		must(t, err)
		files = append(files, name+"="+string(data))
	}
	return strings.TrimSpace(strings.Join(files, " "))
}

// outcomes crashes m many times and returns the set of resulting disks.
func outcomes(t *testing.T, m *durabletest.Mem) map[string]bool {
	t.Helper()
	rnd := rand.New(rand.NewPCG(1, 2))
	seen := map[string]bool{}
	for range 500 {
		seen[list(t, m.Crash(rnd), ".")] = true
	}
	return seen
}

func set(s ...string) map[string]bool {
	m := map[string]bool{}
	for _, k := range s {
		m[k] = true
	}
	return m
}

func TestCrash(t *testing.T) {
	for _, tt := range []struct {
		name string
		do   func(t *testing.T, m *durabletest.Mem)
		want map[string]bool
	}{
		{"C6 bytes not synced, name synced", func(t *testing.T, m *durabletest.Mem) {
			put(t, m, "a", "xyz", false)
			must(t, m.SyncDir("."))
		}, set("a=xyz", "a=", "a=x", "a=xy", "a=\x00\x00\x00", "a=x\x00\x00", "a=xy\x00")},
		{"bytes synced, name not", func(t *testing.T, m *durabletest.Mem) {
			put(t, m, "a", "xyz", true)
		}, set("", "a=xyz")},
		{"appended after sync", func(t *testing.T, m *durabletest.Mem) {
			f, err := m.Append("log")
			must(t, err)
			_, err = io.WriteString(f, "1;")
			must(t, err)
			must(t, f.Sync())
			must(t, m.SyncDir("."))
			_, err = io.WriteString(f, "2")
			must(t, err)
		}, set("log=1;", "log=1;2", "log=1;\x00")},
		{"truncated after sync", func(t *testing.T, m *durabletest.Mem) {
			f, err := m.Append("log")
			must(t, err)
			_, err = io.WriteString(f, "12")
			must(t, err)
			must(t, f.Sync())
			must(t, m.SyncDir("."))
			must(t, f.Truncate(1))
		}, set("log=12", "log=1")},
		{"published, folder not synced", func(t *testing.T, m *durabletest.Mem) {
			put(t, m, "temp", "x", true)
			must(t, m.SyncDir("."))
			must(t, m.Publish("temp", "final"))
		}, set("temp=x", "final=x")},
		{"replaced, folder not synced", func(t *testing.T, m *durabletest.Mem) {
			must(t, durable.WriteFile(m, "cursor", []byte("1")))
			put(t, m, "temp", "2", true)
			must(t, m.Replace("temp", "cursor"))
		}, set("cursor=1", "cursor=1 temp=2", "cursor=2")},
		{"WriteFile is durable", func(t *testing.T, m *durabletest.Mem) {
			must(t, durable.WriteFile(m, "cursor", []byte("1")))
			must(t, durable.WriteFile(m, "cursor", []byte("2")))
		}, set("cursor=2")},
		{"WriteNew is durable", func(t *testing.T, m *durabletest.Mem) {
			must(t, durable.WriteNew(m, "public", []byte("1")))
			must(t, durable.WriteNewPrivate(m, "private", []byte("2")))
		}, set("private=2 public=1")},
		{"folder synced, its parent not", func(t *testing.T, m *durabletest.Mem) {
			must(t, m.MkdirAll("d"))
			put(t, m, "d/a", "x", true)
			must(t, m.SyncDir("d"))
		}, set("", "d/ d/a=x")},
		{"rename synced on one side is whole", func(t *testing.T, m *durabletest.Mem) {
			must(t, m.MkdirAll("d"))
			must(t, m.SyncDir("."))
			put(t, m, "temp", "x", true)
			must(t, m.Publish("temp", "d/final"))
			must(t, m.SyncDir("d"))
		}, set("d/ d/final=x")},
		{"order of names is kept", func(t *testing.T, m *durabletest.Mem) {
			put(t, m, "a", "", true)
			put(t, m, "b", "", true)
			must(t, m.Remove("a"))
		}, set("", "a=", "a= b=", "b=")},
		{"SyncAll", func(t *testing.T, m *durabletest.Mem) {
			must(t, m.MkdirAll("d/e"))
			put(t, m, "d/e/a", "x", false)
			put(t, m, "gone", "x", false)
			must(t, m.Remove("gone"))
			must(t, m.SyncAll())
		}, set("d/ d/e/ d/e/a=x")},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m := durabletest.NewMem()
			tt.do(t, m)
			if diff := cmp.Diff(tt.want, outcomes(t, m)); diff != "" {
				t.Errorf("disks after a crash (-want +got):\n%s", diff)
			}
		})
	}
}

func TestCrashOfCrashAndKill(t *testing.T) { // C5
	m := durabletest.NewMem()
	put(t, m, "a", "xyz", false)
	killed := m.Kill()
	if got := list(t, killed, "."); got != "a=xyz" {
		t.Errorf("after SIGKILL: %s", got)
	}
	if got := outcomes(t, killed); len(got) < 8 {
		t.Errorf("SIGKILL made bytes durable: %v", got)
	}
	put(t, killed, "b", "", true)
	if got := list(t, m, "."); got != "a=xyz" {
		t.Errorf("the clone changed the original: %s", got)
	}
	for seed := range uint64(20) {
		crashed := m.Crash(rand.New(rand.NewPCG(seed, 0)))
		want := list(t, crashed, ".")
		if diff := cmp.Diff(set(want), outcomes(t, crashed)); diff != "" {
			t.Errorf("seed %d: what survived a crash is lost by the next:\n%s", seed, diff)
		}
		if again := list(t, m.Crash(rand.New(rand.NewPCG(seed, 0))), "."); again != want {
			t.Errorf("seed %d gives %q and %q", seed, want, again)
		}
	}
}

// Clones share bytes; none may see the writes of another.
func TestClonesAreSeparate(t *testing.T) {
	m := durabletest.NewMem()
	f, err := m.Append("log")
	must(t, err)
	_, err = io.WriteString(f, "12345678")
	must(t, err)
	clone := m.Kill()
	g, err := clone.Append("log")
	must(t, err)
	for _, w := range []struct {
		f    durable.File
		text string
	}{{f, "A"}, {g, "B"}, {f, "C"}, {g, "D"}} {
		_, err := io.WriteString(w.f, w.text)
		must(t, err)
	}
	idle := m.Kill() // still shares every byte
	must(t, f.Truncate(4))
	_, err = io.WriteString(f, "zz")
	must(t, err)
	if got, want := list(t, clone, "."), "log=12345678BD"; got != want {
		t.Errorf("clone holds %s, want %s", got, want)
	}
	if got, want := list(t, idle, "."), "log=12345678AC"; got != want {
		t.Errorf("clone that nobody wrote to holds %s, want %s", got, want)
	}
	if got, want := list(t, m, "."), "log=1234zz"; got != want {
		t.Errorf("original holds %s, want %s", got, want)
	}
}

func TestFinalFilesAreNotWritten(t *testing.T) {
	m := durabletest.NewMem()
	f, err := m.Create("temp")
	must(t, err)
	must(t, m.Publish("temp", "final"))
	if _, err := io.WriteString(f, "x"); !errors.Is(err, durabletest.ErrFinal) {
		t.Errorf("Write after Publish: %v", err)
	}
	if err := f.Truncate(0); !errors.Is(err, durabletest.ErrFinal) {
		t.Errorf("Truncate after Publish: %v", err)
	}
	must(t, m.SyncAll())
	for name, fsys := range map[string]durable.FS{
		"original": m, "crash": m.Crash(rand.New(rand.NewPCG(1, 1))), "kill": m.Kill(),
	} {
		if _, err := fsys.Append("final"); !errors.Is(err, durabletest.ErrFinal) {
			t.Errorf("%s: Append to a final name: %v", name, err)
		}
	}
}

// A file that only we own can be appended to, even after it was replaced.
func TestReplacedFilesAreAppendedTo(t *testing.T) {
	m := durabletest.NewMem()
	old, err := m.Create("temp")
	must(t, err)
	must(t, m.Replace("temp", "log"))
	if _, err := io.WriteString(old, "x"); !errors.Is(err, durabletest.ErrFinal) {
		t.Errorf("Write after Replace: %v", err)
	}
	f, err := m.Append("log")
	must(t, err)
	if _, err := io.WriteString(f, "x"); err != nil {
		t.Errorf("Write after Append: %v", err)
	}
}

func TestNoSyncAll(t *testing.T) {
	m := durabletest.NewMem()
	m.NoSyncAll = true
	put(t, m, "a", "x", true)
	for name, fsys := range map[string]durable.FS{
		"original": m, "crash": m.Crash(rand.New(rand.NewPCG(1, 1))), "kill": m.Kill(),
	} {
		if err := fsys.SyncAll(); !errors.Is(err, errors.ErrUnsupported) {
			t.Errorf("%s: SyncAll = %v", name, err)
		}
	}
	if got := outcomes(t, m); !got[""] {
		t.Errorf("SyncAll that is not supported made names durable: %v", got)
	}
}

// A small pipeline: crates are published, one SyncAll covers a batch, then the batch is
// acknowledged. Whenever the power is cut, what was acknowledged before is whole (C3).
func TestC3AcknowledgedIsWholeAtAnyInstant(t *testing.T) {
	const batches, batch = 20, 10
	m := durabletest.NewMem()
	var (
		mu    sync.Mutex
		acked []string
		done  = make(chan struct{})
	)
	go func() {
		defer close(done)
		for b := range batches {
			var names []string
			for i := range batch {
				dir := fmt.Sprintf("%d/%d", b%3, i%4)
				name := fmt.Sprintf("%s/c-%d.crate", dir, b)
				if i >= 4 {
					name += fmt.Sprint(i)
				}
				temp := durable.TempName(dir)
				if err := errors.Join(m.MkdirAll(dir), write(m, temp, name), m.Publish(temp, name)); err != nil {
					t.Error(err)
					return
				}
				names = append(names, name)
			}
			if err := m.SyncAll(); err != nil {
				t.Error(err)
			}
			mu.Lock()
			acked = append(acked, names...)
			mu.Unlock()
		}
	}()
	crashes := 0
	rnd := rand.New(rand.NewPCG(3, 4))
	for running := true; running || crashes < 300; crashes++ {
		select {
		case <-done:
			running = false
		default:
		}
		mu.Lock()
		promised := acked
		mu.Unlock()
		disk := m.Crash(rnd)
		for _, name := range promised {
			if got, err := durable.ReadFile(disk, name, 100); err != nil || string(got) != name {
				t.Fatalf("crash %d: acknowledged %s holds %q, %v", crashes, name, got, err)
			}
		}
	}
	if len(acked) != batches*batch {
		t.Errorf("%d acknowledged of %d", len(acked), batches*batch)
	}
}

// write creates a file with this content.
func write(fsys durable.FS, name, data string) error {
	f, err := fsys.Create(name)
	if err != nil {
		return err
	}
	_, err = io.WriteString(f, data)
	return errors.Join(err, f.Close())
}

// BenchmarkCrash: the disk of a pipeline test, 500 files in 50 folders, a tenth of them not
// durable.
func BenchmarkCrash(b *testing.B) {
	m := durabletest.NewMem()
	for i := range 500 {
		dir := fmt.Sprintf("%d/%d", i%10, i%50)
		name := fmt.Sprintf("%s/%d", dir, i)
		if err := errors.Join(m.MkdirAll(dir), write(m, name, strings.Repeat("x", 4096))); err != nil {
			b.Fatal(err)
		}
		if i == 450 {
			if err := m.SyncAll(); err != nil {
				b.Fatal(err)
			}
		}
	}
	rnd := rand.New(rand.NewPCG(1, 1))
	for b.Loop() {
		m.Crash(rnd)
	}
}
