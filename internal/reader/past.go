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

// A Past is a commit of the index to which a point in the past has led.
type Past struct {
	index.Revision
	// Final says that the point leads to no other commit from now on: it is the full id of
	// one, or a day that is over. If a day is removed (-keep-days), an earlier one takes its
	// place.
	Final bool
}

const (
	// pointsFor is how long the commit of a point is remembered, while nothing goes wrong:
	// days may be thinned out, commits removed. When the index that is shown changes, it is
	// looked up again at once.
	pointsFor = time.Minute
	// maxPoints bounds how many ids of commits are remembered, with some 200 bytes
	// each.
	maxPoints = 4096
)

// points remembers where points in the past have led, of the index at one commit.
type points struct {
	of   *pinned
	made time.Time
	days []index.Day

	mu      sync.Mutex // guards what follows
	commits map[string]index.Revision
}

// past is what the view knows of the past of its index.
type past struct {
	// slots has one in it for each reader of the past. They are half as many as
	// there are gits, so that those who ask for thousands of commits, which no cache
	// can hold, leave some to all others.
	slots chan struct{}

	histories histories

	now     atomic.Pointer[points] // what is known; nil: nothing yet
	listing sync.Mutex             // lets one at a time list the days
}

func newPast(readers int) *past {
	return &past{slots: make(chan struct{}, max(1, readers/2)), histories: histories{one: make(chan struct{}, 1), patience: historyTime}}
}

// Days returns the days of the index's past that are kept, the oldest first; none
// of a plain folder. The slice must not be changed.
func (v *View) Days(ctx context.Context) ([]index.Day, error) {
	p := v.index.take()
	defer v.index.done(p)
	known, err := v.past.points(ctx, p)
	if err != nil {
		return nil, err
	}
	return known.days, nil
}

// At finds the commit to which a point in the past leads, as [index.Index.At] does.
// Errors: fs.ErrNotExist; [index.ErrNoPast] if the index is a plain folder.
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
	// Of a day that no later commit has ended, more may come.
	return Past{rev, point < p.CommitTime().UTC().Format(time.DateOnly)}, nil
}

// CrateAt returns what was shown of a crate, whatever the case of name, if the index
// is at a commit, given by its full id: the lines of then whose bytes are held now,
// also if others have taken their place since. What it returns may be kept. Errors:
// as Crate.
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

// everHeld accepts rows of bytes that a version has or had.
func everHeld(*catalog.Version) bool { return true }

// read gives fn one of the slots.
func (x *past) read(ctx context.Context, fn func() error) error {
	select {
	case x.slots <- struct{}{}:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	defer func() { <-x.slots }()
	return fn()
}

// readDays lists the days before one is asked for, which takes some 30 ms for years of
// them. An error is returned to requests.
func (v *View) readDays(ctx context.Context) {
	p := v.index.take()
	defer v.index.done(p)
	_, _ = v.past.list(ctx, p, pointsFor)
}

// points returns what is known of the past of an index, its days listed.
func (x *past) points(ctx context.Context, p *pinned) (*points, error) {
	return x.list(ctx, p, 2*pointsFor) // readDays comes first
}

// list lists the days, unless that was done a short while ago.
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

// holds reports whether it is known of an index where its points lead.
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
		clear(known.commits) // what is asked for again is soon there again
	}
	known.commits[id] = rev
	return rev, nil
}
