package mirror

import (
	"testing"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/store"
)

// A loose file that someone removed beside its bundle is stored again, and stays: what makes
// removals of a killed run durable must not remove what this run has stored.
func TestRemovedLooseFileComesBackBesideItsBundle(t *testing.T) {
	w := newWorld(t, parse(small))
	w.bundle = &bundling{target: 1500, add: true}
	w.mustRun(nil)
	before, err := content(w.disk, foo1)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.disk.Remove(foo1.LoosePath()); err != nil {
		t.Fatal(err)
	}
	w.mustRun(nil)
	if got, err := content(w.disk, foo1); err != nil || string(got) != string(before) {
		t.Errorf("after the run: %d bytes, %v; want the %d that were removed", len(got), err, len(before))
	}
	if err := w.checkWhole(w.disk, w.catalog.held()); err != nil {
		t.Error(err)
	}
}

// A run that replaces what was in a lost bundle measures the others again, and the next one,
// which has nothing to do, does not.
func TestLostBundleIsMeasuredOnce(t *testing.T) {
	w := newWorld(t, parse(small))
	news := func(c *Config) { c.NewsOnly = true }
	w.mustRun(news)
	w.catalog.reaches = []store.Placement{{Bundle: "bundle-0007.tar.zst", FrameSize: 1}}
	if w.mustRun(news); w.catalog.measured != 0 {
		t.Errorf("measured %d times although nothing was replaced", w.catalog.measured)
	}
	if err := w.disk.Remove(foo1.LoosePath()); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if w.mustRun(news); w.catalog.measured != 1 {
			t.Errorf("measured %d times, want once", w.catalog.measured)
		}
	}
}
