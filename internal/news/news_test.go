package news

import (
	"context"
	"fmt"
	"io/fs"
	"log/slog"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/index"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/index/feed"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/index/indextest"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/reader"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/simreg"
)

var at = time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC)

// Times that an index says are measured if they can be, and else counted: none of them
// makes a sum or a median absurd.
func TestHostileTimes(t *testing.T) {
	l := NewLags("tested", "Help.")
	for _, published := range []time.Time{{}, time.Unix(0, 0), at.Add(-8 * 24 * time.Hour), at.Add(time.Hour), time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)} {
		l.Observe(published, at)
	}
	l.Observe(at.Add(3*time.Minute), at) // another clock
	l.Observe(at.Add(-40*time.Second), at)
	if err := testutil.CollectAndCompare(l, strings.NewReader(`
# HELP clonecratesio_published_to_tested_unbelieved_total New versions with an implausible publication time: more than five minutes in the future, or more than a week ago.
# TYPE clonecratesio_published_to_tested_unbelieved_total counter
clonecratesio_published_to_tested_unbelieved_total{why="future"} 2
clonecratesio_published_to_tested_unbelieved_total{why="past"} 3
`), "clonecratesio_published_to_tested_unbelieved_total"); err != nil {
		t.Error(err)
	}
	if s := l.Summary(); s != (Summary{2, 0, 40 * time.Second}) {
		t.Errorf("%+v", s)
	}
	for i := range 3000 {
		l.Observe(at.Add(-time.Duration(i%100)*time.Second), at)
	}
	if s := l.Summary(); s.Versions != remembered || s.Median < 45*time.Second || s.Median > 55*time.Second || s.P95 < 93*time.Second || s.P95 > 97*time.Second {
		t.Errorf("of many: %+v", s)
	}
}

func key(n int) crate.Key {
	return crate.Key{ID: crate.ID{Name: fmt.Sprintf("c%d", n), Version: "1.0.0"}}
}

// What never comes is forgotten after a day, and there is never more than fits.
func TestArrivalsAreBounded(t *testing.T) {
	a := NewArrivals(NewLags("tested", "Help."))
	for n := range maxWaiting {
		if !a.Expect(Version{key(n), at}, at) {
			t.Fatalf("%d do not fit", n)
		}
	}
	if a.Expect(Version{key(-1), at}, at.Add(time.Hour)) || len(a.Waiting(at.Add(time.Hour))) != maxWaiting {
		t.Error("there is more than fits")
	}
	if !a.Expect(Version{key(-1), at}, at.Add(25*time.Hour)) || a.Came(key(0), at) || !a.Came(key(-1), at.Add(26*time.Hour)) || a.Came(key(-1), at) {
		t.Error("what did not come for a day is to make room, what came is to count once")
	}
}

// The feed says from when on nothing is left out, whatever it has dropped.
func TestFeedIsWhole(t *testing.T) {
	var f Feed
	w := httptest.NewRecorder()
	if f.ServeHTTP(w, httptest.NewRequest("GET", feed.Path, nil)); w.Code != 503 {
		t.Errorf("before anything is known: %d", w.Code)
	}
	f.Begin(at)
	for n := range 300 {
		f.Add(feed.Item{ID: key(n).ID, At: at.Add(time.Duration(n) * time.Minute)})
	}
	w = httptest.NewRecorder()
	f.ServeHTTP(w, httptest.NewRequest("GET", feed.Path, nil))
	got, err := feed.ReadRSS(w.Body)
	if err != nil || len(got.Items) != minItems || got.Items[0].Name != "c299" || !got.Since.Equal(at.Add(199*time.Minute+time.Second)) {
		t.Errorf("%d items since %v, %v", len(got.Items), got.Since, err)
	}
	again := httptest.NewRequest("GET", feed.Path, nil)
	again.Header.Set("If-None-Match", w.Header().Get("ETag"))
	w = httptest.NewRecorder()
	if f.ServeHTTP(w, again); w.Code != 304 {
		t.Errorf("nothing is new: %d", w.Code)
	}
	for n := range 2 * maxItems {
		f.Add(feed.Item{ID: key(n).ID, At: at.Add(300 * time.Minute)})
	}
	if got := f.Feed(); len(got.Items) != maxItems || !got.Since.After(at.Add(300*time.Minute)) {
		t.Errorf("of a burst %d items, since %v: what was dropped is to be seen as a gap", len(got.Items), got.Since)
	}
}

// Who has read an item learns of a gap that begins in the second of that item.
func TestGapWithinASecond(t *testing.T) {
	var f Feed
	f.Begin(at.Add(-time.Hour))
	f.Add(feed.Item{ID: key(1).ID, At: at.Add(100 * time.Millisecond)})
	read := f.Feed()
	f.Add(feed.Item{ID: key(2).ID, At: at.Add(200 * time.Millisecond)})
	f.Begin(at.Add(300 * time.Millisecond))
	if now := f.Feed(); !now.Since.Truncate(time.Second).After(read.Newest()) {
		t.Errorf("the feed leaves nothing out since %v, and lacks what came after %v", now.Since, read.Newest())
	}
}

