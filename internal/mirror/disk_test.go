package mirror

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable/durabletest"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/simreg"
)

// C7, C9: a disk that fills up ends the run with its own error, nothing that is
// recorded is lost, and with space the next run completes.
func TestC7DiskFull(t *testing.T) {
	failed := 0
	for n := 5; n < 400; n += 13 {
		w := newWorld(t, parse(small))
		full := durabletest.FailAt(w.disk, n, durable.ErrNoSpace, true, false)
		s, err := w.run(context.Background(), full, nil)
		switch {
		case errors.Is(err, durable.ErrNoSpace):
			failed++
		case err != nil || !s.Complete(false) || len(w.catalog.held()) != 5 || len(w.records()) != 5:
			t.Fatalf("full at operation %d: %v, %d held", n, err, len(w.catalog.held()))
		} // else all was done before, and only cleaning up met the full disk
		if err := w.checkWhole(w.disk, w.catalog.held()); err != nil {
			t.Errorf("full at operation %d: %v", n, err)
		}
		w.mustRun(nil)
		if full.Ops() < n {
			break
		}
	}
	if failed < 3 {
		t.Errorf("the disk was full only %d times when it mattered", failed)
	}
}

func TestReserveStopsTheRun(t *testing.T) {
	w := newWorld(t, simreg.Demo())
	w.reg.Inject(simreg.All, simreg.Fault{Kind: simreg.Latency, Delay: 5 * time.Millisecond, Times: -1})
	_, err := w.run(context.Background(), w.disk, func(c *Config) { c.State = nearlyFull{c.State} })
	if !errors.Is(err, durable.ErrNoSpace) || !strings.Contains(err.Error(), "1000 bytes are free") {
		t.Errorf("err = %v", err)
	}
	w.reg.Heal()
	w.mustRun(nil)
}

type nearlyFull struct{ durable.FS }

func (nearlyFull) Free() (bytes, files int64, err error) { return 1000, -1, nil }

// C9: work that cannot be recorded is not acknowledged.
func TestC9CatalogFails(t *testing.T) {
	w := newWorld(t, parse(small))
	w.catalog.fail = durable.ErrNoSpace
	s, err := w.run(context.Background(), w.disk, nil)
	if !errors.Is(err, durable.ErrNoSpace) || s.OK() != 0 {
		t.Errorf("%v, %+v", err, s.Counts)
	}
	if recs := w.records(); len(recs) != 0 {
		t.Errorf("the manifest speaks of %d crates that the catalog does not know", len(recs))
	}
	w.catalog.fail = nil
	if s := w.mustRun(nil); s.VerifiedExisting+s.Downloaded != 5 {
		t.Errorf("next run: %+v", s.Counts)
	}
}

// C19, C6: a file that is not the crate is not held, whatever its origin; it is kept in
// quarantine.
func TestC19WrongFileThere(t *testing.T) {
	w := newWorld(t, parse(small))
	w.mustRun(nil)
	good, err := content(w.disk, foo1)
	if err != nil {
		t.Fatal(err)
	}
	flipped := bytes.Clone(good)
	flipped[len(flipped)/2] ^= 1
	quarantined := 0
	for name, tt := range map[string]struct {
		data   []byte
		verify bool
	}{
		"empty": {nil, false}, "short": {good[:len(good)/2], false}, "long": {append(bytes.Clone(good), 0), false},
		"flipped": {flipped, true},
	} {
		w.damage(foo1, tt.data)
		s, err := w.run(context.Background(), w.disk, func(c *Config) { c.VerifyExisting = tt.verify })
		quarantined++
		if err != nil || !s.Complete(false) || s.Sound() || s.Downloaded != 1 || s.Quarantined != quarantined {
			t.Errorf("%s: %v, %+v, %d in quarantine", name, err, s.Counts, s.Quarantined)
		}
		if got, err := content(w.disk, foo1); err != nil || !bytes.Equal(got, good) {
			t.Errorf("%s: not repaired: %v", name, err)
		}
	}
}

// A file that a user removed is downloaded again, although its crate is unchanged.
func TestRemovedFileIsNoticed(t *testing.T) {
	w := newWorld(t, parse(small))
	w.mustRun(nil)
	if err := w.disk.Remove(bar.LoosePath()); err != nil {
		t.Fatal(err)
	}
	if s := w.mustRun(nil); s.Downloaded != 1 || s.Existing != 4 {
		t.Errorf("%+v, want one fetched", s.Counts)
	}
}

// C18: something other than a file under a crate's name affects only that crate.
func TestC18FolderInTheWay(t *testing.T) {
	w := newWorld(t, parse(small))
	if err := w.disk.MkdirAll(ox.LoosePath()); err != nil {
		t.Fatal(err)
	}
	s, err := w.run(context.Background(), w.disk, nil)
	if err != nil || s.Downloaded != 4 || s.Failed != 1 || s.Complete(true) {
		t.Errorf("%v, %+v", err, s.Counts)
	}
	if rec := w.records()["ox 0.3.0"]; rec.OK || !strings.Contains(rec.Error, "not a regular file") {
		t.Errorf("record: %+v", rec)
	}
}
