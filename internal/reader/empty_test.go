package reader

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// H19: a mirror that shows nothing says why.
func TestH19EmptyMirror(t *testing.T) {
	w := newWorld(t, "foo 1.0.0\nbar 1.0.0")
	v := w.view(nil)
	waitFor(t, v, emptyMirror)
	w.run(how{})
	waitFor(t, v, "")
}

// H19: so does one that is given the index of another registry.
func TestH19OtherIndex(t *testing.T) {
	w := newWorld(t, "foo 1.0.0\nbar 1.0.0")
	w.run(how{})
	other := filepath.Join(t.TempDir(), "index")
	if err := os.MkdirAll(filepath.Join(other, "3", "f"), 0o755); err != nil {
		t.Fatal(err)
	}
	line := `{"name":"foo","vers":"1.0.0","cksum":"` + strings.Repeat("1", 64) + `"}` + "\n"
	if err := os.WriteFile(filepath.Join(other, "3", "f", "foo"), []byte(line), 0o644); err != nil {
		t.Fatal(err)
	}
	v := w.view(func(cfg *Config) { cfg.Dirs.Index = other })
	waitFor(t, v, strings.Replace(otherIndex, "%d", "2", 1))
	waitFor(t, w.view(nil), "")
}

// waitFor waits until a view says why it is empty.
func waitFor(t *testing.T, v *View, want string) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		if why := v.empty.Load(); why != nil && v.Totals().Empty == want {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("the view says %q, want %q", v.Totals().Empty, want)
		}
	}
}
