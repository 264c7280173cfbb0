package reader

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/home"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/mirror"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/simreg"
)

// eventuallyShown waits until a crate is shown as wanted, and wants the
// generation to have grown by then.
func eventuallyShown(t *testing.T, v *View, name string, want ...string) {
	t.Helper()
	before := v.Generation()
	if slices.Equal(shown(t, v, name), want) {
		before-- // the data may be there before the generation says so
	}
	eventually(t, name+" is shown", func() bool { return slices.Equal(shown(t, v, name), want) && v.Generation() > before })
}

// TestH13IndexAhead: lines that the mirror does not hold are not shown before a
// run beside the view has fetched them.
func TestH13IndexAhead(t *testing.T) {
	w := newWorld(t, small4)
	v := w.view(nil) // before the mirror has anything
	all := w.view(func(c *Config) { c.All = true })
	if got := shown(t, v, "serde"); got != nil {
		t.Errorf("with no catalog: %q", got)
	}
	if diff := cmp.Diff([]string{"serde 1.0.0 not held", "serde 1.0.1 yanked not held"}, shown(t, all, "serde")); diff != "" {
		t.Errorf("all lines: %s", diff)
	}
	w.run(how{})
	eventuallyShown(t, v, "serde", "serde 1.0.0", "serde 1.0.1 yanked")
	w.reg.Add(simreg.MustParse("serde 1.1.0\nnewcomer 0.1.0")...)
	commit := w.commitIndex()
	eventually(t, "the new commit is shown", func() bool { return v.Totals().Commit == commit })
	if diff := cmp.Diff([]string{"serde 1.0.0", "serde 1.0.1 yanked"}, shown(t, v, "serde")); diff != "" {
		t.Errorf("before it is fetched: %s", diff)
	}
	eventuallyShown(t, all, "serde", "serde 1.0.0", "serde 1.0.1 yanked", "serde 1.1.0 not held")
	w.run(how{})
	eventuallyShown(t, v, "serde", "serde 1.0.0", "serde 1.0.1 yanked", "serde 1.1.0")
	eventuallyShown(t, v, "newcomer", "newcomer 0.1.0")
	w.wantRead(v, "newcomer", "0.1.0")
	eventually(t, "the newcomer is found", func() bool { _, n := v.Search("newc", 0, 1); return n == 1 })
	eventually(t, "it is counted", func() bool { return v.Totals().Versions == 6 })
}

// TestSquash: upstream's forced, parentless commit is shown like any other.
func TestSquash(t *testing.T) {
	w := newWorld(t, small4)
	w.run(how{})
	v := w.view(nil)
	w.reg.Yank(crate.ID{Name: "serde", Version: "1.0.0"}, true)
	if _, err := w.reg.Squash(t.Context(), w.index); err != nil {
		t.Fatal(err)
	}
	eventuallyShown(t, v, "serde", "serde 1.0.0 yanked", "serde 1.0.1 yanked")
}

// TestVanished: what the index does not name any more is not shown; who has it
// in a Cargo.lock still gets it.
func TestVanished(t *testing.T) {
	w := newWorld(t, small4)
	w.run(how{})
	v := w.view(nil)
	id := crate.ID{Name: "serde", Version: "1.0.0"}
	want, err := w.reg.CrateBytes(id)
	if err != nil {
		t.Fatal(err)
	}
	w.reg.Remove(id)
	w.reg.Remove(crate.ID{Name: "Inflector", Version: "0.11.4"})
	w.commitIndex()
	eventuallyShown(t, v, "serde", "serde 1.0.1 yanked")
	eventuallyShown(t, v, "inflector")
	w.run(how{change: func(c *mirror.Config) { c.AcceptShrink = true }})
	eventually(t, "the vanished crate is not found", func() bool { _, n := v.Search("inflector", 0, 1); return n == 0 })
	if got, err := read(t, v, id); err != nil || !bytes.Equal(got, want) {
		t.Errorf("%d bytes, %v", len(got), err)
	}
}

// TestConflict: a line that names other bytes than those that are held (A8) is
// not shown, and they stay what they were.
func TestConflict(t *testing.T) {
	w := newWorld(t, small4)
	w.run(how{})
	v := w.view(nil)
	all := w.view(func(c *Config) { c.All = true })
	id := crate.ID{Name: "serde", Version: "1.0.0"}
	want, err := w.reg.CrateBytes(id)
	if err != nil {
		t.Fatal(err)
	}
	w.reg.ReplaceBytes(id)
	w.commitIndex()
	eventuallyShown(t, v, "serde", "serde 1.0.1 yanked")
	eventuallyShown(t, all, "serde", "serde 1.0.0 not held", "serde 1.0.1 yanked")
	w.run(how{})
	if diff := cmp.Diff([]string{"serde 1.0.1 yanked"}, shown(t, v, "serde")); diff != "" {
		t.Error(diff)
	}
	if got, err := read(t, v, id); err != nil || !bytes.Equal(got, want) {
		t.Errorf("%d bytes, %v", len(got), err)
	}
}

