package sparse

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/git"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/human"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/index"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/index/clone"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/index/details"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/upstream"
)

// asking is a file to ask for.
type asking struct {
	name, path string
	have       git.ID // what is here; zero: nothing
	val        Validator
	version    string // that should be in it; may be ""
}

// look is one call of Bring.
type look struct {
	o     *Observer
	work  *git.Porcelain
	repo  *git.Repository
	head  git.Revision
	begun time.Time
	was   state
	next  state
	emit  *emitter
	spool *spool
	seen  map[string]bool // paths of crates that were wished for
	unfed error           // why the feed could not be read

	newsOnly bool // what is here and not in the feed is not asked for

	reading sync.Mutex // guards old
	old     *git.Batch // reads files of HEAD; nil: there is none
	known   validators // for the goroutine that says what to ask for

	mu     sync.Mutex // guards what follows
	result Result
	again  []string
	follow bool // note deps
	deps   []string
}

// close ends what is still running.
func (l *look) close() error {
	l.emit.abort()
	errs := []error{l.spool.close()}
	for _, b := range []*git.Batch{l.old, l.known.Batch} {
		if b != nil {
			errs = append(errs, b.Close())
		}
	}
	return errors.Join(errs...)
}

// blob is what HEAD has at a path, zero for nothing.
func (l *look) blob(path string) (git.ID, error) {
	if l.old == nil {
		return git.ID{}, nil
	}
	l.reading.Lock()
	defer l.reading.Unlock()
	_, id, err := l.old.Object(l.head.Commit+":"+path, "blob", index.MaxFile)
	if isAbsent(err) {
		return git.ID{}, nil
	}
	return id, err
}

// content is what HEAD has in a file.
func (l *look) content(id git.ID) ([]byte, error) {
	l.reading.Lock()
	defer l.reading.Unlock()
	text, _, err := l.old.Object(id.String(), "blob", index.MaxFile)
	return text, err
}

// validator returns what a file came with.
func (l *look) validator(file index.File) (Validator, error) {
	if l.was.Commit == "" || file.Blob == (git.ID{}) {
		return Validator{}, nil
	}
	if err := l.known.ask(stateRef + ":" + file.Path); err != nil {
		return Validator{}, err
	}
	return l.known.answer(&file)
}

// ask asks for files, many at a time. That some cannot be had is no error.
func (l *look) ask(ctx context.Context, files iter.Seq2[asking, error]) error {
	g, ctx := errgroup.WithContext(ctx)
	todo := make(chan asking)
	g.Go(func() error {
		defer close(todo)
		for a, err := range files {
			if err != nil {
				return err
			}
			select {
			case todo <- a:
			case <-ctx.Done():
				return context.Cause(ctx)
			}
		}
		return nil
	})
	for range cmp.Or(l.o.Parallel, 32) {
		g.Go(func() error {
			for a := range todo {
				if err := l.one(ctx, a); err != nil {
					return err
				}
			}
			return nil
		})
	}
	return g.Wait()
}

// one asks for a file and takes what comes.
func (l *look) one(ctx context.Context, a asking) error {
	err := l.take(ctx, a)
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case !isOwnFault(err):
		return err
	}
	l.askAgain(a.name)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.result.Failed++
	if len(l.result.Failures) < maxFailures {
		l.result.Failures = append(l.result.Failures, fmt.Errorf("%s: %w", a.name, err))
	}
	return nil
}

// isOwnFault reports whether an error is about one file, and not about all.
func isOwnFault(err error) bool {
	return errors.As(err, new(*upstream.AskError)) || errors.As(err, new(*ContentError))
}

// tell tells of the progress.
func (l *look) tell() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.result.Asked++; l.work.Progress != nil && l.result.Asked%64 == 1 {
		l.work.Progress(fmt.Sprintf("%s files asked for, %s new or changed", human.Count(l.result.Asked-1), human.Count(l.result.Changed)))
	}
}

func (l *look) take(ctx context.Context, a asking) error {
	var had []byte
	if a.have != (git.ID{}) && (l.follow || a.version != "") {
		var err error
		if had, err = l.content(a.have); err != nil {
			return err
		}
		if versions(had)[a.version] { // the feed says what is known
			if l.newsOnly {
				l.note(a, had)
				return nil
			}
			a.version = ""
		}
	}
	l.tell()
	f, err := l.o.Client.Get(ctx, a.name, a.val)
	defer func() { f.Release() }()
	if errors.Is(err, fs.ErrNotExist) {
		return l.gone(ctx, a)
	}
	if err != nil {
		return err
	}
	if doubt, err := l.doubts(a, &f, had); err != nil {
		return err
	} else if doubt {
		f.Release()
		if f, err = l.o.Client.GetAgain(ctx, a.name); err != nil {
			return err
		}
		if a.version != "" && !versions(f.Body)[a.version] {
			l.askAgain(a.name) // caches may be behind the feed
		}
	}
	if f.NotModified {
		l.note(a, had)
		return nil
	}
	l.note(a, f.Body)
	return l.put(a, &f)
}

