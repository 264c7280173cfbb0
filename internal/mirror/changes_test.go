package mirror

import (
	"context"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/index"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/plan"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/simreg"
)

// runChanges mirrors what changed since a commit, and some paths besides.
func (w *world) runChanges(since string, also ...string) *Summary {
	w.t.Helper()
	ix, err := index.Open(context.Background(), w.index, index.Options{})
	if err != nil {
		w.t.Fatal(err)
	}
	defer ix.Close()
	changed, gone, err := ix.Changes(context.Background(), since, also)
	if err != nil {
		w.t.Fatal(err)
	}
	s, err := w.run(context.Background(), w.disk, func(c *Config) { c.Source, c.NewsOnly = plan.FromChanges(changed, gone), true })
	if err != nil {
		w.t.Fatal(err)
	}
	return s
}

// TestRunOnChanges: mirroring what changed leaves the catalog as mirroring
// everything would, and asks upstream for nothing else.
func TestRunOnChanges(t *testing.T) {
	reg := parse("foo 1.0.0\nbar 1.0.0\nold 1.0.0\nserde 1.0.0\nserde 1.1.0")
	w := gitWorld(t, reg)
	first := w.commit()
	w.mustRun(nil)
	reg.Add(simreg.MustParse("foo 1.1.0\nnew 1.0.0")...)
	reg.Yank(crate.ID{Name: "serde", Version: "1.0.0"}, true)
	reg.Remove(crate.ID{Name: "old", Version: "1.0.0"})
	second := w.commit()
	before := reg.TotalRequests()
	s := w.runChanges(first)
	if s.Downloaded != 2 || s.Existing != 3 || !s.Complete(false) || reg.TotalRequests()-before != 2 {
		t.Errorf("%+v, %d requests", s.Counts, reg.TotalRequests()-before)
	}
	if recs := w.records(); len(recs) != 2 || recs["new 1.0.0"].Crate == "" || recs["foo 1.1.0"].Crate == "" {
		t.Errorf("the manifest is not about what is new alone: %v", recs)
	}
	if w.catalog.revision.Commit != second {
		t.Errorf("the catalog is at %s, want %s", w.catalog.revision.Commit, second)
	}
	got := w.catalog.clone()
	if v := got.versions[crate.ID{Name: "old", Version: "1.0.0"}]; v.Listed || v.Size == 0 {
		t.Errorf("a version that is gone must be kept, and marked: %+v", v)
	}
	w.mustRun(nil)
	whole := w.catalog.clone()
	if diff := cmp.Diff(whole.versions, got.versions); diff != "" {
		t.Errorf("versions (-a whole run +the changes):\n%s", diff)
	}
	if diff := cmp.Diff(whole.crates, got.crates); diff != "" {
		t.Errorf("crates (-a whole run +the changes):\n%s", diff)
	}
}

// TestAgain: crates worth another attempt are reported, and can be requested.
func TestAgain(t *testing.T) {
	reg := parse(small)
	w := gitWorld(t, reg)
	first := w.commit()
	w.mustRun(nil)
	reg.Add(simreg.Version{Name: "foo", Version: "9.0.0"})
	second := w.commit()
	id := crate.ID{Name: "foo", Version: "9.0.0"}
	reg.Inject(id, simreg.Fault{Kind: simreg.Status, Code: 403, Times: -1})
	again := []string{"3/f/foo"}
	for _, want := range [][]string{again, nil} { // refused once, and a second time
		s := w.runChanges(first, again...)
		if s.Gone != 1 || s.Complete(false) {
			t.Errorf("%+v", s.Counts)
		}
		if diff := cmp.Diff(want, s.Again); diff != "" {
			t.Errorf("worth another attempt (-want +got):\n%s", diff)
		}
	}
	reg.Heal()
	reg.Inject(id, simreg.Fault{Kind: simreg.Status, Code: 500, Times: -1})
	if s := w.runChanges(second, again...); s.Failed != 1 || len(s.Again) != 1 {
		t.Errorf("%+v, again %q", s.Counts, s.Again)
	}
	reg.Heal()
	if s := w.runChanges(second, again...); s.Downloaded != 1 || !s.Complete(false) || len(s.Again) != 0 {
		t.Errorf("%+v, again %q", s.Counts, s.Again)
	}
}
