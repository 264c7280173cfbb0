package sparse

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"slices"
	"sync/atomic"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/git"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/index"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/index/clone"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/index/feed"
)

// A List names all crates of an index. It returns when it was made: zero says that
// it is as good as now.
type List func(ctx context.Context, fn func(name string) error) (made time.Time, err error)

// An Observer keeps an index in git what a sparse one is. The protocol has no list of
// crates, so what is asked for is what is here already, and what the fields name.
type Observer struct {
	Client *Client
	// Names are crates to ask for, such as those that a part of a mirror begins with.
	Names func(ctx context.Context) ([]string, error)
	// Deps asks for all that the Names depend on too, to the end.
	Deps bool
	// Part says that Names, and Deps, are all that is wanted: there is nothing that
	// would have to be known beyond.
	Part bool
	// Feed returns what was published lately. While it has no gap, only what it names is
	// asked for, and everything every lookEvery.
	Feed func(ctx context.Context) ([]feed.Item, error)
	// Lists name all crates.
	Lists []List
	// Parallel is how many files are asked for at a time. Default 32.
	Parallel int
	Log      *slog.Logger // may be nil

	last atomic.Pointer[Result]
	now  func() time.Time // for tests
}

// lookEvery is how often everything is asked for while a feed is followed, which does
// not tell of what was yanked or removed.
const lookEvery = 6 * time.Hour

// A Result is what a look at the index came to.
type Result struct {
	Asked, Changed, Removed, Failed int64
	Failures                        []error // the first of those that failed
	// Unknown says why it cannot be known whether the index has crates of which nothing
	// is here; "" if it is known.
	Unknown string
}

// maxFailures bounds Result.Failures.
const maxFailures = 20

// Last returns what the last look came to that was completed, nil: there was none.
func (o *Observer) Last() *Result { return o.last.Load() }

// Bring makes [clone.Fetched] name a commit with what the index has now, one on top of
// HEAD: it is for clone.Config.Carried. Crates that could not be had stay what they
// were, and are asked for again. When it fails, or is killed, nothing has changed.
//
// That a crate or a version is gone is believed only if the index says it twice, the
// second time past caches.
func (o *Observer) Bring(ctx context.Context, work *git.Porcelain, gitDir string) (err error) {
	o.Log = cmp.Or(o.Log, slog.New(slog.DiscardHandler))
	if o.now == nil {
		o.now = time.Now
	}
	removeReports(gitDir)
	repo := &git.Repository{Dir: gitDir}
	head, err := repo.Head(ctx)
	if err != nil && !errors.Is(err, git.ErrUnborn) {
		return err
	}
	l, err := o.newLook(ctx, work, repo, head)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, l.close()) }()
	if err := l.all(ctx); err != nil {
		return err
	}
	return l.conclude(ctx)
}

// newLook opens what a look needs.
func (o *Observer) newLook(ctx context.Context, work *git.Porcelain, repo *git.Repository, head git.Revision) (_ *look, err error) {
	l := &look{o: o, work: work, repo: repo, head: head, begun: o.now(), was: readState(ctx, repo, o.Client.String(), head.Commit)}
	l.emit = &emitter{
		ctx: ctx, work: work, ref: clone.Fetched, parent: head.Commit,
		at:      later(l.begun, head.Time.Add(time.Second)), // of two commits of one second the first would be the day's
		message: func() string { return "Observe " + o.Client.String() + "\n" },
	}
	if l.spool, err = newSpool(repo.Dir); err != nil {
		return nil, err
	}
	if head.Commit == "" {
		return l, nil
	}
	for _, b := range []**git.Batch{&l.old, &l.known.Batch} {
		if *b, err = repo.Batch(ctx, "--batch"); err != nil {
			return nil, errors.Join(err, l.close())
		}
	}
	return l, nil
}

// later is the later of two times.
func later(a, b time.Time) time.Time {
	if a.Before(b) {
		return b
	}
	return a
}

// all asks for all that this look is to ask for.
func (l *look) all(ctx context.Context) error {
	l.next = state{Source: l.was.Source, Looked: l.was.Looked, Listed: l.was.Listed, Fed: l.was.Fed, Since: l.was.Since}
	if err := l.config(ctx); err != nil {
		return err
	}
	items, gapless, err := l.feed(ctx)
	if err != nil {
		return err
	}
	wanted, err := l.wanted(ctx)
	if err != nil {
		return err
	}
	l.seen = map[string]bool{}
	if gapless && l.begun.Sub(l.was.Looked) < lookEvery {
		if err := l.ask(ctx, l.wishes(versionless(l.was.Again))); err != nil {
			return err
		}
		l.newsOnly = true
		return l.closure(ctx, slices.Concat(items, wanted))
	}
	if l.head.Commit == "" && len(l.o.Lists) == 0 && len(wanted) == 0 {
		items = nil // the last hour is no beginning
	}
	if err := l.closure(ctx, slices.Concat(items, wanted)); err != nil {
		return err
	}
	if err := l.ask(ctx, l.here(ctx)); err != nil {
		return err
	}
	l.next.Looked = l.begun
	return l.lists(ctx)
}

// wish is a crate to ask for, and a version that it should have; "" for none.
type wish struct{ name, version string }

func versionless(names []string) (wishes []wish) {
	for _, name := range names {
		wishes = append(wishes, wish{name: name})
	}
	return wishes
}

func (l *look) wanted(ctx context.Context) ([]wish, error) {
	if l.o.Names == nil {
		return nil, nil
	}
	names, err := l.o.Names(ctx)
	return versionless(names), err
}

