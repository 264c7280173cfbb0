package news

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/index/feed"
)

// The feed has the items of the last hour, and at least this many items, as that of
// crates.io; of a burst it keeps at most this many.
const (
	feedAge  = time.Hour
	minItems = 100
	maxItems = 5000
)

// Feed lists what a mirror has begun to show, for mirrors of it: at feed.Path, in the
// format of crates.io's feed. The time of an item is when it was shown, not when it was
// published, so that a mirror of this one that remembers how far it has read misses no late
// versions. Its methods may be called concurrently.
type Feed struct {
	mu    sync.Mutex // guards what follows
	items []feed.Item
	since time.Time // from when on the feed is complete; zero: not known yet
}

// Begin says that the feed is complete from that time on, and may have a gap before.
func (f *Feed) Begin(since time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.items, f.since = nil, nextSecond(since)
}

// Add adds a version, the newest.
func (f *Feed) Add(item feed.Item) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.items = append(f.items, item)
	for drop := len(f.items) - minItems; drop > 0 && (len(f.items) > maxItems || item.At.Sub(f.items[0].At) > feedAge); drop-- {
		f.since = later(f.since, nextSecond(f.items[0].At))
		f.items = f.items[1:]
	}
}

// nextSecond returns the beginning of the next second. Times are written in seconds: the
// feed has all items of a second, or none.
func nextSecond(t time.Time) time.Time { return t.Truncate(time.Second).Add(time.Second) }

func later(a, b time.Time) time.Time {
	if a.Before(b) {
		return b
	}
	return a
}

// Feed returns the current items, the newest first.
func (f *Feed) Feed() feed.Feed {
	f.mu.Lock()
	defer f.mu.Unlock()
	out := feed.Feed{Since: f.since}
	for i := len(f.items) - 1; i >= 0; i-- {
		out.Items = append(out.Items, f.items[i])
	}
	return out
}

// ServeHTTP implements http.Handler.
func (f *Feed) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	now := f.Feed()
	if now.Since.IsZero() {
		w.Header().Set("Retry-After", "5")
		http.Error(w, "What is new here is not known yet. Ask again in a moment.", http.StatusServiceUnavailable)
		return
	}
	var text bytes.Buffer
	if err := now.Write(&text, "recent updates of this mirror"); err != nil {
		http.Error(w, "The feed could not be written.", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/rss+xml; charset=utf-8")
	w.Header().Set("Cache-Control", "no-cache")
	sum := sha256.Sum256(text.Bytes())
	w.Header().Set("ETag", fmt.Sprintf("\"%x\"", sum[:12]))
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(text.Bytes()))
}
