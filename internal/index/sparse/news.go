package sparse

import (
	"context"
	"errors"
	"path"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/git"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/index/feed"
)

// news reads the sources of changes: the feed, and the repository of the index. It reports
// whether they reach back to where they were read before.
func (l *look) news(ctx context.Context) (all []wish, gapless bool, err error) {
	if l.o.Feed != nil {
		if all, gapless, err = l.fed(ctx); err != nil {
			return nil, false, err
		}
	}
	if l.o.Changed != nil {
		changed, err := l.changed(ctx)
		if ctx.Err() != nil {
			return nil, false, context.Cause(ctx)
		}
		if err != nil {
			l.missed("the repository that lists changes could not be read", err)
		}
		all, gapless = append(all, changed...), err == nil || l.was.Tree != ""
	}
	if l.o.Part {
		all, err = l.ours(all)
	}
	return all, gapless, err
}

// missed records that a source of changes could not be read. A later look will get the same
// changes from it.
func (l *look) missed(what string, err error) {
	l.o.Log.Warn(what, "err", err)
	l.untold = err
}

// wanted returns the crates that are requested in any case.
func (l *look) wanted(ctx context.Context) ([]wish, error) {
	if l.o.Names == nil {
		return nil, nil
	}
	names, err := l.o.Names(ctx)
	return versionless(names), err
}

// fed reads the feed.
func (l *look) fed(ctx context.Context) (news []wish, gapless bool, err error) {
	f, err := l.o.Feed(ctx)
	if err == nil && f.Since.IsZero() {
		err = errNoVersion
	}
	if err != nil {
		l.missed("the feed of new versions could not be read", err)
		return nil, !l.was.Since.IsZero(), ctx.Err()
	}
	since := l.was.Since
	if since.After(l.begun) { // a clock was wrong: unknown what was read
		since = time.Time{}
	}
	gapless = !since.IsZero() && !f.Since.After(since)
	if !gapless {
		if !since.IsZero() {
			l.o.Log.Warn("the feed of new versions has a gap: everything is requested", "read_until", since, "feed_begins", f.Since)
		}
		l.next.Fed = f.Since
	}
	newest := later(f.Newest(), f.Since)
	if newest.After(l.begun) { // one item from the future must not hide all until then
		newest = l.begun
	}
	l.next.Since = later(newest, since)
	return newer(f.Items, since.Add(-outOfOrder)), gapless, nil
}

var errNoVersion = errors.New("it names no version")

// outOfOrder is how long after its time an item may appear in the feed.
const outOfOrder = 10 * time.Minute

func newer(items []feed.Item, since time.Time) (news []wish) {
	for _, item := range items {
		if item.At.After(since) {
			news = append(news, wish{name: item.Name, version: item.Version})
		}
	}
	return news
}

// changed asks the repository of the index which files have changed; the first time, which
// differ from ours.
func (l *look) changed(ctx context.Context) (news []wish, err error) {
	now, err := l.o.Changed(ctx, l.was.Tree, func(file string, blob git.ID) error {
		w := wish{name: path.Base(file), blob: blob, gone: blob == (git.ID{})}
		if crate.CheckName(w.name) != nil || crate.IndexPath(w.name) != file {
			return nil
		}
		have, err := l.present.blob(file)
		if err == nil && have != blob {
			news = append(news, w)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	// It lists everything that exists now.
	l.next.Tree, l.next.Listed = now, l.begun
	return news, nil
}

// ours filters out the crates that we lack.
func (l *look) ours(news []wish) (mine []wish, err error) {
	for _, w := range news {
		have, err := l.present.blob(crate.IndexPath(w.name))
		if err != nil {
			return nil, err
		}
		if have != (git.ID{}) {
			mine = append(mine, w)
		}
	}
	return mine, nil
}
