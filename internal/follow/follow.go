// Package follow keeps a mirror up to date. It opens the mirror and makes one round, or one
// per interval: it updates the index, mirrors what changed since the last round and judges the
// result. It also reports its state.
//
// A [Session] is an open mirror with its locks, catalog, log and client, for one or several
// runs of package mirror. A [Follower] makes rounds on a session. An [Activity] is the state
// of the process, as shown by run.json, /api/status and the metrics.
//
// # What a follower remembers
//
// A follower remembers which commit of the index it has mirrored, what was missing then, and
// which crates to try again. A round compares the index with that commit. This memory ends with
// the process, so its first round checks everything; so does one round per day, and any round
// after the catalog was damaged.
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

// Config configures a sync.
type Config struct {
	SessionConfig
	Every time.Duration // between two rounds; 0: make one round
	// Update updates the index from upstream; its Progress is set. If nil, the index is
	// used as it is.
	Update *clone.Config
	// Doubt returns an error if an update could not determine something about the index. If
	// nil, there is no doubt.
	Doubt func() error
	// Early returns as soon as there is something new, or ctx ends. If nil, each round
	// starts on schedule.
	Early func(ctx context.Context)
	// WatchUpdate shows git's progress, in git's words, until stop is called. If nil, it is
	// not shown.
	WatchUpdate func(look func() string) (stop func())
	// AcceptShrink lets the first round that succeeds remove many crates, which is otherwise
	// refused.
	AcceptShrink bool
	// Job returns the configuration of a run over a source that was made from ix.
	Job func(ctx context.Context, ix *index.Index, source plan.Source) (mirror.Config, error)
	// Part selects a part of the index. If nil, all of it is mirrored.
	Part func(ctx context.Context, ix *index.Index) (plan.Source, error)
	// Describe updates the sidecars of the crates in ix. It may return a verdict. If nil,
	// there are no sidecars.
	Describe func(ctx context.Context, ix *index.Index) error
	// Pack moves new crates into the deep archive. If nil, nothing is moved.
	Pack func(ctx context.Context, w *home.Writer) error
	// State publishes a statement of the mirror's contents, at the end of a round without
	// errors, at most once an hour. If nil, no statements are made.
	State func(ctx context.Context, w *home.Writer) error
	// PushEvery is the shortest time between two pushes: each makes a bundle of what is new.
	// The first round always pushes.
	PushEvery time.Duration
	// BundleEvery is the longest time that a follower adds crates to the same bundle; 0: until
	// the bundle is full.
	BundleEvery time.Duration
	// AllowMissing treats a run as complete even if upstream refuses some versions.
	AllowMissing bool
	// Ended is called after each run of a follower. It may be nil.
	Ended func(*mirror.Summary)
}

// Follower makes the rounds of a sync. It must not be used concurrently.
type Follower struct {
	cfg  Config
	open *Session

	base      *baseline       // nil: check everything
	described error           // the verdict on the sidecars in this round
	summary   *mirror.Summary // of this round's run, nil if it had none
	held      int64           // number of stored versions, if this round checked all of them; 0: unknown
	answered  bool            // upstream has served the index to this process
	packed    bool            // this process has checked everything that might be packed
	pushed    time.Time       // when this process pushed last
	owes      bool            // the open bundle has crates, which are not pushed yet
	opened    time.Time       // when the open bundle got its first crate
	stated    time.Time       // when this process last made a statement
	news      index.Revision  // the revision up to which new versions were reported
	recorded  bool            // the manifest has everything that was already stored, from a run of this process
}

// New returns a follower that has made no round yet.
func New(cfg Config) *Follower { return &Follower{cfg: cfg} }

// Summary returns the summary of the last round's run, or nil if it had none.
func (f *Follower) Summary() *mirror.Summary { return f.summary }

// Once makes one round. Errors: verdicts on the mirror (package verdict), and the reason why
// the round could not continue.
func (f *Follower) Once(ctx context.Context) error {
	defer f.cfg.Close()
	return Open(ctx, &f.cfg.SessionConfig, func(s *Session) error {
		f.open, f.recorded = s, false
		start := time.Now()
		err := f.round(ctx)
		switch {
		case ctx.Err() != nil || errors.Is(err, catalog.ErrDamaged): // stopped; or Open tries again
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

// errReopen ends a session. The next round opens the mirror again, since the open files may be
// why this round failed.
var errReopen = errors.New("reopening the mirror before the next round")

// Follow makes rounds until ctx ends. It returns early only if a user must act because no
// later round can succeed: the mirror cannot be opened, the index is a user's own repository,
// the reader of the manifest is gone, or the index URL has never answered, which suggests a
// wrong address rather than an outage.
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

// rounds makes rounds on an open mirror until one cannot continue.
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

// came records that a round ended. A removal that the user accepted is not accepted again in
// later rounds.
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

// firstBackoff is the pause after one failure. It doubles with each, up to Every.
const firstBackoff = 15 * time.Second

func (f *Follower) backoff() time.Duration {
	n := min(f.cfg.Activity.following().broken, 20) // 15 s << 19 is half a year
	return min(f.cfg.Every, firstBackoff<<(n-1))
}

// rest waits for the next round, or until upstream has something new.
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

// wait waits for d, a tenth more or less at random, so that the mirrors of the world do not
// come all at once. It fails when ctx ends.
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
