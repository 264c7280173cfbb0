package reader

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/diff"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/index"
)

// A History is a part of a crate's past.
type History struct {
	Days []ChangedDay // on which the crate's file changed, the latest first
	// Until and From are the last and the first day that were examined. If Earlier is
	// empty, From is the first recorded day.
	Until, From string
	Earlier     string // the day to continue with; empty: all days were examined
	Versions    int    // of the crate on the first recorded day, if all days were examined
}

// A ChangedDay is the changes of a crate on a day.
type ChangedDay struct {
	index.Day
	Changes []diff.Change // the first ones
	More    int           // number of changes left out
	New     bool          // the crate did not exist the day before
	Gone    bool          // the crate no longer exists
	Unread  bool          // the file of this day, or of the day before, cannot be parsed
}

// Limits of one History, so that a crate with thousands of days costs no more than a page.
const (
	historyDays    = 400 // days examined: each reads a git tree
	historyChanged = 30  // days with changes: each reads an index file
	historyChanges = 50  // changes of one day
	historyTime    = 2 * time.Second
	maxHistories   = 128 // histories in memory, each at most some 300 kB
)

// ErrBusy means that other requests read so much of the past that this one had to give up.
var ErrBusy = errors.New("others are reading the past of the index; ask again in a moment")

// histories caches what does not change while the index does not.
type histories struct {
	one      chan struct{} // has one element during a reading: other requests get git between two days
	patience time.Duration // historyTime, except in tests

	mu   sync.Mutex // guards what follows
	read map[historyKey]*History
}

type historyKey struct{ commit, path, until string }

// History returns the changes of a crate, whatever the case of its name, up to the end of a
// day, and as far back as one part goes; an empty until means now. The result must not be
// changed. Errors: fs.ErrNotExist if the mirror has no bytes of the crate;
// [index.ErrNoPast]; ErrBusy.
func (v *View) History(ctx context.Context, name, until string) (*History, error) {
	rows, err := v.rowsOf(ctx, name)
	if err != nil {
		return nil, err
	}
	if len(rows) == 0 && !v.cfg.All {
		return nil, noVersion(name)
	}
	p := v.index.take()
	defer v.index.done(p)
	if p.Commit() == "" {
		return nil, index.ErrNoPast
	}
	key := historyKey{p.Commit(), crate.IndexPath(name), until}
	if h := v.past.histories.get(key); h != nil {
		return h, nil
	}
	known, err := v.past.points(ctx, p)
	if err != nil {
		return nil, err
	}
	patience, cancel := context.WithTimeout(ctx, v.past.histories.patience)
	defer cancel()
	select {
	case v.past.histories.one <- struct{}{}:
	case <-patience.Done():
		return nil, busyUnless(ctx)
	}
	defer func() { <-v.past.histories.one }()
	r := &historian{past: v.past, index: p, name: name, days: upTo(daysAndNow(known.days, p.Index), until)}
	complete, err := r.read(patience)
	switch {
	case ctx.Err() != nil:
		return nil, context.Cause(ctx)
	case err != nil:
		return nil, fmt.Errorf("reading the history of %s: %w", name, err)
	case complete:
		v.past.histories.put(key, &r.History)
	case r.Earlier == r.Until:
		return nil, ErrBusy
	}
	return &r.History, nil
}

// busyUnless returns ErrBusy unless the caller has left.
func busyUnless(ctx context.Context) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return ErrBusy
}

// daysAndNow returns the recorded days, with the current index as the last.
func daysAndNow(kept []index.Day, now *index.Index) []index.Day {
	today := index.Day{Date: now.CommitTime().UTC().Format(time.DateOnly), Revision: index.Revision{Commit: now.Commit(), Time: now.CommitTime()}}
	return append(slices.Clone(upTo(kept, now.CommitTime().UTC().AddDate(0, 0, -1).Format(time.DateOnly))), today)
}

// upTo returns the days that are not after until.
func upTo(days []index.Day, until string) []index.Day {
	for len(days) > 0 && until != "" && days[len(days)-1].Date > until {
		days = days[:len(days)-1]
	}
	return days
}

// A historian reads one History.
type historian struct {
	History
	past  *past
	index *pinned
	name  string
	days  []index.Day
}

// read goes back day by day, until it has enough (true) or ctx ends (false).
func (r *historian) read(ctx context.Context) (complete bool, err error) {
	if len(r.days) == 0 {
		return true, nil
	}
	n := len(r.days) - 1
	r.Until = r.days[n].Date
	blob, err := r.blob(ctx, r.days[n])
	for ; err == nil && n > 0; n-- {
		if len(r.days)-n > historyDays || len(r.Days) == historyChanged {
			r.Earlier = r.days[n].Date
			return true, nil
		}
		var before index.Blob
		if before, err = r.blob(ctx, r.days[n-1]); err == nil && before != blob {
			err = r.changed(ctx, n, before, blob)
		}
		if err != nil {
			break
		}
		blob, r.From = before, r.days[n].Date
	}
	if err == nil {
		err = r.first(ctx, blob)
	}
	if err != nil && ctx.Err() != nil {
		r.Earlier = r.days[n].Date
		return false, nil
	}
	return true, err
}

// first handles the first recorded day, which has no day before.
func (r *historian) first(ctx context.Context, blob index.Blob) error {
	c, err := r.file(ctx, r.days[0], blob)
	if c != nil {
		r.Versions = len(c.Entries)
	}
	if err == nil {
		r.From = r.days[0].Date
	}
	return err
}

// changed adds the changes of the crate on the n-th day.
func (r *historian) changed(ctx context.Context, n int, before, after index.Blob) error {
	was, err := r.file(ctx, r.days[n-1], before)
	if err != nil {
		return err
	}
	is, err := r.file(ctx, r.days[n], after)
	if err != nil {
		return err
	}
	all := diff.Compare(was, is)
	some := slices.Clone(all[:min(len(all), historyChanges)])
	unread := was != nil && was.Err != nil || is != nil && is.Err != nil
	r.Days = append(r.Days, ChangedDay{r.days[n], some, len(all) - len(some), was == nil, is == nil, unread})
	return nil
}

func (r *historian) blob(ctx context.Context, day index.Day) (blob index.Blob, err error) {
	err = r.past.read(ctx, func() error {
		blob, err = r.index.lookup.BlobAt(ctx, day.Commit, r.name)
		return err
	})
	return blob, err
}

// file returns the crate's file on a day, or nil if blob says that there is none.
func (r *historian) file(ctx context.Context, day index.Day, blob index.Blob) (c *index.Crate, err error) {
	if blob == (index.Blob{}) {
		return nil, nil
	}
	err = r.past.read(ctx, func() error {
		c, err = r.index.lookup.CrateAt(ctx, day.Commit, r.name)
		return err
	})
	return c, err
}

func (x *histories) get(key historyKey) *History {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.read[key]
}

func (x *histories) put(key historyKey, h *History) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.read == nil || len(x.read) >= maxHistories {
		x.read = make(map[historyKey]*History) // what is in use is soon read again
	}
	x.read[key] = h
}
