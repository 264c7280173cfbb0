package durable

import (
	"os"
	"path/filepath"
	"testing"
	"time"
)

// TestState: no program can change a file and keep its state.
func TestState(t *testing.T) {
	dir := t.TempDir()
	d, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	path := filepath.Join(dir, "x")
	put := func(content string) {
		t.Helper()
		f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE, 0o644)
		if err != nil {
			t.Fatal(err)
		}
		_, err = f.WriteString(content)
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
		if err != nil {
			t.Fatal(err)
		}
		long := time.Unix(1e9, 0)
		if err := os.Chtimes(path, long, long); err != nil {
			t.Fatal(err)
		}
	}
	state := func() State {
		t.Helper()
		f, err := d.Open("x")
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		s, err := StateOf(f)
		if err != nil {
			t.Fatal(err)
		}
		if named, ok := d.(interface{ StateAt(string) (State, error) }); ok {
			if at, err := named.StateAt("x"); err != nil || at != s {
				t.Errorf("by its name: %+v, %v, open: %+v", at, err, s)
			}
		}
		return s
	}
	put("aaaa")
	first := state()
	if first != state() {
		t.Error("an unchanged file has two states")
	}
	if first.Size != 4 || first.ID == 0 || first.Modified != 1e18 {
		t.Errorf("%+v", first)
	}
	if now := time.Now(); first.Settled(now) || !first.Settled(now.Add(time.Minute)) {
		t.Errorf("settled: %v", first.Settled(now))
	}
	time.Sleep(50 * time.Millisecond) // some ticks of the coarsest clock of the kernel
	put("bbbb")
	if first == state() {
		t.Errorf("changed in place, time set back: %+v still", first)
	}
}
