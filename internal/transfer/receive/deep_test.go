package receive

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/console"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/deep"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/home"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/repack"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/transfer"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/transfer/send"
)

// repack moves all that near holds into its deep archive.
func (w *world) repack() {
	w.T.Helper()
	cfg := homeConfig(w.near, nil)
	_, err := repack.Mirror(w.T.Context(), cfg, repack.Options{
		SegmentSize: 1 << 30, Workers: 1, Log: cfg.Log,
		Watch: func(func() console.State) func() { return func() {} },
	})
	must(w.T, err)
}

// TestSegments: a mirror whose crates are in the deep archive is carried by whole
// segments, and by bundles where only some of a segment is new.
func TestSegments(t *testing.T) {
	dear(t)
	w := newWorld(t)
	w.publish(true, many("c", 20)...)
	w.repack()
	first := filepath.Join(w.dir, "first")
	_, volumes := w.export(first, full)
	if n := count(manifestOf(t, volumes[0]), transfer.Segment); n != 1 {
		t.Errorf("%d segments are carried", n)
	}
	// One that the key's owner has damaged is refused before anything changes.
	bad := filepath.Join(w.dir, "bad")
	must(t, os.CopyFS(bad, os.DirFS(first)))
	w.forge(glob(t, bad), deep.FileName(0), func(_ *transfer.Manifest, b []byte) []byte { b[len(b)/2] ^= 1; return b })
	if _, err := Run(t.Context(), w.config(bad)); err == nil || !strings.Contains(err.Error(), "nothing was changed: deep-0000.zst") {
		t.Error(err)
	}
	if left, _ := filepath.Glob(filepath.Join(w.far.Deep, arriving, "*", "*")); len(left) > 0 {
		t.Errorf("what was refused is still there: %v", left)
	}
	if res := w.take(first); !res.Same || res.Held != 25 {
		t.Errorf("%+v", res)
	}
	w.wantSame()

	// The next segment gets the next number on the far side, whatever it has on this one.
	w.publish(true, many("a", 20)...)
	w.repack()
	second := filepath.Join(w.dir, "second")
	_, volumes = w.export(second, nil)
	if n := count(manifestOf(t, volumes[0]), transfer.Segment); n != 1 {
		t.Errorf("%d segments are carried", n)
	}
	if res := w.take(second); !res.Same || res.Held != 45 {
		t.Errorf("%+v", res)
	}
	w.wantSame()
	for n := range 2 {
		if _, err := os.Stat(filepath.Join(w.far.Deep, deep.FileName(n))); err != nil {
			t.Error(err)
		}
	}

	// What the far side has of a segment is not carried again.
	w.publish(false, many("b", 3)...)
	third := filepath.Join(w.dir, "third")
	w.export(third, func(cfg *send.Config) { cfg.Since = send.Since{Point: "1"} })
	if res := w.take(third); !res.Same || res.Held != 48 {
		t.Errorf("%+v", res)
	}
	w.wantSame()
	if left, _ := filepath.Glob(filepath.Join(w.far.Deep, arriving)); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
	r, err := home.OpenReader(t.Context(), &w.far)
	must(t, err)
	defer r.Close()
	segments, err := r.Catalog.Segments(t.Context())
	if err != nil || len(segments) != 2 {
		t.Errorf("%d segments, %v: the second one came twice", len(segments), err)
	}
}

func count(m *transfer.Manifest, kind transfer.Kind) (n int) {
	for i := range m.Files {
		if m.Files[i].Kind() == kind {
			n++
		}
	}
	return n
}
