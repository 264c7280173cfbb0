package sparse_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/git"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/index"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/index/sparse"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/simreg"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/upstream"
)

// Whatever the times between looks, each path is due once in a period.
func TestDueOnceAPeriod(t *testing.T) {
	seed := rand.Uint64()
	random := rand.New(rand.NewPCG(seed, 1))
	const period = 6 * time.Hour
	begin := time.Unix(random.Int64N(4e9), random.Int64N(1e9))
	var looks []time.Time
	for at := begin; at.Before(begin.Add(period)); at = at.Add(time.Duration(random.Int64N(int64(period / 20)))) {
		looks = append(looks, at)
	}
	looks = append(looks, begin.Add(period))
	for i := range 500 {
		path, times := fmt.Sprintf("pa/th/%d", i), 0
		for k := range looks[1:] {
			if sparse.Due(path, looks[k], looks[k+1], period) {
				times++
			}
		}
		if times != 1 {
			t.Fatalf("seed %d: %s is due %d times in a period", seed, path, times)
		}
	}
	if sparse.Due("a", begin, begin, period) || sparse.Due("a", begin, begin.Add(-time.Hour), period) || !sparse.Due("a", time.Time{}, begin, period) {
		t.Error("nothing is due when no time passed, and everything after a period")
	}
}

// clocked is a follower whose looks happen when a test says.
func clocked(t *testing.T, n int) (f *follower, pass func(time.Duration)) {
	var versions []simreg.Version
	for i := range n {
		versions = append(versions, v(fmt.Sprintf("crate%d", i), "1.0.0"))
	}
	f = newFollower(t, versions...)
	at := time.Now()
	f.obs.SetClock(func() time.Time { return at })
	f.obs.Lists = []sparse.List{f.all}
	return f, func(d time.Duration) { at = at.Add(d) }
}

// A yank, which no feed reports, is seen within FullEvery, by rounds that ask for a share each.
func TestYanksAreSeenInShares(t *testing.T) {
	f, pass := clocked(t, 60)
	f.obs.Feed, f.obs.FullEvery = f.feed, time.Hour
	f.mustUpdate()
	f.reg.Yank(crate.ID{Name: "crate7", Version: "1.0.0"}, true)
	most, sum := 0, 0
	for range 4 {
		pass(15 * time.Minute)
		n := f.requests(func() { f.mustUpdate() }) - 1 // config.json
		most, sum = max(most, n), sum+n
	}
	f.wantSame()
	if sum != 60 || most > 40 {
		t.Errorf("%d files were asked for in an hour, %d at once, want all 60, a quarter or so each time", sum, most)
	}
}

// An index that says "not changed" of everything is found out, and from then on
// everything is asked for whole, once in FullEvery.
func TestLyingNotModified(t *testing.T) {
	f, pass := clocked(t, 200)
	f.obs.FullEvery = time.Hour
	liar := f.before()
	f.mustUpdate()
	for _, id := range f.reg.IDs() {
		f.reg.Add(v(id.Name, "1.0.1"))
	}
	liar.lying.Store(true)
	found := false
	for range 10 {
		pass(time.Hour)
		f.mustUpdate()
		if found = f.obs.Last().Lied > 0; found {
			break
		}
	}
	if !found {
		t.Fatal("in ten of 64 periods none of 200 files was asked for whole")
	}
	pass(time.Hour)
	f.mustUpdate()
	f.wantSame()
}

// liar stands before the registry, and answers 304 to all that is asked under a condition.
type liar struct {
	httputil.ReverseProxy
	lying atomic.Bool
}

// before puts a liar before the registry.
func (f *follower) before() *liar {
	to, err := url.Parse(f.srv.IndexURL)
	if err != nil {
		f.Fatal(err)
	}
	l := &liar{ReverseProxy: httputil.ReverseProxy{Transport: f.srv.Client().Transport, Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(to) }}}
	s := httptest.NewServer(l)
	f.Cleanup(s.Close)
	up, err := upstream.New(upstream.Config{Attempts: 1})
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(up.Close)
	if f.obs.Client, err = sparse.New(sparse.Scheme+s.URL, up); err != nil {
		f.Fatal(err)
	}
	return l
}

func (l *liar) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if l.lying.Load() && r.Header.Get("If-None-Match")+r.Header.Get("If-Modified-Since") != "" {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	l.ReverseProxy.ServeHTTP(w, r)
}

// tree says what files of the registry's index have changed, as its repository would.
func (f *follower) tree(dir string) func(context.Context, string, func(string, git.ID) error) (string, error) {
	return func(ctx context.Context, since string, fn func(string, git.ID) error) (string, error) {
		ix, err := index.Open(ctx, dir, index.Options{})
		if err != nil {
			return "", err
		}
		defer ix.Close()
		if since == ix.Commit() {
			return since, nil
		}
		var errs []error
		for file, err := range ix.Crates(ctx, nil) {
			if err == nil {
				err = fn(file.Path, file.Blob)
			}
			errs = append(errs, err)
		}
		return ix.Commit(), errors.Join(errs...)
	}
}

// The repository of the index names what has changed, yanks too, and is a list of all:
// nothing else is asked for. What a cache holds back is asked for again.
func TestChangedByTree(t *testing.T) {
	f := newFollower(t, some()...)
	dir := filepath.Join(t.TempDir(), "up.git")
	commit := func() {
		t.Helper()
		if _, err := f.reg.CommitIndex(t.Context(), dir, "an update"); err != nil {
			t.Fatal(err)
		}
	}
	commit()
	f.obs.Changed = f.tree(dir)
	f.mustUpdate()
	f.wantSame()
	if last := f.obs.Last(); last.Unknown != "" {
		t.Errorf("%+v, want that all is known", last)
	}
	f.reg.Yank(crate.ID{Name: "serde", Version: "1.0.0"}, true)
	f.reg.Add(v("new", "0.1.0"))
	commit()
	f.reg.Inject(simreg.IndexFile("serde"), simreg.Fault{Kind: simreg.Status, Code: 304})
	if n := f.requests(func() { f.mustUpdate() }); n != 4 {
		t.Errorf("two crates are others, and %d files were asked for, want 4: config.json, both, and one again", n)
	}
	f.wantSame()
	f.obs.Changed = func(context.Context, string, func(string, git.ID) error) (string, error) {
		return "", errors.New("away")
	}
	f.mustUpdate()
	if last := f.obs.Last(); !strings.Contains(last.Unknown, "could not be read: away") || last.Asked != 0 {
		t.Errorf("%+v, want that the repository is missed, and no more asked", last)
	}
}
