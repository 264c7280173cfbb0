package reader

import (
	"context"
	"fmt"
	"io/fs"
	"sync"
	"sync/atomic"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/catalog"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/index"
)

// A Past is the commit of a point in the past.
type Past struct {
	index.Revision
	// Final says that the point will always mean this commit: it is a full commit id, or a
	// past day. If a day is removed (-keep-days), an earlier one replaces it.
	Final bool
}

const (
	// pointsFor is how long the commit of a point is cached without errors: days may be
	// thinned out, commits removed. When the current index changes, it is looked up again
	// immediately.
	pointsFor = time.Minute
	// maxPoints is the number of cached commit ids, some 200 bytes each.
	maxPoints = 4096
)

// points caches the commits of points in the past, for the index at one commit.
type points struct {
	of   *pinned
	made time.Time
	days []index.Day

	mu      sync.Mutex // guards what follows
	commits map[string]index.Revision
}

// past is what the view knows of the past of its index.
type past struct {
	// slots has one element for each reader of the past. There are half as many as gits, so
	// that requests for thousands of commits, which no cache can hold, leave some gits to
	// the others.
	slots chan struct{}

	histories histories

	now     atomic.Pointer[points] // what is known; nil: nothing yet
	listing sync.Mutex             // only one caller lists the days at a time
}

func newPast(readers int) *past {
	return &past{slots: make(chan struct{}, max(1, readers/2)), histories: histories{one: make(chan struct{}, 1), patience: historyTime}}
}

// Days returns the recorded days of the index's past, the oldest first; none for a plain
// folder. The slice must not be changed.
func (v *View) Days(ctx context.Context) ([]index.Day, error) {
	p := v.index.take()
	defer v.index.done(p)
	known, err := v.past.points(ctx, p)
	if err != nil {
		return nil, err
	}
	return known.days, nil
}

// At returns the commit of a point in the past, as [index.Index.At] does. Errors:
// fs.ErrNotExist; [index.ErrNoPast] if the index is a plain folder.
func (v *View) At(ctx context.Context, point string) (Past, error) {
	p := v.index.take()
	defer v.index.done(p)
	switch {
	case p.Commit() == "":
		return Past{}, index.ErrNoPast
	case !index.IsCommit(point) && !index.IsDay(point):
		return Past{}, fmt.Errorf("%.40q is neither a day, YYYY-MM-DD, nor the id of a commit: %w", point, fs.ErrNotExist)
	}
	known, err := v.past.points(ctx, p)
	if err != nil {
		return Past{}, err
	}
	if index.IsCommit(point) {
		rev, err := known.commit(ctx, v.past, point)
		return Past{rev, rev.Commit == point}, err
	}
	rev, err := p.On(known.days, point)
	if err != nil {
		return Past{}, fmt.Errorf("looking for %s in the past of the index: %w", point, err)
	}
	// A day without a later commit may still get more commits.
	return Past{rev, point < p.CommitTime().UTC().Format(time.DateOnly)}, nil
}

// CrateAt returns the visible part of a crate, whatever the case of name, with the index at
// a commit given by its full id: the lines of that time whose bytes are held now, even if
// others have replaced them since. The caller may keep the result. Errors: those of Crate.
func (v *View) CrateAt(ctx context.Context, commit, name string) (*Crate, error) {
	return v.crate(ctx, name, everHeld, func() (file *index.Crate, err error) {
		err = v.past.read(ctx, func() error {
			p := v.index.take()
			defer v.index.done(p)
			if p.Commit() == "" {
				return index.ErrNoPast
			}
			file, err = p.lookup.CrateAt(ctx, commit, name)
			return err
		})
		return file, err
	})
}

// everHeld accepts rows of current and earlier bytes.
func everHeld(*catalog.Version) bool { return true }

// read calls fn with one of the slots.
func (x *past) read(ctx context.Context, fn func() error) error {
	select {
	case x.slots <- struct{}{}:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	defer func() { <-x.slots }()
	return fn()
}

// readDays lists the days before they are requested, which takes some 30 ms for years of
// them. Requests get the errors.
func (v *View) readDays(ctx context.Context) {
	p := v.index.take()
	defer v.index.done(p)
	_, _ = v.past.list(ctx, p, pointsFor)
}

// points returns the points of an index, with its days listed.
func (x *past) points(ctx context.Context, p *pinned) (*points, error) {
	return x.list(ctx, p, 2*pointsFor) // readDays comes first
}

// list lists the days, unless that was done recently.
func (x *past) list(ctx context.Context, p *pinned, recently time.Duration) (*points, error) {
	if now := x.now.Load(); now.holds(p, recently) {
		return now, nil
	}
	x.listing.Lock()
	defer x.listing.Unlock()
	if now := x.now.Load(); now.holds(p, recently) {
		return now, nil
	}
	days, err := p.Days(ctx)
	if err != nil {
		return nil, err
	}
	now := &points{of: p, made: time.Now(), days: days, commits: map[string]index.Revision{}}
	x.now.Store(now)
	return now, nil
}

// holds reports whether the points are those of an index, and recent.
func (known *points) holds(p *pinned, recently time.Duration) bool {
	return known != nil && known.of == p && time.Since(known.made) < recently
}

// commit finds a commit by the beginning of its id.
func (known *points) commit(ctx context.Context, x *past, id string) (rev index.Revision, err error) {
	known.mu.Lock()
	rev, ok := known.commits[id]
	known.mu.Unlock()
	if ok {
		return rev, nil
	}
	err = x.read(ctx, func() (err error) {
		rev, err = known.of.lookup.Commit(ctx, id)
		return err
	})
	if err != nil {
		return rev, err
	}
	known.mu.Lock()
	defer known.mu.Unlock()
	if len(known.commits) >= maxPoints {
		clear(known.commits) // what is in use is soon looked up again
	}
	known.commits[id] = rev
	return rev, nil
}