// doubts reports whether a file is less than it was, or than the feed says: such an
// answer is to be confirmed.
func (l *look) doubts(a asking, f *File, had []byte) (bool, error) {
	if a.version != "" && (f.NotModified || !versions(f.Body)[a.version]) {
		return true, nil // what is here does not have it either
	}
	if a.have == (git.ID{}) || f.NotModified || blobID(f.Body) == a.have {
		return false, nil
	}
	var err error
	if had == nil {
		had, err = l.content(a.have)
	}
	return err == nil && shrunk(had, f.Body), err
}

// askAgain has a crate asked for in the next look.
func (l *look) askAgain(name string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.again) <= maxAgain {
		l.again = append(l.again, name)
	}
}

// put keeps what came.
func (l *look) put(a asking, f *File) error {
	id := blobID(f.Body)
	if id != a.have {
		if err := l.emit.file(a.path, f.Body); err != nil {
			return err
		}
		l.mu.Lock()
		l.result.Changed++
		l.mu.Unlock()
	}
	if id == a.have && f.Validator == a.val {
		return nil
	}
	return l.spool.add(a.path, remembered(id, f.Validator))
}

// gone takes note of a crate that the index does not have. One that was here, or that
// the feed names, is asked for a second time.
func (l *look) gone(ctx context.Context, a asking) error {
	if a.have == (git.ID{}) && a.version == "" {
		return nil
	}
	f, err := l.o.Client.GetAgain(ctx, a.name)
	defer func() { f.Release() }()
	if err == nil {
		l.note(a, f.Body)
		return l.put(a, &f)
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if a.have == (git.ID{}) {
		l.askAgain(a.name) // the index may be behind the feed, which will not name it again
		return nil
	}
	l.mu.Lock()
	l.result.Removed++
	l.mu.Unlock()
	return l.emit.remove(a.path)
}

// note notes what a crate depends on.
func (l *look) note(a asking, text []byte) {
	if !l.follow {
		return
	}
	found := map[string]bool{}
	for line := range bytes.Lines(text) {
		d, err := details.Parse(bytes.TrimRight(line, "\r\n"))
		if err != nil {
			continue
		}
		for _, dep := range d.Deps {
			if dep.Registry == "" && crate.CheckName(dep.Crate()) == nil {
				found[dep.Crate()] = true
			}
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for name := range found {
		l.deps = append(l.deps, name)
	}
}

var errNothingNamed = errors.New("a sparse index has no list of its crates, and nothing names one that it has: name all with -index-changes, or a part with -crates or -lockfile")

// conclude makes facts of what was seen.
func (l *look) conclude(ctx context.Context) error {
	if l.result.Failed > 0 && l.result.Failed == l.result.Asked {
		return fmt.Errorf("the index gave out none of the %s files that it was asked for; the first: %w", human.Count(l.result.Asked), l.result.Failures[0])
	}
	if l.head.Commit == "" && l.result.Changed == 0 {
		return errNothingNamed
	}
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
	if err != nil {
		return err
	}
	if l.next.Commit = now.Commit; len(l.again) <= maxAgain {
		l.next.Again = l.again
	} else {
		l.next.Looked = time.Time{}
	}
	if err := l.remember(ctx); err != nil {
		return err
	}
	l.result.Unknown = l.unknown()
	l.o.Log.Info("looked at the sparse index", "asked", l.result.Asked, "changed", l.result.Changed, "removed", l.result.Removed, "failed", l.result.Failed)
	l.o.last.Store(&l.result)
	return nil
}

// remember keeps the state, and what came with the files.
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

// unknown says why crates may be missing of which nothing is here.
func (l *look) unknown() string {
	s := &l.next
	switch {
	case l.o.Part:
		return ""
	case l.unfed != nil && !s.Looked.Equal(l.begun):
		return fmt.Sprintf("the feed of new versions could not be read: %v", l.unfed)
	case s.Listed.IsZero():
		return "a sparse index has no list of its crates, and nothing else named all of them: crates that are new are not seen (-index-changes LIST names them)"
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
