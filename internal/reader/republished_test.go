package reader

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/mirror"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/plan"
)

// A8: of a version that was published again, cargo gets the line and the bytes of
// now; the bytes of before are found by their checksum alone.
func TestA8Republished(t *testing.T) {
	for name, h := range map[string]how{"loose": {}, "bundled": {bundle: true, target: 1 << 20}} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, "serde 1.0.0\nserde 1.1.0")
			w.run(h)
			before := w.key(serde100)
			was, err := w.reg.CrateBytes(serde100)
			if err != nil {
				t.Fatal(err)
			}
			v := w.view(nil)
			w.reg.ReplaceBytes(serde100)
			w.commitIndex()
			h.change = func(c *mirror.Config) { c.AcceptRepublished = plan.AcceptAlways }
			w.run(h)
			eventually(t, "the line of now is shown", func() bool { return len(shown(t, v, "serde")) == 2 })
			w.wantRead(v, "serde", "1.0.0")
			f, err := v.OpenBytes(t.Context(), before)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			if got, err := io.ReadAll(f); err != nil || !bytes.Equal(got, was) || f.Checksum != before.Checksum {
				t.Errorf("of before: %d bytes, %v, want %d", len(got), err, len(was))
			}
			if _, err := v.OpenBytes(t.Context(), crate.Key{ID: serde100}); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("bytes that it never had: %v", err)
			}
		})
	}
}

// A run moves a file out of the way before it records that: until then it is
// found where it is moved to, and nothing is told as damage.
func TestMakingWayIsNoDamage(t *testing.T) {
	w := newWorld(t, "serde 1.0.0")
	w.run(how{})
	var log logBuffer
	v := w.view(func(c *Config) { c.Log = log.logger() })
	out := w.out()
	to := filepath.Join(out, filepath.FromSlash(serde100.RepublishedPath(w.key(serde100).Checksum.FileKey())))
	if err := errors.Join(os.MkdirAll(filepath.Dir(to), 0o755), os.Rename(w.loose(serde100), to)); err != nil {
		t.Fatal(err)
	}
	w.wantRead(v, "serde", "1.0.0")
	if log.String() != "" && bytes.Contains([]byte(log.String()), []byte("level=ERROR")) {
		t.Errorf("it is told as damage:\n%s", log.String())
	}
}

// The same on the way back, when the index names earlier bytes again and the run
// is killed before it records that: both have the path of the other.
func TestTakingPlaceIsNoDamage(t *testing.T) {
	w := newWorld(t, "serde 1.0.0")
	w.run(how{})
	before := w.key(serde100)
	w.reg.ReplaceBytes(serde100)
	w.commitIndex()
	w.run(how{change: func(c *mirror.Config) { c.AcceptRepublished = plan.AcceptAlways }})
	now := w.key(serde100)
	at := func(key crate.Key) string {
		return filepath.Join(w.out(), filepath.FromSlash(serde100.RepublishedPath(key.Checksum.FileKey())))
	}
	if err := errors.Join(os.Rename(w.loose(serde100), at(now)), os.Rename(at(before), w.loose(serde100))); err != nil {
		t.Fatal(err)
	}
	v := w.view(nil)
	for _, key := range []crate.Key{before, now} {
		f, err := v.OpenBytes(t.Context(), key)
		if err != nil {
			t.Errorf("%s: %v", key.Checksum, err)
			continue
		}
		f.Close()
	}
	w.wantRead(v, "serde", "1.0.0")
}
