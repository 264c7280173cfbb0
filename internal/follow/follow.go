// Package follow keeps a mirror up to date: it opens it, makes one round or a round every
// so often (update the index, mirror what has changed since the last round, look what is
// wrong), and reports its state.
//
// A [Session] is an open mirror with what belongs to it, for one run of package
// mirror or many. A [Follower] makes rounds on one. An [Activity] is what the process
// is doing, as run.json, /api/status and the metrics show it.
//
// # What a follower remembers
//
// In memory alone, so that the first round of a process looks at everything: the commit
// of the index that is mirrored, what was missing then, and which crates to try again. A
// round compares the index with that commit. Once a day, and whenever the catalog was
// damaged, everything is looked at again.
package follow

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/catalog"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/git"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/home"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/index"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/index/clone"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/mirror"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/plan"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/runstate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/stream"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/verdict"
)

// Config is a sync.
type Config struct {
	SessionConfig
	Every time.Duration // between two rounds; 0: there is one
	// Update brings the index to what upstream has; its Progress is set. If nil, the
	// index is taken as it is.
	Update *clone.Config
	// Doubt is the verdict on what an update could not find out of the index; nil in
	// place of it: there is nothing to doubt.
	Doubt func() error
	// Early returns when there is something new before the time of the next round has
	// come, or ctx ends. If nil, each round waits for its time.
	Early func(ctx context.Context)
	// WatchUpdate shows how far git is, in its words, until stop is called. If nil, it
	// is not shown.
	WatchUpdate func(look func() string) (stop func())
	// AcceptShrink accepts what many removed crates are otherwise refused for, in the first
	// round that ends.
	AcceptShrink bool
	// Job is a run over a source, from the index that it was made of.
	Job func(ctx context.Context, ix *index.Index, source plan.Source) (mirror.Config, error)
	// Part chooses from the index. If nil, all of it is mirrored.
	Part func(ctx context.Context, ix *index.Index) (plan.Source, error)
	// Describe brings the sidecars of what ix names up to date. It may return a
	// verdict. If nil, there are no sidecars.
	Describe func(ctx context.Context, ix *index.Index) error
	// Pack moves what has come into the deep archive. If nil, nothing is moved.
	Pack func(ctx context.Context, w *home.Writer) error
	// State states what is held, at the end of a round without fault, at most once an
	// hour. If nil, no statements are made.
	State func(ctx context.Context, w *home.Writer) error
	// PushEvery is the least time between two pushes of a follower: each makes a bundle
	// of what has come since. The first round always pushes.
	PushEvery time.Duration
	// BundleEvery is how long a follower puts crates into the same bundle at most; 0:
	// until it is full.
	BundleEvery time.Duration
	// AllowMissing: what upstream refuses does not make a run incomplete.
	AllowMissing bool
	// Ended is called with each run of a follower that ended. It may be nil.
	Ended func(*mirror.Summary)
}

// Follower makes the rounds of a sync. Its methods are for one goroutine.
type Follower struct {
	cfg  Config
	open *Session

	base      *baseline       // nil: everything must be checked
	described error           // the verdict on the sidecars of this round
	summary   *mirror.Summary // of the last run, nil if there was none in this round
	held      int64           // versions, if this round looked at all of them; 0: not known
	answered  bool            // upstream has given out the index to this process
	packed    bool            // this process has looked at all that might be packed
	pushed    time.Time       // when this process pushed last
	owes      bool            // crates are in a bundle that is open, and so not pushed
	opened    time.Time       // when it began to owe
	stated    time.Time       // when this process stated last what is held
	news      index.Revision  // up to which new versions were told of
	recorded  bool            // the manifest of a run of this process has all that was held
}

// New returns a follower that has made no round yet.
func New(cfg Config) *Follower { return &Follower{cfg: cfg} }

// Summary is that of the run of the last round, nil if it had none.
func (f *Follower) Summary() *mirror.Summary { return f.summary }

// Once makes one round. Errors: verdicts on the mirror (package verdict), and why the
// round could not continue.
func (f *Follower) Once(ctx context.Context) error {
	defer f.cfg.Close()
	return Open(ctx, &f.cfg.SessionConfig, func(s *Session) error {
		f.open, f.recorded = s, false
		start := time.Now()
		err := f.round(ctx)
		switch {
		case ctx.Err() != nil || errors.Is(err, catalog.ErrDamaged): // it was stopped; or Open tries again
			return err
		case err == nil || verdict.Is(err):
			f.cfg.Activity.ended(err)
		default:
			f.cfg.Activity.failed(err)
		}
		f.keep(start, err)
		return err
	})
}