// feed reads the feed, and reports whether it goes back to what was read of it before.
func (l *look) feed(ctx context.Context) (news []wish, gapless bool, err error) {
	if l.o.Feed == nil {
		return nil, false, nil
	}
	items, err := l.o.Feed(ctx)
	if err == nil && len(items) == 0 {
		err = errors.New("it names no version")
	}
	if err != nil {
		// What it would have named, a later one names too, or has a gap.
		l.o.Log.Warn("the feed of new versions could not be read", "err", err)
		l.unfed = err
		return nil, !l.was.Since.IsZero(), ctx.Err()
	}
	byTime := func(a, b feed.Item) int { return a.At.Compare(b.At) }
	oldest, newest := slices.MinFunc(items, byTime).At, slices.MaxFunc(items, byTime).At
	since := l.was.Since
	if since.After(l.begun) { // a clock was wrong: it says nothing of what was read
		since = time.Time{}
	}
	gapless = !since.IsZero() && !oldest.After(since)
	if !gapless {
		if !since.IsZero() {
			l.o.Log.Warn("the feed of new versions has a gap: everything is asked for", "read_until", since, "feed_begins", oldest)
		}
		l.next.Fed = oldest
	}
	if newest.After(l.begun) { // one item of tomorrow must not hide all until then
		newest = l.begun
	}
	l.next.Since = later(newest, since)
	for _, item := range items {
		if item.At.After(since.Add(-outOfOrder)) {
			news = append(news, wish{item.Name, item.Version})
		}
	}
	if l.o.Part {
		news, err = l.ours(news)
	}
	return news, gapless, err
}

// outOfOrder is how much later than its time an item may come into the feed.
const outOfOrder = 10 * time.Minute

// ours leaves crates out of which nothing is here.
func (l *look) ours(news []wish) (mine []wish, err error) {
	for _, w := range news {
		have, err := l.blob(crate.IndexPath(w.name))
		if err != nil {
			return nil, err
		}
		if have != (git.ID{}) {
			mine = append(mine, w)
		}
	}
	return mine, nil
}

// closure asks for some crates, and what they depend on if that is wanted.
func (l *look) closure(ctx context.Context, level []wish) error {
	for len(level) > 0 {
		var fresh []wish
		var err error
		for _, w := range level {
			fresh, err = l.addFresh(fresh, w)
			if err != nil {
				return err
			}
		}
		l.follow = l.o.Deps
		err = l.ask(ctx, l.wishes(fresh))
		level, l.deps, l.follow = versionless(l.deps), nil, false
		if err != nil {
			return err
		}
	}
	return nil
}

// addFresh adds a wish that was not there yet. With the news alone, what is here is not
// asked for because others need it.
func (l *look) addFresh(fresh []wish, w wish) ([]wish, error) {
	p := crate.IndexPath(w.name)
	if l.seen[p] {
		return fresh, nil
	}
	l.seen[p] = true
	if l.newsOnly && w.version == "" {
		have, err := l.blob(p)
		if err != nil || have != (git.ID{}) {
			return fresh, err
		}
	}
	return append(fresh, w), nil
}

// lists asks for what the lists name and is not here.
func (l *look) lists(ctx context.Context) error {
	for _, list := range l.o.Lists {
		var made time.Time
		err := l.ask(ctx, func(yield func(asking, error) bool) {
			var err error
			made, err = list(ctx, func(name string) error {
				a, err := l.newAsking(wish{name: name})
				if err != nil || a.have != (git.ID{}) || l.seen[a.path] {
					return err
				}
				if !yield(a, nil) {
					return errAborted
				}
				return nil
			})
			if err != nil && !errors.Is(err, errAborted) {
				yield(asking{}, fmt.Errorf("reading the list of crates: %w", err))
			}
		})
		if err != nil {
			return err
		}
		switch {
		case made.IsZero():
			made = l.begun
		case !made.Before(l.begun): // by another clock: it was here before we looked
			made = l.begun.Add(-1)
		}
		l.next.Listed = later(made, l.next.Listed)
	}
	return nil
}

// wishes yields what to ask for some crates.
func (l *look) wishes(list []wish) iter.Seq2[asking, error] {
	return func(yield func(asking, error) bool) {
		for _, w := range list {
			if a, err := l.newAsking(w); !yield(a, err) {
				return
			}
		}
	}
}

// newAsking finds out what is here of a crate.
func (l *look) newAsking(w wish) (a asking, err error) {
	a = asking{name: w.name, path: crate.IndexPath(w.name), version: w.version}
	if err := crate.CheckName(w.name); err != nil {
		return a, err
	}
	if a.have, err = l.blob(a.path); err == nil {
		a.val, err = l.validator(index.File{Path: a.path, Blob: a.have})
	}
	return a, err
}

// config brings config.json.
func (l *look) config(ctx context.Context) error {
	text, err := l.o.Client.ConfigFile(ctx)
	if err != nil {
		return err
	}
	have, err := l.blob("config.json")
	if err != nil || have == blobID(text) {
		return err
	}
	return l.emit.file("config.json", text)
}

// shrunk reports whether a file lacks versions that it had.
func shrunk(had, has []byte) bool {
	if bytes.HasPrefix(has, had) {
		return false
	}
	now := versions(has)
	for v := range versions(had) {
		if !now[v] {
			return true
		}
	}
	return false
}

func versions(text []byte) map[string]bool {
	all := map[string]bool{}
	for line := range bytes.Lines(text) {
		if e, err := index.ParseLine(bytes.TrimRight(line, "\r\n")); err == nil {
			all[e.Version] = true
		}
	}
	return all
}
