package pull

import (
	"io/fs"
	"sync/atomic"
	"testing"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable/durabletest"
)

// fullDisk refuses new files while it is full.
type fullDisk struct {
	durable.FS
	full atomic.Bool
}

func (d *fullDisk) Create(name string) (durable.File, error) {
	if d.full.Load() {
		return nil, &fs.PathError{Op: "create", Path: name, Err: durable.ErrNoSpace}
	}
	return d.FS.Create(name)
}

// P3: a full disk hides nothing: what upstream says of a crate that was just asked about
// is not taken for nothing because it could not be written, a small crate file is given
// without being stored, and once there is room both are kept.
func TestFullDisk(t *testing.T) {
	w := newWorld(t, "foo 1.0.0\nbar 1.0.0")
	disk := &fullDisk{FS: durabletest.NewMem()}
	w.disk, w.cfg.MaxAge = disk, time.Hour
	m := w.open()
	disk.full.Store(true)
	for range 2 {
		if got := versions(m, "foo"); got != "1.0.0" {
			t.Errorf("foo is %q on a full disk", got)
		}
		if err := w.get(m, foo1); err != nil {
			t.Errorf("on a full disk: %v", err)
		}
	}
	disk.full.Store(false)
	w.must(w.get(m, foo1))
	if !m.store.has(foo1) {
		t.Error("there is room again, and it is not stored")
	}
}

// P8: lines that were removed, or damaged, are asked for again at once: a crate that was
// known a moment before is not said not to be.
func TestLinesLost(t *testing.T) {
	w := newWorld(t, "foo 1.0.0")
	w.cfg.MaxAge = time.Hour
	m := w.open()
	for _, lose := range []func() error{
		func() error { return m.store.removeLines("foo") },
		func() error { return durable.WriteFile(w.disk, linesPath("foo"), []byte("{")) },
	} {
		if got := versions(m, "foo"); got != "1.0.0" {
			t.Fatalf("foo is %q", got)
		}
		w.must(lose())
		if got := versions(m, "foo"); got != "1.0.0" {
			t.Errorf("foo is %q when its lines are lost", got)
		}
	}
}