// errReopen ends a session after which the next round needs a new one: what it
// has open may be the reason why the last round failed.
var errReopen = errors.New("reopening the mirror before the next round")

// Follow makes rounds until ctx ends. It gives up only where a person must look and no
// later round can do better: if the mirror cannot be opened in the first place, if the
// index is a user's own repository, if what reads the manifest has gone, or if the URL of
// the index that was given has never answered, which is more likely a wrong address than
// an outage.
func (f *Follower) Follow(ctx context.Context) error {
	defer f.cfg.Close()
	for opened := false; ; {
		err := Open(ctx, &f.cfg.SessionConfig, func(s *Session) error {
			opened, f.open = true, s
			return f.rounds(ctx)
		})
		switch {
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case errors.Is(err, errReopen):
			continue
		case !opened, f.isHopeless(err):
			return err
		}
		f.failed(err)
		if err := f.wait(ctx, f.backoff()); err != nil {
			return err
		}
	}
}

func (f *Follower) isHopeless(err error) bool {
	silent := errors.As(err, new(*git.StalledError)) && f.cfg.Update != nil && f.cfg.Update.URL != "" && !f.answered
	return silent || errors.As(err, new(*clone.ForeignError)) || errors.As(err, new(*stream.Error))
}

// rounds makes rounds on an open mirror, until one cannot continue.
func (f *Follower) rounds(ctx context.Context) error {
	for {
		f.cfg.Activity.round(func(r *rounds) { r.next = time.Time{} })
		start := time.Now()
		err := f.round(ctx)
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if f.isHopeless(err) {
			return err
		}
		if errors.Is(err, catalog.ErrDamaged) {
			f.base = nil
			return err
		}
		f.keep(start, err)
		if err != nil && !verdict.Is(err) {
			f.failed(err)
			if err := f.wait(ctx, f.backoff()); err != nil {
				return err
			}
			return errReopen
		}
		f.came(err, time.Since(start))
		if err := f.rest(ctx); err != nil {
			f.lastBundle(ctx)
			return err
		}
	}
}

// came notes a round that ended. What was accepted once is not accepted in later rounds.
func (f *Follower) came(fault error, took time.Duration) {
	f.cfg.AcceptShrink = false
	f.cfg.Activity.ended(fault)
	if f.summary == nil {
		f.cfg.Log.Debug("nothing new", "took", took)
		return
	}
	if f.cfg.Ended != nil {
		f.cfg.Ended(f.summary)
	}
	if fault != nil {
		f.cfg.Log.Warn("the mirror is not as it should be", "err", fault)
	}
}

func (f *Follower) failed(err error) {
	f.cfg.Activity.failed(err)
	f.cfg.Log.Error("this round failed; nothing is lost, the next one tries again", "err", err)
}

// firstBackoff is the wait after one failure, doubled with each, up to Every.
const firstBackoff = 15 * time.Second

func (f *Follower) backoff() time.Duration {
	n := min(f.cfg.Activity.following().broken, 20) // 15 s << 19 is half a year
	return min(f.cfg.Every, firstBackoff<<(n-1))
}

// rest waits for the next round, or until there is something new.
func (f *Follower) rest(ctx context.Context) error {
	if f.cfg.Early == nil {
		return f.wait(ctx, f.cfg.Every)
	}
	resting, wake := context.WithCancelCause(ctx)
	early := make(chan struct{})
	go func() {
		defer close(early)
		f.cfg.Early(resting)
		wake(errEarly)
	}()
	err := f.wait(resting, f.cfg.Every)
	wake(nil)
	<-early
	if ctx.Err() == nil && errors.Is(err, errEarly) {
		return nil
	}
	return err
}

var errEarly = errors.New("there is something new")

// wait waits for the next round, a tenth more or less, so that the mirrors of
// the world do not come all at once. It fails when ctx ends.
func (f *Follower) wait(ctx context.Context, d time.Duration) error {
	d += time.Duration((rand.Float64() - 0.5) / 5 * float64(d))
	f.cfg.Activity.enter(runstate.Waiting, "")
	f.cfg.Activity.round(func(r *rounds) { r.next = time.Now().Add(d) })
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
