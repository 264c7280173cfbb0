package registry

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/index"
)

// newFakeWithPast is a mirror that keeps three days, the last today.
func newFakeWithPast() *fake {
	f := newFake()
	f.past = map[string]*fake{}
	for i := range 3 {
		d := index.Day{Date: fmt.Sprintf("2026-03-0%d", i+1), Revision: index.Revision{
			Commit: strings.Repeat(fmt.Sprint(i+1), 40), Time: time.Date(2026, 3, i+1, 20, 0, 0, 0, time.UTC)}}
		f.days = append(f.days, d)
		f.past[d.Commit] = newFake()
	}
	f.past[f.days[0].Commit].reg.Yank(crate.ID{Name: "foo", Version: "1.1.0"}, false)
	f.past[f.days[1].Commit].left = 1
	return f
}

const (
	never  = "no-store"
	minute = "public, max-age=60"
	day    = "public, max-age=86400, immutable"
)

// TestSnapshot: a point has the lines of its commit, and may be kept for long if that
// is all there will ever be to it.
func TestSnapshot(t *testing.T) {
	f := newFakeWithPast()
	h := New(Config{Mirror: f})
	for point, want := range map[string]struct {
		of           int
		cacheControl string
	}{
		"2026-03-01":            {0, day},
		"2026-03-02":            {1, minute}, // a line is left out: its bytes may come
		"2026-03-03":            {2, minute}, // is not over
		f.days[2].Commit:        {2, day},
		f.days[0].Commit[:7]:    {0, minute}, // another commit may begin so
		f.days[1].Commit:        {1, minute},
		strings.Repeat("1", 39): {0, minute},
	} {
		lines, err := f.past[f.days[want.of].Commit].reg.IndexFile("3/f/foo")
		if err != nil {
			t.Fatal(err)
		}
		for range 2 { // rendered, kept
			resp := get(t, h, "/snapshot/"+point+"/3/f/foo")
			wantStatus(t, resp, 200)
			wantHeaders(t, resp, "Cache-Control: "+want.cacheControl, "Content-Type: text/plain; charset=utf-8", "Vary: Accept-Encoding")
			if diff := cmp.Diff(string(lines), body(t, resp)); diff != "" {
				t.Errorf("%s: -want +got:\n%s", point, diff)
			}
			etag := resp.Header.Get("Etag")
			head := do(t, h, "HEAD", "/snapshot/"+point+"/3/f/foo")
			wantHeaders(t, head, "Etag: "+etag, "Content-Length: "+resp.Header.Get("Content-Length"))
			same := get(t, h, "/snapshot/"+point+"/3/f/foo", "If-None-Match: "+etag)
			wantStatus(t, same, 304)
			wantHeaders(t, same, "Cache-Control: "+want.cacheControl)
		}
	}
	for commit, past := range f.past {
		if n := past.asked.Load(); n != 1 {
			t.Errorf("commit %s was asked %d times, want 1", commit, n)
		}
	}
	if n := f.asked.Load(); n != 0 {
		t.Errorf("the index of now was asked %d times", n)
	}

	f.past[f.days[0].Commit].left = 2 // pruned
	f.generation.Add(1)
	wantHeaders(t, get(t, h, "/snapshot/2026-03-01/3/f/foo"), "Cache-Control: "+minute)
}

// TestSnapshotConfig: cargo is sent to crate files by their checksum.
func TestSnapshotConfig(t *testing.T) {
	h := New(Config{Mirror: newFakeWithPast(), PublicURL: at("https://mirror.example/rust")})
	for range 2 {
		get(t, h, "/index/config.json")
		resp := get(t, h, "/rust/snapshot/2026-03-01/config.json")
		want := "{\n\t\"dl\": \"https://mirror.example/rust/crates/{crate}/{version}/{sha256-checksum}.crate\"\n}\n"
		if diff := cmp.Diff(want, body(t, resp)); diff != "" {
			t.Errorf("-want +got:\n%s", diff)
		}
		wantHeaders(t, resp, "Content-Type: application/json", "Cache-Control: "+minute)
	}
}