// TestCatalogReplaced: a catalog that was set aside as damaged, and rebuilt.
func TestCatalogReplaced(t *testing.T) {
	w := newWorld(t, small4)
	w.run(how{})
	v := w.view(nil)
	w.wantRead(v, "serde", "1.0.0")
	// Another connection cannot be opened from then on: no other reader must have the one.
	eventually(t, "the view has counted", func() bool { return v.Totals().Counted })
	if err := os.Rename(w.catalogPath(), w.catalogPath()+".damaged"); err != nil {
		t.Fatal(err)
	}
	w.wantRead(v, "serde", "1.0.1")
	w.reg.Add(simreg.MustParse("serde 1.1.0")...)
	w.commitIndex()
	w.run(how{})
	eventuallyShown(t, v, "serde", "serde 1.0.0", "serde 1.0.1 yanked", "serde 1.1.0")
	w.wantRead(v, "serde", "1.1.0")
}

// TestC21ReadersBesideRuns: readers who never pause, while runs fetch, bundle,
// and take loose files away, and the index moves on, never fail and never see a
// line whose crate they cannot have.
func TestC21ReadersBesideRuns(t *testing.T) {
	w := newWorld(t, small4)
	w.run(how{})
	v := w.view(nil)
	ctx, stop := context.WithCancel(t.Context())
	var readers sync.WaitGroup
	for range 2 {
		readers.Go(func() {
			for ctx.Err() == nil {
				if err := readAll(t, v, "serde", "serde_json", "inflector"); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	for n, h := range []how{{}, {bundle: true, add: true, target: 2000}, {bundle: true, target: 2000}, {bundle: true, target: 1 << 20}} {
		w.reg.Add(simreg.Version{Name: "serde", Version: "2.0." + string(rune('0'+n))})
		w.commitIndex()
		w.run(h)
	}
	eventuallyShown(t, v, "serde", "serde 1.0.0", "serde 1.0.1 yanked", "serde 2.0.0", "serde 2.0.1", "serde 2.0.2", "serde 2.0.3")
	stop()
	readers.Wait()
	if left, _ := filepath.Glob(filepath.Join(w.out(), "s", "er", "*.crate")); len(left) != 0 {
		t.Errorf("loose files after bundling: %v", left)
	}
}

// readAll reads every crate file that is shown.
func readAll(t *testing.T, v *View, names ...string) error {
	for _, name := range names {
		c, err := v.Crate(t.Context(), name)
		if err != nil {
			return err
		}
		for _, e := range c.Entries {
			if _, err := read(t, v, e.ID); err != nil {
				return err
			}
		}
	}
	return nil
}

// TestPlainFolder: a folder without git cannot tell that it has changed, so the
// generation grows all the time.
func TestPlainFolder(t *testing.T) {
	w := newWorld(t, small4)
	w.run(how{})
	w.index = filepath.Join(w.dir, "plain")
	if err := w.reg.WriteIndex(w.index); err != nil {
		t.Fatal(err)
	}
	v := w.view(nil)
	generation := v.Generation()
	eventually(t, "the generation grows", func() bool { return v.Generation() > generation })
	w.reg.Remove(crate.ID{Name: "serde", Version: "1.0.1"})
	if err := w.reg.WriteIndex(w.index); err != nil {
		t.Fatal(err)
	}
	eventuallyShown(t, v, "serde", "serde 1.0.0")
	if totals := v.Totals(); totals.Commit != "" || !totals.CommitTime.IsZero() {
		t.Errorf("%+v", totals)
	}
}

// TestQuietMirror: where nothing changes, caches stay good.
func TestQuietMirror(t *testing.T) {
	w := newWorld(t, small4)
	w.run(how{})
	v := w.view(nil)
	eventually(t, "all is counted", func() bool { return v.Totals().Counted })
	generation := v.Generation()
	for range 100 {
		w.wantRead(v, "serde", "1.0.0")
	}
	if got := v.Generation(); got != generation {
		t.Errorf("the generation grew from %d to %d", generation, got)
	}
}

func TestOpenWithoutIndex(t *testing.T) {
	w := newWorld(t, small4)
	w.run(how{})
	_, err := Open(t.Context(), Config{Dirs: home.Dirs{Crates: w.out(), Index: filepath.Join(w.dir, "none")}})
	if !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), "-index-dir") || !strings.Contains(err.Error(), "git clone --bare") {
		t.Errorf("without an index: %v", err)
	}
	if _, err := Open(t.Context(), Config{Dirs: home.Dirs{Crates: filepath.Join(w.dir, "none"), Index: w.index}}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("without a mirror: %v", err)
	}
}

// TestIndexTrouble: an index that cannot be opened again is shown as it was, and the log
// says so once.
func TestIndexTrouble(t *testing.T) {
	w := newWorld(t, small4)
	w.run(how{})
	var log logBuffer
	v := w.view(func(c *Config) { c.Log = log.logger() })
	branch := filepath.Join(w.index, "refs", "heads", "master")
	if err := os.Rename(branch, branch+".away"); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the log tells", func() bool { return strings.Contains(log.String(), "still serving the previous state") })
	w.wantRead(v, "serde", "1.0.0")
	if len(shown(t, v, "serde")) != 2 {
		t.Error("serde is not shown any more")
	}
	if err := os.Rename(branch+".away", branch); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the log reports the end", func() bool { return strings.Contains(log.String(), "can be read again") })
	if n := strings.Count(log.String(), "level=ERROR"); n != 1 {
		t.Errorf("%d errors:\n%s", n, log.String())
	}
}
