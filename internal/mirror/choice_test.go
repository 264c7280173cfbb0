package mirror

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/catalog"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/index"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/plan"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/simreg"
)

// ids is a Choice of the versions in it.
type ids map[crate.ID]bool

func (c ids) Crate(path string) bool {
	for id := range c {
		if crate.IndexPath(id.Name) == path {
			return true
		}
	}
	return false
}

func (c ids) Entries(cr *index.Crate) (wanted []bool) {
	for i := range cr.Entries {
		wanted = append(wanted, c[cr.Entries[i].ID])
	}
	return wanted
}

// only makes a run mirror a part of what its source names.
func (w *world) only(choice plan.Choice, bad ...plan.BadEntry) func(*Config) {
	return func(c *Config) {
		c.IncludeYanked = false
		c.Source = plan.FromChoice(w.read, nil, choice, bad)
	}
}

func TestChoice(t *testing.T) {
	w := gitWorld(t, parse(small))
	choice := ids{foo1: true, foo11: true} // one of them yanked
	s := w.mustRun(w.only(choice))
	if s.Downloaded != 2 || s.Plan.Crates != 1 || s.Plan.Versions != 2 || len(w.catalog.versions) != 2 || !w.catalog.versions[foo11].Yanked {
		t.Errorf("%+v, plan %+v, want the two that were chosen", s.Counts, s.Plan)
	}
	if w.catalog.crates["3/f/foo"].Blob != "" {
		t.Errorf("called complete: %v", w.catalog.crates)
	}
	requests := w.reg.TotalRequests()
	foo3 := crate.ID{Name: "foo", Version: "3.0.0"}
	w.reg.Add(simreg.MustParse("foo 3.0.0\nnew 1.0.0")...)
	w.commit()
	choice[foo3] = true
	if s := w.mustRun(w.only(choice)); s.Existing != 2 || s.Downloaded != 1 || w.reg.TotalRequests() != requests+1 {
		t.Errorf("one more: %+v", s.Counts)
	}
	// Even though part of it is held, the whole is looked at.
	if s := w.mustRun(nil); s.Plan.Unchanged != 0 || s.Existing != 3 || s.Downloaded != 4 || len(w.catalog.crates) != 4 {
		t.Errorf("all of it: %+v, plan %+v", s.Counts, s.Plan)
	}
}

// TestChoiceLeavesTheRestAlone: a choice says nothing about crates that it does not name;
// for those that it names, the index counts.
func TestChoiceLeavesTheRestAlone(t *testing.T) {
	w := gitWorld(t, parse(small))
	w.mustRun(nil)
	gone := crate.ID{Name: "foo", Version: "2.0.0+meta"}
	w.reg.Yank(foo1, true)
	w.reg.Remove(gone)
	w.reg.Remove(ox)
	w.commit()
	s := w.mustRun(w.only(ids{foo11: true}))
	if s.Plan.Versions != 1 || s.Existing != 1 {
		t.Errorf("%+v, plan %+v, want the one chosen", s.Counts, s.Plan)
	}
	if v := w.catalog.versions[foo1]; !v.Yanked || !v.Listed {
		t.Errorf("a version that is held and was not chosen: %+v, want it yanked", v)
	}
	if w.catalog.versions[gone].Listed {
		t.Error("a version of a chosen crate that vanished from the index is still listed")
	}
	if !w.catalog.versions[bar].Listed || !w.catalog.versions[ox].Listed {
		t.Error("crates that were not chosen are no longer listed")
	}
	if w.catalog.crates[crate.IndexPath(bar.Name)].Blob == "" {
		t.Error("a crate that was not chosen is no longer complete")
	}
	// Now the whole is asked, and ox is missed.
	if s := w.mustRun(func(c *Config) { c.AcceptShrink = true }); w.catalog.versions[ox].Listed || s.Existing != 3 {
		t.Errorf("all of it: %+v", s.Counts)
	}
}

// TestChoiceInVain: a wanted crate that does not exist, or is something else, is reported,
// and the rest is mirrored.
func TestChoiceInVain(t *testing.T) {
	w := newWorld(t, parse(small))
	missing := plan.BadEntry{ID: crate.ID{Name: "nosuch"}, Err: errors.New("names:1: nosuch is not in the index")}
	s, err := w.run(context.Background(), w.disk, w.only(ids{ox: true}, missing))
	if err != nil || s.Complete(false) || !s.Sound() || s.Downloaded != 1 || s.Missing != 1 || s.Failures[0].Err.Error() != missing.Err.Error() {
		t.Errorf("%+v, %+v, %v", s.Counts, s.Failures, err)
	}
	violated := plan.BadEntry{ID: foo1, Err: errors.New("two checksums"), Violated: true}
	s, err = w.run(context.Background(), w.disk, w.only(ids{ox: true}, violated))
	if err != nil || s.Complete(false) || s.Sound() || s.Violated != 1 || s.Existing != 1 || s.Plan.Violated != 1 {
		t.Errorf("%+v, %v", s.Counts, err)
	}
	if _, err := content(w.disk, foo1); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a version with two checksums was fetched: %v", err)
	}
}

// TestChoiceOfUnreadable: an unreadable index file is reported only if its crate is wanted.
func TestChoiceOfUnreadable(t *testing.T) {
	w := newWorld(t, parse(small))
	path := filepath.Join(w.index, filepath.FromSlash(crate.IndexPath(foo1.Name)))
	if err := errors.Join(os.Remove(path), os.Symlink("elsewhere", path)); err != nil {
		t.Skip(err)
	}
	w.mustRun(w.only(ids{ox: true}))
	s, err := w.run(context.Background(), w.disk, w.only(ids{ox: true, foo1: true}))
	if err != nil || s.Complete(false) || s.BadEntries != 1 || !strings.Contains(s.Failures[0].Err.Error(), "not a regular file") || s.Failures[0].ID != (crate.ID{Name: foo1.Name}) {
		t.Errorf("%+v, %+v, %v", s.Counts, s.Failures, err)
	}
}

// TestA18ChoiceRolledBack: a part of the index must not go back in time either.
func TestA18ChoiceRolledBack(t *testing.T) {
	w := gitWorld(t, parse(small))
	w.mustRun(w.only(ids{ox: true}))
	if w.catalog.revision.Commit == "" {
		t.Fatal("the commit was not recorded")
	}
	w.catalog.revision = catalog.Revision{Commit: "newer", Time: w.catalog.revision.Time.Add(1e9)}
	if _, err := w.run(context.Background(), w.disk, w.only(ids{ox: true})); err == nil || !strings.Contains(err.Error(), "went back in time") {
		t.Errorf("err = %v", err)
	}
}
