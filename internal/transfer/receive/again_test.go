package receive

import (
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable/durabletest"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/home"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/index"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/index/carry"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/index/clone"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/transfer/send"
)

// TestReplay: a transfer that was signed long ago, of a line that was given up, does not
// bring its state back, is not in the way of the one that comes next, and does not cost
// the way back from the last import.
func TestReplay(t *testing.T) {
	dear(t)
	w := newWorld(t)
	old, medium := filepath.Join(w.dir, "old"), filepath.Join(w.dir, "medium")
	w.export(old, full)
	w.publish(true, many("a", 3)...)
	must(t, os.RemoveAll(filepath.Join(w.near.State(), "sent"))) // the sending side loses its memory
	w.export(medium, full)
	careful := func(from ...string) (*Result, error) {
		cfg := w.config(from...)
		cfg.AcceptShrink = false
		return Run(t.Context(), cfg)
	}
	if _, err := careful(medium); err != nil {
		t.Fatal(err)
	}
	w.publish(true, many("b", 3)...)
	w.export(medium, nil)
	if res, err := careful(old, medium); err != nil || len(res.Taken) != 1 || !res.Same {
		t.Fatalf("with an old transfer beside: %+v, %v", res, err)
	}
	before := tree(t, w.far.Root)
	_, err := careful(old)
	if !errors.As(err, new(*OlderError)) || !strings.Contains(err.Error(), "its index is of 2026-01-01") {
		t.Errorf("the old transfer alone: %v", err)
	}
	if diff := cmp.Diff(before, tree(t, w.far.Root)); diff != "" {
		t.Errorf("the mirror was changed:\n%s", diff)
	}
	w.wantSame()
	if res := w.take(old); len(res.Taken) != 1 { // asked for
		t.Errorf("%+v", res)
	}
}

// TestRefusedIndex: a transfer whose index is refused changes nothing, and leaves the way
// back from the one before.
func TestRefusedIndex(t *testing.T) {
	dear(t)
	w := newWorld(t)
	medium := filepath.Join(w.dir, "medium")
	w.publish(true, many("a", 3)...)
	w.export(medium, full)
	w.take(medium)
	one := shows(t, w.far)
	w.publish(true, many("b", 3)...)
	w.export(medium, nil)
	w.take(medium)
	two := shows(t, w.far)
	for _, v := range append(many("a", 3), many("b", 3)...) {
		w.Reg.Remove(crate.ID{Name: v.Name, Version: v.Version})
	}
	w.publish(true, many("c", 2)...)
	w.export(medium, nil)
	cfg := w.config(medium)
	cfg.AcceptShrink = false
	bundles, journal := names(t, w.far.Bundles), filepath.Join(w.far.State(), journalName)
	noted, err := os.ReadFile(journal)
	must(t, err)
	if _, err := Run(t.Context(), cfg); !errors.As(err, new(*index.ShrinkError)) || !strings.Contains(err.Error(), "nothing was changed: index.bundle: 4 of the 10 crates of the index are no longer in the transfer, more than 5 %: ask the sending side") {
		t.Fatalf("an index that has lost most crates: %v", err)
	}
	if diff := cmp.Diff(bundles, names(t, w.far.Bundles)); diff != "" {
		t.Errorf("bundles were taken (-before +after):\n%s", diff)
	}
	if now, err := os.ReadFile(journal); err != nil || string(now) != string(noted) {
		t.Errorf("the journal is %s, %v; was %s", now, err, noted)
	}
	if got := shows(t, w.far); got != two {
		t.Error(cmp.Diff(two, got))
	}
	if _, err := Back(t.Context(), w.config()); err != nil {
		t.Fatal(err)
	}
	if got := shows(t, w.far); got != one {
		t.Errorf("taken back (-want +got):\n%s", cmp.Diff(one, got))
	}
}

// names are those in a folder, but what is staged there.
func names(t *testing.T, dir string) (list []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	must(t, err)
	for _, e := range entries {
		if e.Name() != arriving {
			list = append(list, e.Name())
		}
	}
	return list
}

// TestStagedStays: a check for which the disk has no room keeps what was staged: the volume
// need not be brought again.
func TestStagedStays(t *testing.T) {
	w := newWorld(t)
	medium := filepath.Join(w.dir, "medium")
	w.export(medium, full)
	cfg := w.config(medium)
	cfg.Home.Disk = func(fsys durable.FS) durable.FS {
		return durabletest.Hook(fsys, func(op durabletest.Op) durabletest.Fault {
			if strings.Contains(op.String(), membersExt) {
				return durabletest.Fault{Err: durable.ErrNoSpace}
			}
			return durabletest.Fault{}
		})
	}
	if _, err := Run(t.Context(), cfg); !errors.Is(err, durable.ErrNoSpace) {
		t.Fatalf("the disk is full: %v", err)
	}
	must(t, os.Remove(filepath.Join(glob(t, medium), "bundle-0000.tar.zst")))
	if res := w.take(medium); !res.Same {
		t.Errorf("%+v", res)
	}
	w.wantSame()
}

