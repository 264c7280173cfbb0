package sparse

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/git"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/human"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/index/clone"
)

// look is one call of [Observer.Bring]: it asks for files (ask.go), checks the answers
// (take.go), and finally records them.
type look struct {
	o     *Observer
	work  *git.Porcelain
	repo  *git.Repository
	head  git.Revision
	begun time.Time
	was   state // of the previous look
	next  state // of this look, once it is concluded

	present *present
	tally   *tally
	emit    *emitter
	spool   *spool

	seen     map[string]bool // paths of named crates
	untold   error           // why a source of changes could not be read; nil: it could
	entire   bool            // everything was requested
	newsOnly bool            // do not request versions that we know
	follow   bool            // record what crates depend on
}

// newLook opens what a look needs.
func (o *Observer) newLook(ctx context.Context, work *git.Porcelain, repo *git.Repository, head git.Revision) (_ *look, err error) {
	l := &look{o: o, work: work, repo: repo, head: head, begun: o.now(), was: readState(ctx, repo, o.Client.String(), head.Commit), seen: map[string]bool{}}
	l.tally = &tally{progress: work.Progress, named: map[string]bool{}}
	l.next = l.was
	l.next.Again = nil
	l.emit = &emitter{
		ctx: ctx, work: work, ref: clone.Fetched, parent: head.Commit,
		at:      later(l.begun, head.Time.Add(time.Second)), // of two commits in one second, the first would be the day's
		message: func() string { return "Observe " + o.Client.String() + "\n" },
	}
	if l.spool, err = newSpool(repo.Dir); err != nil {
		return nil, err
	}
	if l.present, err = openPresent(ctx, repo, head, l.was.Commit != "", o.Log); err != nil {
		return nil, errors.Join(err, l.spool.close())
	}
	return l, nil
}

// later returns the later of two times.
func later(a, b time.Time) time.Time {
	if a.Before(b) {
		return b
	}
	return a
}

// close ends what is still running.
func (l *look) close() error {
	l.emit.abort()
	return errors.Join(l.spool.close(), l.present.close())
}

// all requests everything that this look should request.
func (l *look) all(ctx context.Context) error {
	if err := l.config(ctx); err != nil {
		return err
	}
	news, gapless, err := l.news(ctx)
	if err != nil {
		return err
	}
	wanted, err := l.wanted(ctx)
	if err != nil {
		return err
	}
	if gapless && l.begun.Sub(l.was.Looked) < l.o.FullEvery {
		return l.newsAndShare(ctx, slices.Concat(news, wanted))
	}
	if l.head.Commit == "" && len(l.o.Lists) == 0 && len(wanted) == 0 && l.o.Changed == nil {
		news = nil // the last hour is not enough to begin with
	}
	if err := l.closure(ctx, slices.Concat(news, wanted)); err != nil {
		return err
	}
	if err := l.ask(ctx, l.present.each(ctx, l.wasNamed)); err != nil {
		return err
	}
	l.next.Looked, l.entire = l.begun, true
	return l.lists(ctx)
}

// newsAndShare requests what is new, what failed before, and a share of the rest.
func (l *look) newsAndShare(ctx context.Context, news []wish) error {
	if err := l.ask(ctx, l.wishes(versionless(l.was.Again))); err != nil {
		return err
	}
	l.newsOnly = true
	if err := l.closure(ctx, news); err != nil {
		return err
	}
	err := l.ask(ctx, l.present.each(ctx, func(path string) bool { return l.tally.named[path] || !l.mine(path) }))
	l.next.Looked = l.begun
	return err
}

func (l *look) wasNamed(path string) bool { return l.seen[path] }

// config requests config.json.
func (l *look) config(ctx context.Context) error {
	text, err := l.o.Client.ConfigFile(ctx)
	if err != nil {
		return err
	}
	have, err := l.present.blob("config.json")
	if err != nil || have == git.BlobID(text) {
		return err
	}
	return l.emit.file("config.json", text)
}

var errNothingNamed = errors.New("a sparse index has no list of its crates, and nothing names one that it has: name all with -index-changes, or a part with -crates or -lockfile")

// conclude records what was seen.
func (l *look) conclude(ctx context.Context) error {
	r := &l.tally.result
	if r.Failed > 0 && r.Failed == r.Asked {
		return fmt.Errorf("the index sent none of the %s files requested; the first: %w", human.Count(r.Asked), r.Failures[0])
	}
	if l.head.Commit == "" && r.Changed == 0 {
		return errNothingNamed
	}
	if err := l.commit(ctx); err != nil {
		return err
	}
	if l.next.Again = l.tally.again; len(l.next.Again) > maxAgain {
		l.next.Again, l.next.Looked = nil, time.Time{}
	}
	if r.Lied > 0 {
		l.next.Lied = l.begun
		l.o.Log.Warn("the index says 'not changed' of files that have changed: until it was asked for all of them whole, 'not changed' is believed of none for longer than "+l.o.FullEvery.String(), "files", r.Lied)
	}
	if err := l.remember(ctx); err != nil {
		return err
	}
	r.Unknown = l.unknown()
	l.o.Log.Info("looked at the sparse index", "asked", r.Asked, "changed", r.Changed, "removed", r.Removed, "failed", r.Failed)
	l.o.last.Store(r)
	return nil
}

// commit makes [clone.Fetched] name what was seen.
func (l *look) commit(ctx context.Context) error {
	changed, err := l.emit.commit()
	if err != nil {
		return err
	}
	if !changed {
		if _, err := l.work.Run(ctx, "update-ref", clone.Fetched, l.head.Commit); err != nil {
			return err
		}
	}
	now, err := l.repo.Revision(ctx, clone.Fetched)
	l.next.Commit = now.Commit
	return err
}

// remember stores the state, and the validators of the files.
func (l *look) remember(ctx context.Context) error {
	e := &emitter{ctx: ctx, work: l.work, ref: stateRef, at: l.begun, message: l.next.message}
	if l.was.Commit != "" {
		tree, err := l.repo.Output(ctx, "rev-parse", "--verify", stateRef+"^{tree}")
		if err != nil {
			return err
		}
		e.onto = tree
	}
	defer e.abort()
	if err := l.spool.each(e.file); err != nil {
		return err
	}
	e.mu.Lock()
	if e.pipe == nil {
		e.start()
	}
	e.mu.Unlock()
	_, err := e.commit()
	return err
}

// unknown returns why crates that we lack may exist.
func (l *look) unknown() string {
	s := &l.next
	switch {
	case l.o.Part:
		return ""
	case l.untold != nil && !l.entire:
		return fmt.Sprintf("the lists of new versions could not be read: %v", l.untold)
	case s.Listed.IsZero():
		return "a sparse index has no list of its crates, and nothing else named all of them: new crates are not found (-index-changes LIST names them)"
	case !s.Listed.Before(l.begun):
		return ""
	case s.Fed.IsZero() || l.o.Feed == nil:
		return fmt.Sprintf("crates that were first published after %s, when the list of crates was made, are not seen (-index-changes rss names them)", s.Listed.UTC().Format(time.RFC3339))
	case s.Fed.After(s.Listed):
		return fmt.Sprintf("crates that were first published between %s, when the list of crates was made, and %s, when the feed begins, are not seen: a newer list names them",
			s.Listed.UTC().Format(time.RFC3339), s.Fed.UTC().Format(time.RFC3339))
	}
	return ""
}

// parallel returns the number of files requested at a time.
func (l *look) parallel() int { return cmp.Or(l.o.Parallel, 32) }