// served is a mirror of a registry that holds some of it.
type served struct {
	reg        *simreg.Registry
	dir        string
	held       map[string]bool // versions
	generation uint64
}

func (s *served) Generation() uint64 { return s.generation }

func (s *served) Totals() reader.Totals {
	ix, err := index.Open(context.Background(), s.dir, index.Options{})
	if err != nil {
		panic(err)
	}
	defer ix.Close()
	return reader.Totals{Commit: ix.Commit(), CommitTime: ix.CommitTime(), Versions: int64(len(s.held)), Counted: true}
}

func (s *served) Crate(_ context.Context, name string) (*reader.Crate, error) {
	c := &reader.Crate{}
	for _, id := range s.reg.IDs() {
		if id.Name == name && s.held[id.String()] {
			line, err := s.reg.Entry(id)
			if err != nil {
				return nil, err
			}
			e, err := index.ParseLine(line)
			if err != nil {
				return nil, err
			}
			c.Entries = append(c.Entries, reader.Entry{Entry: e, Held: true})
		}
	}
	if len(c.Entries) == 0 {
		return nil, fs.ErrNotExist
	}
	return c, nil
}

// A version counts when it is shown, once, however late after the index names it; what
// was there before does not, nor does a yank.
func TestWatch(t *testing.T) {
	indextest.NeedGit(t)
	s := &served{reg: simreg.New(simreg.MustParse("foo 1.0.0\nbar 1.0.0")...), dir: filepath.Join(t.TempDir(), "index.git"), held: map[string]bool{"foo 1.0.0": true}}
	commit := func() {
		t.Helper()
		if _, err := s.reg.CommitIndex(t.Context(), s.dir, "an update"); err != nil {
			t.Fatal(err)
		}
		s.generation++
	}
	commit()
	w := &Watch{Mirror: s, Index: s.dir, Arrivals: NewArrivals(NewLags("tested", "Help.")), Feed: &Feed{}, Log: slog.New(slog.DiscardHandler)}
	look := func(want ...string) {
		t.Helper()
		if err := w.Look(t.Context(), time.Now()); err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, item := range w.Feed.Feed().Items {
			got = append(got, item.ID.String())
		}
		if slices.Sort(got); !slices.Equal(got, want) {
			t.Errorf("the feed has %v, want %v", got, want)
		}
	}
	look()
	begin := w.Feed.Feed().Since
	s.reg.Add(simreg.Version{Name: "foo", Version: "2.0.0", PubTime: time.Now().Add(-20 * time.Second)}, simreg.Version{Name: "new", Version: "1.0.0", PubTime: time.Now().Add(-time.Minute)})
	commit()
	look()
	s.held["foo 2.0.0"] = true
	s.generation++
	look("foo 2.0.0")
	s.reg.Yank(crate.ID{Name: "foo", Version: "2.0.0"}, true)
	commit()
	look("foo 2.0.0")
	s.held["new 1.0.0"] = true
	look("foo 2.0.0") // nothing has announced that there is something new
	s.generation++
	look("foo 2.0.0", "new 1.0.0")
	if sum := w.Arrivals.Lags.Summary(); sum.Versions != 2 || sum.Median < 20*time.Second || sum.P95 < time.Minute || sum.P95 > 10*time.Minute {
		t.Errorf("%+v", sum)
	}
	if !w.Feed.Feed().Since.Equal(begin) {
		t.Error("the feed has a gap")
	}

	// What was named before it watched, and comes now, is in no feed, which says so.
	s.held["bar 1.0.0"] = true
	s.generation++
	later := time.Now()
	for _, after := range []time.Duration{0, patience, 2 * patience} {
		if err := w.Look(t.Context(), later.Add(after)); err != nil {
			t.Fatal(err)
		}
	}
	if got := w.Feed.Feed(); len(got.Items) != 0 || !got.Since.After(later.Add(patience)) {
		t.Errorf("%d items since %v, though one came that is in no feed", len(got.Items), got.Since)
	}

	// Started again, it names what came since the last day that is kept, and measures
	// none of that.
	indextest.Git(t, s.dir, "update-ref", index.DaysRef+"/2020-01-01", "HEAD~2")
	w = &Watch{Mirror: s, Index: s.dir, Arrivals: NewArrivals(NewLags("tested", "Help.")), Feed: &Feed{}, Log: w.Log}
	if err := w.Look(t.Context(), time.Now().Add(2*time.Hour)); err != nil {
		t.Fatal(err)
	}
	if got := w.Feed.Feed(); len(got.Items) != 2 || got.Since.After(begin) || w.Arrivals.Lags.Summary().Versions != 0 {
		t.Errorf("started again: %d items since %v, %+v", len(got.Items), got.Since, w.Arrivals.Lags.Summary())
	}
}
