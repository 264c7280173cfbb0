package sparse_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/index/feed"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/index/sparse"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/simreg"
)

// told is a feed that says what a test wants.
type told struct{ feed.Feed }

func (l *told) add(v simreg.Version, ago time.Duration) {
	item := feed.Item{At: time.Now().Add(-ago)}
	item.Name, item.Version = v.Name, v.Version
	l.Items = append(l.Items, item)
	if l.Since.IsZero() || item.At.Before(l.Since) {
		l.Since = item.At
	}
}

func (l *told) read(context.Context) (feed.Feed, error) { return l.Feed, nil }

// listed makes a list of what there is now, with an older date.
func (f *follower) listed(ago time.Duration) sparse.List {
	ids, made := f.reg.IDs(), time.Now().Add(-ago)
	return func(_ context.Context, fn func(string) error) (time.Time, error) {
		var errs []error
		for _, id := range ids {
			errs = append(errs, fn(id.Name))
		}
		return made, errors.Join(errs...)
	}
}

// A crate that the feed alone names comes too when everything is asked for: the list is
// older, and the feed names it once.
func TestNewsWithAll(t *testing.T) {
	f := newFollower(t, some()...)
	f.obs.Lists = []sparse.List{f.listed(time.Hour)}
	var feed told
	f.obs.Feed = feed.read
	feed.add(v("serde", "1.0.1"), 2*time.Hour)
	feed.add(v("new", "0.1.0"), 30*time.Minute)
	f.reg.Add(v("new", "0.1.0"))
	f.mustUpdate()
	f.wantSame()
	if last := f.obs.Last(); last.Unknown != "" {
		t.Errorf("%+v, want that all is known", last)
	}
}

// The feed is ahead of the index, where caches know for some minutes that there is no
// such crate: it comes with the next look, though the feed is further by then.
func TestNewsBeforeIndex(t *testing.T) {
	f := newFollower(t, some()...)
	f.obs.Lists = []sparse.List{f.listed(3 * time.Hour)}
	var feed told
	f.obs.Feed = feed.read
	feed.add(v("serde", "1.0.1"), 4*time.Hour)
	f.mustUpdate()
	f.reg.Add(v("new", "0.1.0"))
	feed.add(v("new", "0.1.0"), time.Hour)
	feed.add(v("ab", "1.0.0"), time.Minute)
	f.reg.Inject(simreg.IndexFile("new"), simreg.Fault{Kind: simreg.Status, Code: 404, Times: -1})
	f.mustUpdate()
	f.reg.Heal()
	f.mustUpdate()
	f.wantSame()
}

// An item with a time that is still to come does not hide what comes after it.
func TestNewsOfTomorrow(t *testing.T) {
	f := newFollower(t, some()...)
	f.obs.Lists = []sparse.List{f.listed(3 * time.Hour)}
	var feed told
	f.obs.Feed = feed.read
	feed.add(v("serde", "1.0.1"), 4*time.Hour)
	feed.add(v("ab", "1.0.0"), -24*time.Hour)
	f.mustUpdate()
	f.reg.Add(v("new", "0.1.0"))
	feed.add(v("new", "0.1.0"), 0)
	f.mustUpdate()
	f.wantSame()
}