// TestNoSuchSnapshot: what is not there is 404, says so in words, and what there is.
func TestNoSuchSnapshot(t *testing.T) {
	f := newFakeWithPast()
	h := New(Config{Mirror: f})
	wants := func(path string, words ...string) {
		t.Helper()
		resp := get(t, h, path)
		wantStatus(t, resp, 404)
		wantHeaders(t, resp, "Cache-Control: "+never)
		text := body(t, resp)
		for _, word := range words {
			if !strings.Contains(text, word) {
				t.Errorf("%s: %q does not say %q", path, text, word)
			}
		}
	}
	for _, file := range []string{"config.json", "3/f/foo"} {
		wants("/snapshot/2020-01-01/"+file, "2020-01-01", "2026-03-01", "2026-03-03", "/api/v1/snapshots")
		wants("/snapshot/abcdef0/"+file, "no commit abcdef0", "2026-03-01", "2026-03-03")
		wants("/snapshot/HEAD/"+file, "YYYY-MM-DD")
	}
	wants("/snapshot/2026-03-01/3/b/bar", `no version of a crate "bar"`, "at commit 111111111111.")
	wants("/snapshot/2026-03-01/index/config.json", "can have this path")
	wants("/api/v1/snapshots/2020-01-01", `{"errors":[{"detail":"`, "2026-03-01")

	f.days = nil
	wants("/snapshot/2020-01-01/config.json", "keeps no day", f.Totals().CommitTime.UTC().Format(time.DateOnly), "clonecratesio sync")
	f.err = fmt.Errorf("looking: %w", index.ErrNoPast)
	wants("/snapshot/2026-03-01/3/f/foo", "plain folder", "git index")
	f.err = errors.New("no disk")
	wantStatus(t, get(t, h, "/snapshot/2026-03-01/3/f/foo"), 500)
}

// TestSnapshots: what machines get to know of the past.
func TestSnapshots(t *testing.T) {
	f := newFakeWithPast()
	h := New(Config{Mirror: f, PublicURL: at("https://mirror.example/rust")})
	resp := get(t, h, "/api/v1/snapshots")
	wantHeaders(t, resp, "Content-Type: application/json")
	first := `"commit":"` + f.days[0].Commit + `","time":"2026-03-01T20:00:00Z"`
	if got := body(t, resp); !strings.HasPrefix(got, `{"snapshots":[{"day":"2026-03-01",`+first+`},{`) || !strings.HasSuffix(got, `"meta":{"total":3}}`) {
		t.Errorf("all: %s", got)
	}
	want := `{"snapshot":{` + first + `,"final":true,"index":"sparse+https://mirror.example/rust/snapshot/` + f.days[0].Commit + `/"}}`
	if diff := cmp.Diff(want, body(t, get(t, h, "/api/v1/snapshots/2026-03-01"))); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	f.days = nil
	if got := body(t, get(t, h, "/api/v1/snapshots")); got != `{"snapshots":[],"meta":{"total":0}}` {
		t.Errorf("none: %s", got)
	}
}

// TestH20CacheOfNow: those who read the past, however much of it, take nothing away
// that was kept for those who read what is now.
func TestH20CacheOfNow(t *testing.T) {
	f := newFakeWithPast()
	h := New(Config{Mirror: f, CacheSize: 64 << 10})
	get(t, h, "/index/3/f/foo")
	one := f.past[f.days[0].Commit]
	for i := range 1000 {
		commit := fmt.Sprintf("%040x", i)
		f.days, f.past[commit] = []index.Day{{Revision: index.Revision{Commit: commit}}}, one
		wantStatus(t, get(t, h, "/snapshot/"+commit+"/3/f/foo"), 200)
	}
	get(t, h, "/index/3/f/foo")
	if n := f.asked.Load(); n != 1 {
		t.Errorf("the index of now was asked %d times, want 1", n)
	}
	if h.snapshots.size > 16<<10 || h.snapshots.size < 8<<10 {
		t.Errorf("%d bytes of snapshots are kept, want at most 16 KiB", h.snapshots.size)
	}
}
