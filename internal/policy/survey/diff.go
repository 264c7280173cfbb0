package survey

import (
	"bytes"
	"context"
	"errors"
	"runtime"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/catalog"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/index"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/index/details"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/policy"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/policy/age"
)

// A Change is a version on which two policies differ.
type Change struct {
	crate.ID
	Old policy.Decision `json:"old"`
	New policy.Decision `json:"new"`
}

// Appears reports whether the index gets its line.
func (c *Change) Appears() bool {
	return c.Old.Visibility != policy.Shown && c.New.Visibility == policy.Shown
}

// Disappears reports whether the index loses its line.
func (c *Change) Disappears() bool {
	return c.Old.Visibility == policy.Shown && c.New.Visibility != policy.Shown
}

// A Comparison is the input of [Compare].
type Comparison struct {
	Index    *index.Index
	Old, New *policy.Policy
	// Table says since when lines are in the index. Nil: unknown.
	Table *age.Table
	// Facts returns the facts of a version; nil: its crate cannot be read. It is called
	// only if a policy needs it.
	Facts func(context.Context, crate.Key) *policy.Facts
	// Holdings says what the mirror holds. Nil: every line counts.
	Holdings interface {
		Versions(ctx context.Context, name string) ([]catalog.Version, error)
	}
	Now time.Time
}

// Totals are the counts of a comparison.
type Totals struct {
	Versions   int64 `json:"versions"` // that were judged
	Shown      int64 `json:"shown"`    // by New
	Appear     int64 `json:"appear"`
	Disappear  int64 `json:"disappear"`
	Otherwise  int64 `json:"otherwise"`  // hidden by both, but differently
	Unreadable int64 `json:"unreadable"` // files and lines of the index
}

// A batch is a number of crates for a worker.
type batch struct {
	lines   []index.Entry
	changes []Change
	totals  Totals
	err     error
	done    chan struct{}
}

// batchLines is the number of lines that a worker takes at a time.
const batchLines = 4000

// Compare reads the whole index once, and calls each for every change, in the order of the
// index. Its memory does not grow with the index.
func Compare(ctx context.Context, c *Comparison, each func(*Change) error) (t Totals, err error) {
	workers := runtime.GOMAXPROCS(0)
	todo, inOrder := make(chan *batch), make(chan *batch, 2*workers)
	g, ctx := errgroup.WithContext(ctx)
	for range workers {
		g.Go(func() error {
			for b := range todo {
				b.err = c.judge(ctx, b)
				close(b.done)
			}
			return nil
		})
	}
	var unreadable int64
	g.Go(func() error {
		defer close(todo)
		defer close(inOrder)
		n, err := c.read(ctx, todo, inOrder)
		unreadable = n
		return err
	})
	g.Go(func() error {
		for b := range inOrder {
			<-b.done
			if b.err != nil {
				return b.err
			}
			t.add(&b.totals)
			for i := range b.changes {
				if err := each(&b.changes[i]); err != nil {
					return err
				}
			}
		}
		return nil
	})
	err = g.Wait()
	t.Unreadable += unreadable
	return t, err
}

// read passes the lines of the index to workers.
func (c *Comparison) read(ctx context.Context, todo, inOrder chan<- *batch) (unreadable int64, err error) {
	b := &batch{done: make(chan struct{})}
	send := func() error {
		for _, to := range []chan<- *batch{inOrder, todo} {
			select {
			case to <- b:
			case <-ctx.Done():
				close(b.done)
				return context.Cause(ctx)
			}
		}
		b = &batch{done: make(chan struct{})}
		return nil
	}
	for cr, err := range c.Index.Crates(ctx, nil) {
		if err != nil {
			return unreadable, err
		}
		unreadable += int64(len(cr.Bad))
		if cr.Err != nil {
			unreadable++
		}
		for _, e := range cr.Entries {
			e.Raw = bytes.Clone(e.Raw)
			b.lines = append(b.lines, e)
		}
		if len(b.lines) >= batchLines {
			if err := send(); err != nil {
				return unreadable, err
			}
		}
	}
	return unreadable, send()
}

// judge judges the lines of a batch, which has complete crates.
func (c *Comparison) judge(ctx context.Context, b *batch) error {
	facts := c.Facts != nil && (c.Old.Needs().Facts || c.New.Needs().Facts)
	for i := 0; i < len(b.lines); {
		n := i
		for n < len(b.lines) && b.lines[n].Name == b.lines[i].Name {
			n++
		}
		if err := c.crate(ctx, b, b.lines[i:n], facts); err != nil {
			return err
		}
		i = n
	}
	b.lines = nil
	return nil
}

func (c *Comparison) crate(ctx context.Context, b *batch, lines []index.Entry, facts bool) error {
	held, err := c.held(ctx, lines[0].Name)
	if err != nil {
		return err
	}
	for i := range lines {
		s := policy.Subject{Key: crate.Key{ID: lines[i].ID, Checksum: lines[i].Checksum}, Yanked: lines[i].Yanked}
		if held != nil {
			row := slices.IndexFunc(held, func(v catalog.Version) bool { return v.Key() == s.Key && v.SupersededAt.IsZero() })
			if row < 0 {
				continue
			}
			for _, v := range held {
				if v.ID == s.ID && v.SupersededAt.After(s.Replaced) {
					s.Replaced = v.SupersededAt
				}
			}
		}
		s.Published = published(lines[i].Raw)
		if c.Table != nil {
			s.Seen = c.Table.Seen(s.Key)
		}
		if facts {
			s.Facts = c.Facts(ctx, s.Key)
		}
		b.one(Change{s.ID, c.Old.Judge(&s, c.Now), c.New.Judge(&s, c.Now)})
	}
	return nil
}

// held returns the rows of a crate, or nil if all lines count.
func (c *Comparison) held(ctx context.Context, name string) ([]catalog.Version, error) {
	if c.Holdings == nil {
		return nil, nil
	}
	rows, err := c.Holdings.Versions(ctx, name)
	if err != nil {
		return nil, errors.Join(errors.New("asking what the mirror holds of "+name), err)
	}
	if rows == nil {
		rows = []catalog.Version{}
	}
	return rows, nil
}

func (b *batch) one(c Change) {
	b.totals.Versions++
	if c.New.Visibility == policy.Shown {
		b.totals.Shown++
	}
	switch {
	case c.Appears():
		b.totals.Appear++
	case c.Disappears():
		b.totals.Disappear++
	case c.Old.Visibility != c.New.Visibility:
		b.totals.Otherwise++
	default:
		return
	}
	b.changes = append(b.changes, c)
}

func (t *Totals) add(o *Totals) {
	t.Versions += o.Versions
	t.Shown += o.Shown
	t.Appear += o.Appear
	t.Disappear += o.Disappear
	t.Otherwise += o.Otherwise
}

// published parses the pubtime of a line. It skips the many lines from before pubtime
// existed.
func published(raw []byte) time.Time {
	if !bytes.Contains(raw, []byte(`"pubtime"`)) {
		return time.Time{}
	}
	facts, err := details.ParseFacts(raw)
	if err != nil {
		return time.Time{}
	}
	return facts.Published()
}