// TestPlanBesideBegun: a plan leaves a transfer alone that was begun: it continues as it
// was settled.
func TestPlanBesideBegun(t *testing.T) {
	w := newWorld(t)
	medium := filepath.Join(w.dir, "medium")
	unplugged := errors.New("unplugged")
	_, err := w.tryExport(medium, func(cfg *send.Config) {
		full(cfg)
		cfg.Out = func() (durable.FS, error) { return nil, unplugged }
	})
	if !errors.Is(err, unplugged) {
		t.Fatal(err)
	}
	begun, err := w.send(medium, full, send.Plan)
	if err != nil {
		t.Fatal(err)
	}
	w.publish(true, many("a", 3)...)
	if _, err := w.send(medium, full, send.Plan); err != nil {
		t.Fatal(err)
	}
	if res, _ := w.export(medium, full); res.Manifest.End != begun.Manifest.End {
		t.Errorf("made %+v, begun was %+v", res.Manifest.End, begun.Manifest.End)
	}
}

// TestNoWay: why there is nothing to go back to is told, and nothing is made or changed.
func TestNoWay(t *testing.T) {
	dear(t)
	w := newWorld(t)
	medium := filepath.Join(w.dir, "medium")
	refused := func(want string) {
		t.Helper()
		before := tree(t, w.far.Root)
		if _, err := Back(t.Context(), w.config()); !errors.As(err, new(*NoWayError)) || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
		if diff := cmp.Diff(before, tree(t, w.far.Root)); diff != "" {
			t.Errorf("the mirror was changed:\n%s", diff)
		}
	}
	refused("there is no import to take back: none was taken here; nothing was changed")
	res, _ := w.export(medium, full)
	first := res.Manifest.End.ID()
	w.take(medium)
	refused("the import of " + first + " is the first one, and there was no index before it to go back to")
	w.publish(true, many("a", 3)...)
	res, _ = w.export(medium, nil)
	w.take(medium)
	if at, err := Back(t.Context(), w.config()); err != nil || at.ID() != first {
		t.Error(at, err)
	}
	refused("the import of " + res.Manifest.End.ID() + " was taken back already, and only the last one can be: the mirror is at " + first)
	w.take(medium)
	w.wantSame()
}

// TestBackBehindSync: where a mirror was synced since its last import, the way back would
// take that away, too.
func TestBackBehindSync(t *testing.T) {
	dear(t)
	w := newWorld(t)
	medium := filepath.Join(w.dir, "medium")
	w.export(medium, full)
	w.take(medium)
	w.publish(true, many("a", 3)...)
	w.export(medium, nil)
	w.take(medium)
	w.publish(true, many("b", 3)...)
	carried := filepath.Join(w.dir, "index.bundle")
	f, err := os.Create(carried)
	must(t, err)
	defer f.Close()
	h, err := carry.Write(t.Context(), w.near.Index, nil, headOf(t, w.near), f)
	must(t, err)
	_, err = carry.Apply(t.Context(), clone.Config{Dir: w.far.Index, Log: slog.New(slog.DiscardHandler)}, f, h.Commit)
	must(t, err)
	before := shows(t, w.far)
	if _, err := Back(t.Context(), w.config()); !errors.Is(err, ErrMoved) {
		t.Errorf("%v, want %v", err, ErrMoved)
	}
	if got := shows(t, w.far); got != before {
		t.Errorf("(-before +now):\n%s", cmp.Diff(before, got))
	}
}

// headOf is the commit at which an index is.
func headOf(t *testing.T, d home.Dirs) string {
	t.Helper()
	refs, err := clone.ReadRefs(t.Context(), d.Index)
	must(t, err)
	return refs.Head
}

// TestPlainIndex: an index that is a plain folder is refused before anything is made.
func TestPlainIndex(t *testing.T) {
	w := newWorld(t)
	medium := filepath.Join(w.dir, "medium")
	w.export(medium, full)
	must(t, os.MkdirAll(w.far.Index, 0o755))
	must(t, os.WriteFile(filepath.Join(w.far.Index, "config.json"), []byte("{}"), 0o644))
	before := tree(t, w.far.Root)
	if _, err := Run(t.Context(), w.config(medium)); err == nil || !strings.Contains(err.Error(), "is a plain folder") {
		t.Errorf("%v", err)
	}
	if diff := cmp.Diff(before, tree(t, w.far.Root)); diff != "" {
		t.Errorf("the mirror was changed:\n%s", diff)
	}
}
