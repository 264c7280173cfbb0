package index

import (
	"context"
	"errors"
	"log/slog"
	"runtime"
	"sync"
)

// aheadBytes is the number of bytes that are read ahead of the loop.
const aheadBytes = 4 << 20

// A run is one reading of the index: it lists files, lets the source turn them into crates
// chunk by chunk, and yields these in the order of the listing.
//
// The goroutine of the loop lists and yields. Goroutines of the source take chunks from
// todo, fill and parse them, and close their done. They end when todo is closed or the
// context ends.
type run struct {
	source source
	log    *slog.Logger
	todo   chan *chunk
	ahead  int      // capacity of todo, and maximum number of chunks in work
	queue  []*chunk // chunks in work, oldest first
	budget *budget
	wg     sync.WaitGroup // of all goroutines of the source
	yield  func(*Crate, error) bool
}

// errStopped means that the caller left the loop.
var errStopped = errors.New("stopped")

func newRun(x *Index, yield func(*Crate, error) bool) *run {
	ahead := 2 * readers()
	return &run{
		source: x.source, log: x.log, yield: yield,
		todo: make(chan *chunk, ahead), ahead: ahead, budget: newBudget(aheadBytes),
	}
}

// readers returns the number of goroutines that read files: with a cold cache they wait for
// the disk more than they compute.
func readers() int { return max(8, 2*runtime.GOMAXPROCS(0)) }

// crates lists and yields all crates. It returns the error to be yielded last.
func (r *run) crates(ctx context.Context, want func(File) (bool, Blob)) error {
	ctx, cancel := context.WithCancel(ctx)
	defer r.wg.Wait()
	defer cancel()
	defer r.budget.close()
	defer close(r.todo)
	err := r.source.start(ctx, r)
	if err == nil {
		err = r.list(ctx, want)
	}
	if ctx.Err() != nil && !errors.Is(err, errStopped) {
		return context.Cause(ctx) // says more than the resulting error
	}
	return err
}

func (r *run) list(ctx context.Context, want func(File) (bool, Blob)) error {
	c := newChunk()
	for f, err := range r.source.list(ctx) {
		if err != nil {
			return err
		}
		cr := Crate{File: f.File, Err: f.err}
		if f.err == nil {
			var read bool
			if read, cr.known = want(f.File); !read {
				continue
			}
		}
		c.crates = append(c.crates, cr)
		if len(c.crates) < chunkFiles {
			continue
		}
		if err := r.submit(ctx, c); err != nil {
			return err
		}
		c = newChunk()
	}
	if err := r.submit(ctx, c); err != nil {
		return err
	}
	return r.deliver(ctx, 0)
}

// submit passes c to the source, after making room for it.
func (r *run) submit(ctx context.Context, c *chunk) error {
	if err := r.deliver(ctx, r.ahead-1); err != nil {
		return err
	}
	r.queue = append(r.queue, c)
	r.todo <- c // has room: it holds no more chunks than queue
	return nil
}

// deliver yields the oldest chunks until at most rest are in work.
func (r *run) deliver(ctx context.Context, rest int) error {
	for len(r.queue) > rest {
		for c := r.queue[0]; c != nil; {
			next, err := r.deliverChunk(ctx, c)
			if err != nil {
				return err
			}
			c = next
		}
		r.queue = r.queue[1:]
	}
	return nil
}

// deliverChunk yields the crates of c and returns the chunk with the rest of its files, if
// any.
func (r *run) deliverChunk(ctx context.Context, c *chunk) (*chunk, error) {
	r.budget.prefer(c)
	select {
	case <-c.done:
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	if c.err != nil {
		return nil, c.err
	}
	for i := range c.crates {
		if !r.yield(&c.crates[i], nil) {
			return nil, errStopped
		}
	}
	next := c.rest
	r.budget.give(c.taken)
	c.recycle()
	return next, ctx.Err()
}
