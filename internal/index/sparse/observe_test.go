package sparse_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/index"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/index/clone"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/index/feed"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/index/indextest"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/index/sparse"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/simreg"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/upstream"
)

// A follower is a registry, its sparse index, and a folder that follows it.
type follower struct {
	*testing.T
	reg *simreg.Registry
	srv *simreg.Server
	dir string
	obs *sparse.Observer
}

func newFollower(t *testing.T, versions ...simreg.Version) *follower {
	indextest.NeedGit(t)
	t.Helper()
	f := &follower{T: t, reg: simreg.New(versions...), dir: filepath.Join(t.TempDir(), "index")}
	var err error
	if f.srv, err = f.reg.Start(simreg.Options{HTTP2: true}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(f.srv.Close)
	up, err := upstream.New(upstream.Config{HTTP: "best", Attempts: 2, RetryBase: time.Millisecond, RetryMax: time.Millisecond, Dial: f.srv.Dial, TLS: f.srv.Client().Transport.(*http.Transport).TLSClientConfig})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(up.Close)
	c, err := sparse.New(sparse.Scheme+f.srv.IndexURL, up)
	if err != nil {
		t.Fatal(err)
	}
	f.obs = &sparse.Observer{Client: c}
	return f
}

func (f *follower) update() (clone.Updated, error) { return f.updateIn(f.Context()) }

func (f *follower) updateIn(ctx context.Context) (clone.Updated, error) {
	return clone.Update(ctx, clone.Config{Dir: f.dir, Carried: f.obs.Bring})
}

func (f *follower) mustUpdate() clone.Updated {
	f.Helper()
	up, err := f.update()
	if err != nil {
		f.Fatal(err)
	}
	return up
}

// requests returns how many files a look asks for.
func (f *follower) requests(look func()) int {
	before := f.reg.IndexRequests()
	look()
	return f.reg.IndexRequests() - before
}

// all names all crates of the registry.
func (f *follower) all(_ context.Context, fn func(string) error) (time.Time, error) {
	for _, id := range f.reg.IDs() {
		if err := fn(id.Name); err != nil {
			return time.Time{}, err
		}
	}
	return time.Time{}, nil
}

// feed reads the registry's feed.
func (f *follower) feed(ctx context.Context) (feed.Feed, error) {
	resp, err := f.srv.Client().Get(f.srv.FeedURL)
	if err != nil {
		return feed.Feed{}, err
	}
	defer resp.Body.Close()
	return feed.ReadRSS(resp.Body)
}

func read(t *testing.T, dir string) map[string]string {
	t.Helper()
	ix, err := index.Open(t.Context(), dir, index.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer ix.Close()
	files := map[string]string{}
	for c, err := range ix.Crates(t.Context(), nil) {
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range c.Entries {
			files[c.Path] += string(e.Raw) + "\n"
		}
	}
	return files
}

// wantFiles is what the registry says.
func (f *follower) wantFiles() map[string]string {
	f.Helper()
	want := f.TempDir()
	if err := f.reg.WriteIndex(want); err != nil {
		f.Fatal(err)
	}
	return read(f.T, want)
}

// wantSame wants the index that follows to say what the registry does.
func (f *follower) wantSame() {
	f.Helper()
	if diff := cmp.Diff(f.wantFiles(), read(f.T, f.dir)); diff != "" {
		f.Errorf("the index (-registry +mirror):\n%s", diff)
	}
}

func v(name, version string, deps ...string) simreg.Version {
	spec := simreg.Version{Name: name, Version: version}
	for _, d := range deps {
		spec.Deps = append(spec.Deps, simreg.Dep{Name: d})
	}
	return spec
}

func some() []simreg.Version {
	return []simreg.Version{v("a", "1.0.0"), v("ab", "1.0.0"), v("abc", "1.0.0"), v("serde", "1.0.0"), v("serde", "1.0.1"), v("Mixed_Case", "0.1.0+x")}
}

// Each look makes a commit of what has changed, with what was before as its past, and
// asks for what has not changed by its validator.
func TestFollow(t *testing.T) {
	f := newFollower(t, some()...)
	f.obs.Lists = []sparse.List{f.all}
	first := f.mustUpdate()
	f.wantSame()
	if again := f.mustUpdate(); again.Changed() || again.After != first.After {
		t.Errorf("nothing is new, but the index went from %v to %v", again.Before, again.After)
	}
	f.reg.Add(v("serde", "1.0.2"), v("new", "0.1.0"))
	f.reg.Yank(crate.ID{Name: "ab", Version: "1.0.0"}, true)
	f.reg.Remove(crate.ID{Name: "serde", Version: "1.0.0"})
	second := f.mustUpdate()
	f.wantSame()
	if last := f.obs.Last(); !second.Changed() || last.Changed != 3 || last.Removed != 0 || last.Unknown != "" {
		t.Errorf("%+v, updated to %v; want 3 changed files", last, second.After)
	}
	ix, err := index.Open(t.Context(), f.dir, index.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer ix.Close()
	changed, gone, err := ix.Changes(t.Context(), first.After.Commit, nil)
	if err != nil || len(gone) > 0 {
		t.Fatalf("Changes: gone %v, %v", gone, err)
	}
	var paths []string
	for c, err := range changed.Crates(t.Context(), nil) {
		if err != nil {
			t.Fatal(err)
		}
		paths = append(paths, c.Path)
	}
	if want := []string{"2/ab", "3/n/new", "se/rd/serde"}; !slices.Equal(paths, want) {
		t.Errorf("between the looks %v changed, want %v", paths, want)
	}
	if days, err := ix.Days(t.Context()); err != nil || len(days) != 1 || days[0].Commit != second.After.Commit {
		t.Errorf("days %v, %v", days, err)
	}
}

// A crate that is gone is one the index says twice that it does not have; and of many
// at once none is believed.
func TestRemoved(t *testing.T) {
	versions := some()
	for i := range 40 {
		versions = append(versions, v(fmt.Sprintf("more%d", i), "1.0.0"))
	}
	f := newFollower(t, versions...)
	f.obs.Lists = []sparse.List{f.all}
	f.mustUpdate()
	f.reg.Inject(simreg.IndexFile("serde"), simreg.Fault{Kind: simreg.Status, Code: 404})
	if up := f.mustUpdate(); up.Changed() {
		t.Error("a single 404 removed a crate")
	}
	f.reg.Remove(crate.ID{Name: "a", Version: "1.0.0"})
	f.mustUpdate()
	f.wantSame()
	if f.obs.Last().Removed != 1 {
		t.Errorf("%+v, want that one is removed", f.obs.Last())
	}
	for i := range 10 {
		f.reg.Remove(crate.ID{Name: fmt.Sprintf("more%d", i), Version: "1.0.0"})
	}
	if up, err := f.update(); err == nil || !errors.As(err, new(*index.ShrinkError)) || up.Changed() {
		t.Errorf("10 of 45 crates vanished: %v, %v", up, err)
	}
}

// Whatever an index sends for a crate, it stays what it was, the others come, and the
// next look asks for it again.
func TestFaults(t *testing.T) {
	faults := []simreg.Fault{
		{Kind: simreg.HTML}, {Kind: simreg.JSON}, {Kind: simreg.Truncate}, {Kind: simreg.TruncateNoLength},
		{Kind: simreg.WrongCrate}, {Kind: simreg.GzipEncoding}, {Kind: simreg.Reset}, {Kind: simreg.LengthTooLarge},
		{Kind: simreg.Status, Code: 500}, {Kind: simreg.Status, Code: 403}, {Kind: simreg.Status, Code: 206},
		{Kind: simreg.Status, Code: 304}, // a wrong answer that cannot be noticed
	}
	f := newFollower(t, some()...)
	for i := range faults {
		f.reg.Add(v(fmt.Sprintf("crate%d", i), "1.0.0"))
	}
	f.obs.Lists = []sparse.List{f.all}
	f.mustUpdate()
	f.reg.Add(v("ab", "2.0.0"))
	for i, fault := range faults {
		f.reg.Add(v(fmt.Sprintf("crate%d", i), "2.0.0"))
		fault.Times = -1
		f.reg.Inject(simreg.IndexFile(fmt.Sprintf("crate%d", i)), fault)
	}
	f.mustUpdate()
	files := read(t, f.dir)
	for i, fault := range faults {
		path := crate.IndexPath(fmt.Sprintf("crate%d", i))
		if strings.Contains(files[path], "2.0.0") || !strings.Contains(files[path], "1.0.0") {
			t.Errorf("%v: the file has %q, want what it was", &fault, files[path])
		}
		if f.reg.Injected(fault.Kind) == 0 {
			t.Errorf("%v did not happen", &fault)
		}
	}
	if !strings.Contains(files["2/ab"], "2.0.0") {
		t.Error("bad files blocked a good one")
	}
	if last := f.obs.Last(); last.Failed != int64(len(faults)-1) || len(last.Failures) != len(faults)-1 {
		t.Errorf("%+v, want %d that failed", last, len(faults)-1)
	}
	f.reg.Heal()
	f.mustUpdate()
	f.wantSame()
}

// A feed spares asking for everything, as long as it has no gap. News that is not in the
// file is asked for past caches: a 304 may be wrong.
func TestFeed(t *testing.T) {
	f := newFollower(t, some()...)
	f.obs.Feed, f.obs.Lists = f.feed, []sparse.List{f.all}
	f.mustUpdate()
	f.wantSame()
	if n := f.requests(func() { f.mustUpdate() }); n != 1 { // config.json
		t.Errorf("nothing is new, and %d files were asked for", n)
	}
	f.reg.Add(v("serde", "1.0.2"), v("new", "0.1.0"))
	f.reg.Inject(simreg.IndexFile("serde"), simreg.Fault{Kind: simreg.Status, Code: 304})
	if n := f.requests(func() { f.mustUpdate() }); n != 4 {
		t.Errorf("two crates are new, and %d files were asked for, want 4: config.json, both, and one again", n)
	}
	f.wantSame()
	if last := f.obs.Last(); last.Unknown != "" {
		t.Errorf("%+v, want that all is known", last)
	}
	feed := f.obs.Feed
	f.obs.Feed = func(ctx context.Context) (feedOf, error) { // that begins after what was read of it
		f, err := feed(ctx)
		for i := range f.Items {
			f.Items[i].At = f.Items[i].At.Add(2 * time.Hour)
		}
		f.Since = f.Since.Add(2 * time.Hour)
		return f, err
	}
	if n := f.requests(func() { f.mustUpdate() }); n != 7 {
		t.Errorf("the feed has a gap, and %d files were asked for, want all 7", n)
	}
	f.obs.Feed = func(ctx context.Context) (feedOf, error) { return feedOf{}, io.ErrUnexpectedEOF }
	f.mustUpdate()
	if last := f.obs.Last(); !strings.Contains(last.Unknown, "the lists of new versions could not be read: unexpected EOF") {
		t.Errorf("%+v, want that the feed is missed", last)
	}
}

type feedOf = feed.Feed

// Without a list it is said that new crates may be missing; with a list of yesterday,
// those since.
func TestUnknown(t *testing.T) {
	f := newFollower(t, some()...)
	if _, err := f.update(); err == nil || !strings.Contains(err.Error(), "nothing names one that it has") {
		t.Errorf("nothing names a crate: %v", err)
	}
	f.obs.Names = func(context.Context) ([]string, error) { return []string{"serde", "ab", "never-was"}, nil }
	f.mustUpdate()
	if got := read(t, f.dir); len(got) != 2 || !strings.Contains(f.obs.Last().Unknown, "has no list of its crates") {
		t.Errorf("the index has %d crates, %+v", len(got), f.obs.Last())
	}
	day := time.Now().Add(-24 * time.Hour)
	f.obs.Lists = []sparse.List{func(ctx context.Context, fn func(string) error) (time.Time, error) {
		_, err := f.all(ctx, fn)
		return day, err
	}}
	f.mustUpdate()
	f.wantSame()
	if !strings.Contains(f.obs.Last().Unknown, "first published after "+day.UTC().Format(time.RFC3339)) {
		t.Errorf("%+v", f.obs.Last())
	}
	day = time.Now().Add(time.Hour) // of a clock that is wrong
	f.mustUpdate()
	if f.obs.Last().Unknown == "" {
		t.Error("a list that was there before is taken for one of now")
	}
	f.obs.Part = true
	f.mustUpdate()
	if f.obs.Last().Unknown != "" {
		t.Errorf("a part is all that is wanted: %+v", f.obs.Last())
	}
}

// What a part of the index needs is found by following dependencies, at first and
// when there are new ones.
func TestDeps(t *testing.T) {
	f := newFollower(t, v("root", "1.0.0", "mid"), v("mid", "1.0.0", "leaf", "Mixed_Case"), v("leaf", "1.0.0"), v("Mixed_Case", "1.0.0"), v("other", "1.0.0"), v("late", "1.0.0"))
	f.obs.Names = func(context.Context) ([]string, error) { return []string{"root"}, nil }
	f.obs.Deps, f.obs.Part, f.obs.Feed = true, true, f.feed
	f.mustUpdate()
	if got := read(t, f.dir); len(got) != 4 {
		t.Errorf("%v, want root, mid, leaf and Mixed_Case", got)
	}
	f.reg.Add(v("leaf", "1.1.0", "late"), v("unasked", "1.0.0"))
	if n := f.requests(func() { f.mustUpdate() }); n != 3 {
		t.Errorf("%d files were asked for, want config.json, leaf and late", n)
	}
	if got := read(t, f.dir); len(got) != 5 || got["la/te/late"] == "" {
		t.Errorf("%v, want late too", got)
	}
}
