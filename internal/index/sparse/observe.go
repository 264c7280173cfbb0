package sparse

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/git"
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
	// Feed returns what was published lately. While it has no gap, what it names is asked
	// for, and a share of the rest (share.go).
	Feed func(ctx context.Context) (feed.Feed, error)
	// Changed calls fn for the files of the index in git that are others at its newest
	// commit, which it returns, than at the commit since, with the id of the blob or
	// zero for a file that is gone; if it knows no such commit, for all files. While it
	// answers, what it names is asked for, and a share of the rest.
	Changed func(ctx context.Context, since string, fn func(file string, blob git.ID) error) (commit string, err error)
	// FullEvery is in what time everything is asked for, a share in each look, where
	// Feed or Changed say what is new: feeds do not tell of what was yanked or removed.
	// If 0, DefaultFullEvery.
	FullEvery time.Duration
	// Lists name all crates.
	Lists []List
	// Parallel is how many files are asked for at a time. Default 32.
	Parallel int
	Log      *slog.Logger // may be nil

	last atomic.Pointer[Result]
	now  func() time.Time // for tests
}

// A Result is what a look at the index came to.
type Result struct {
	Asked, Changed, Removed, Failed int64
	Failures                        []error // the first of those that failed
	Lied                            int64   // files that the index wrongly reported as unchanged
	// Unknown says why it cannot be known whether the index has crates that are not here; ""
	// if it is known.
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
	o.Log, o.FullEvery = cmp.Or(o.Log, slog.New(slog.DiscardHandler)), cmp.Or(o.FullEvery, DefaultFullEvery)
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
