// Package age finds out since when the index has named a version with its checksum, from the
// history of the index. Upstream's time of publication (pubtime) must agree with it, and it
// replaces a missing one.
//
// # Method
//
// It reads the lines added in as much history as the policy needs, at most 90 days, step by
// step from commit to commit. So the time of each line is known to be between two commits,
// and earlier lines are known to be at least as old. It downloads and stores nothing; a day
// of crates.io has some 1,300 lines.
//
// The history is that of the mirror's repository, including the recorded days, because
// upstream squashes its history. A plain folder has none.
package age

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"sync"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/index"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/policy"
)

const (
	// maxWindow is the maximum history that is read. A version that must be older, and has
	// no pubtime, waits as long after the window begins.
	maxWindow = 90 * 24 * time.Hour
	// steps is the number of pieces in which it is read: seven days are known to half a
	// day.
	steps = 14
	// minWindow is for policies with an age of minutes.
	minWindow = 24 * time.Hour
)

// A Table is what one commit of the index and its history say. It does not change.
type Table struct {
	head, base index.Revision
	came       map[crate.Key]policy.Seen // since base
}

// NewTable reads the history of the opened index in a directory, as far back as window.
// Errors: [index.ErrNoPast].
func NewTable(ctx context.Context, dir string, x *index.Index, window time.Duration) (*Table, error) {
	head := index.Revision{Commit: x.Commit(), Time: x.CommitTime()}
	window = min(max(window, minWindow), maxWindow)
	past, err := stepsSince(ctx, dir, head, head.Time.Add(-window), steps)
	if err != nil {
		return nil, err
	}
	t := &Table{head: head, base: past[0], came: map[crate.Key]policy.Seen{}}
	for i, to := range past[1:] {
		if err := t.read(ctx, x, past[i], to); err != nil {
			return nil, err
		}
	}
	return t, nil
}

// read adds the lines that were added between two commits.
func (t *Table) read(ctx context.Context, x *index.Index, from, to index.Revision) error {
	for d, err := range x.Differences(ctx, from, to) {
		if err != nil {
			return err
		}
		if d.After == nil {
			continue
		}
		was := map[crate.Key]bool{}
		if d.Before != nil {
			for _, e := range d.Before.Entries {
				was[crate.Key{ID: e.ID, Checksum: e.Checksum}] = true
			}
		}
		for _, e := range d.After.Entries {
			key := crate.Key{ID: e.ID, Checksum: e.Checksum}
			if _, known := t.came[key]; !known && !was[key] {
				t.came[key] = policy.Seen{First: to.Time, After: from.Time}
			}
		}
	}
	return nil
}

// Seen returns since when a line of t's commit has existed.
func (t *Table) Seen(key crate.Key) policy.Seen {
	if seen, found := t.came[key]; found {
		return seen
	}
	return policy.Seen{First: t.base.Time}
}

// A Book keeps a Table up to date with the index. Its methods may be called concurrently.
type Book struct {
	dir    string
	window time.Duration
	log    *slog.Logger

	mu     sync.Mutex // guards what follows
	x      *index.Index
	watch  *index.Watch
	looked time.Time // when watch was last checked
	table  *Table
	base   *index.Lookup
	files  map[string]map[crate.Key]bool // of base, by path in the index
}

// maxFiles bounds the index files that are remembered.
const maxFiles = 2000

// Open makes a Book of the index in a directory. An index without history is not an error;
// its Book knows nothing. The caller must call Close.
func Open(ctx context.Context, dir string, window time.Duration, log *slog.Logger) (*Book, error) {
	b := &Book{dir: dir, window: window, log: log}
	if err := b.turn(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("reading the history of the index: %w", err), b.Close())
	}
	return b, nil
}

// turn opens the current index.
func (b *Book) turn(ctx context.Context) error {
	x, err := index.Open(ctx, b.dir, index.Options{Log: b.log})
	if err != nil {
		return err
	}
	watch, err := x.Watch(ctx)
	if err != nil {
		return errors.Join(err, x.Close())
	}
	next, err := b.next(ctx, x)
	if err != nil && !errors.Is(err, index.ErrNoPast) {
		return errors.Join(err, x.Close())
	}
	if next != nil && (b.table == nil || b.table.base != next.base) {
		b.files = map[string]map[crate.Key]bool{}
	}
	err = b.closeIndex()
	b.x, b.watch, b.table = x, watch, next
	b.base = x.NewLookup(context.WithoutCancel(ctx))
	return err
}

// next returns the table of the opened index: the previous table with the changes since, or
// a new one if it has become long.
func (b *Book) next(ctx context.Context, x *index.Index) (*Table, error) {
	head := index.Revision{Commit: x.Commit(), Time: x.CommitTime()}
	last := b.table
	if last == nil || head.Time.Sub(last.base.Time) > 2*maxWindow {
		return NewTable(ctx, b.dir, x, b.window)
	}
	if head.Commit == last.head.Commit {
		return last, nil
	}
	t := &Table{head: head, base: last.base, came: make(map[crate.Key]policy.Seen, len(last.came))}
	for key, seen := range last.came {
		t.came[key] = seen
	}
	if err := t.read(ctx, x, last.head, head); err != nil {
		b.log.Warn("the history of the index is read from its beginning", "err", err)
		return NewTable(ctx, b.dir, x, b.window)
	}
	return t, nil
}

// every is how often Seen checks whether the index has moved.
const every = time.Second

// Seen returns since when the index has named a version with its checksum. A version that
// it named neither now nor before counts as new.
func (b *Book) Seen(ctx context.Context, key crate.Key) policy.Seen {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := time.Now()
	if now.Sub(b.looked) >= every {
		b.looked = now
		if b.watch != nil && b.watch.Moved() {
			if err := b.turn(ctx); err != nil {
				b.log.Warn("the history of the index cannot be read; what is new counts as just published", "err", err)
			}
		}
	}
	if b.table == nil {
		return policy.Seen{}
	}
	if seen, found := b.table.came[key]; found {
		return seen
	}
	switch there, err := b.inBase(ctx, key); {
	case err != nil:
		b.log.Warn("the history of the index cannot be read; a version counts as just published", "crate", key.Name, "version", key.Version, "err", err)
		fallthrough
	case !there:
		return policy.Seen{First: now, After: b.table.head.Time}
	}
	return policy.Seen{First: b.table.base.Time}
}

// inBase reports whether the index named a version when the table begins.
func (b *Book) inBase(ctx context.Context, key crate.Key) (bool, error) {
	path := crate.IndexPath(key.Name)
	keys, found := b.files[path]
	if !found {
		c, err := b.base.CrateAt(ctx, b.table.base.Commit, key.Name)
		switch {
		case errors.Is(err, fs.ErrNotExist):
		case err != nil:
			return false, err
		case c.Err != nil:
			return false, c.Err
		default:
			keys = make(map[crate.Key]bool, len(c.Entries))
			for _, e := range c.Entries {
				keys[crate.Key{ID: e.ID, Checksum: e.Checksum}] = true
			}
		}
		if len(b.files) >= maxFiles {
			clear(b.files)
		}
		b.files[path] = keys
	}
	return keys[key], nil
}

// Close releases the Book. Calls of Seen must have returned.
func (b *Book) Close() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.closeIndex()
}

func (b *Book) closeIndex() error {
	if b.x == nil {
		return nil
	}
	x := b.x
	b.x = nil
	return errors.Join(b.base.Close(), x.Close())
}
