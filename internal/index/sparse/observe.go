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

// A List calls fn for the names of all crates of an index. It returns the time of the list;
// zero means that it is current.
type List func(ctx context.Context, fn func(name string) error) (made time.Time, err error)

// An Observer keeps a git index up to date with a sparse one. The protocol has no list of
// crates, so it asks for the crates that it already has, and those that the fields name.
type Observer struct {
	Client *Client
	// Names returns crates to ask for, such as those that a part of a mirror begins with.
	Names func(ctx context.Context) ([]string, error)
	// Deps asks for all transitive dependencies of Names, too.
	Deps bool
	// Part says that only Names, and Deps, are wanted, so that other crates need not be
	// known.
	Part bool
	// Feed returns recent publications. While it has no gap, the observer asks for what it
	// names, and for a share of the rest (share.go).
	Feed func(ctx context.Context) (feed.Feed, error)
	// Changed calls fn for the files of the git index that differ between the commit since
	// and the newest commit, which it returns, with the id of the blob, or zero for a
	// removed file. If it does not know since, it calls fn for all files. While it answers,
	// the observer asks for what it names, and for a share of the rest.
	Changed func(ctx context.Context, since string, fn func(file string, blob git.ID) error) (commit string, err error)
	// FullEvery is the period in which everything is requested, a share in each look, if
	// Feed or Changed say what is new: feeds do not report yanked or removed versions. If
	// 0, DefaultFullEvery.
	FullEvery time.Duration
	// Lists name all crates.
	Lists []List
	// Parallel is the number of files requested at a time. Default 32.
	Parallel int
	Log      *slog.Logger // may be nil

	last atomic.Pointer[Result]
	now  func() time.Time // for tests
}

// A Result is the outcome of a look at the index.
type Result struct {
	Asked, Changed, Removed, Failed int64
	Failures                        []error // the first ones
	Lied                            int64   // files that the index wrongly reported as unchanged
	// Unknown says why the index may have crates that we lack; "" if it cannot.
	Unknown string
}

// maxFailures bounds Result.Failures.
const maxFailures = 20

// Last returns the result of the last completed look, or nil if there was none.
func (o *Observer) Last() *Result { return o.last.Load() }

// Bring makes [clone.Fetched] name a commit with the current content of the index, on top
// of HEAD; it is for clone.Config.Carried. Crates that could not be downloaded stay as they
// were, and are requested again later. If it fails or is killed, nothing has changed.
//
// It accepts that a crate or a version is gone only if the index says so twice, the second
// time past caches.
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
