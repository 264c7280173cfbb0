package access

import (
	"context"
	"io"
	"net/http"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// Limits of one client. Zero: there is none of that kind.
type Limits struct {
	Requests float64 // a second
	Bytes    int64   // of answers, a second
	AtOnce   int     // requests that are answered at the same time
}

func (l Limits) none() bool { return l == Limits{} }

const (
	// patience is the longest that a request waits for its turn: cargo gives up on an
	// answer that does not begin within 30 s.
	patience = 10 * time.Second
	// pause is before a 429, or who asks again at once would cost as much as one who is
	// answered.
	pause = time.Second
	// seconds of its rate that a client may use at once: cargo asks for hundreds of
	// index files in one go.
	seconds = 4
	// maxClients bounds how many clients are remembered, with some 500 bytes each. When
	// there are more, those that came least lately begin with a full measure again.
	maxClients = 1 << 15
	// part is how much is written at a time.
	part = 32 << 10
)

// limitError says when there is room again.
type limitError struct{ wait time.Duration }

func (*limitError) Error() string { return "too many requests" }

// clients are those that came lately.
type clients struct {
	limits Limits

	mu         sync.Mutex // guards what follows
	fresh, old map[string]*client
}

// A client is what one has used up.
type client struct {
	requests, bytes *rate.Limiter // nil: no limit
	slots           chan struct{} // one in it for each request that is answered; nil: no limit
}

func newClients(l Limits) *clients { return &clients{limits: l, fresh: map[string]*client{}} }

func (c *clients) get(name string) *client {
	c.mu.Lock()
	defer c.mu.Unlock()
	if one := c.fresh[name]; one != nil {
		return one
	}
	one := c.old[name]
	if one == nil {
		one = c.limits.client()
	}
	if len(c.fresh) >= maxClients/2 {
		c.old, c.fresh = c.fresh, map[string]*client{}
	}
	c.fresh[name] = one
	return one
}

func (l Limits) client() *client {
	one := new(client)
	if l.Requests > 0 {
		one.requests = rate.NewLimiter(rate.Limit(l.Requests), max(1, int(seconds*l.Requests)))
	}
	if l.Bytes > 0 {
		one.bytes = rate.NewLimiter(rate.Limit(l.Bytes), int(max(part, min(l.Bytes, 1<<30))))
	}
	if l.AtOnce > 0 {
		one.slots = make(chan struct{}, l.AtOnce)
	}
	return one
}

// take waits for the turn of a client. The caller calls the function that it returns when
// the request is answered. Errors: *limitError; ctx's.
func (c *clients) take(ctx context.Context, name string, w http.ResponseWriter) (release func(), _ http.ResponseWriter, err error) {
	one := c.get(name)
	release = func() {}
	if one.slots != nil {
		if err := one.slot(ctx); err != nil {
			return nil, nil, err
		}
		release = func() { <-one.slots }
	}
	if err := one.request(ctx); err != nil {
		release()
		return nil, nil, err
	}
	if one.bytes != nil {
		w = &slowWriter{ResponseWriter: w, ctx: ctx, limit: one.bytes}
	}
	return release, w, nil
}

func (c *client) slot(ctx context.Context) error {
	timeout := time.NewTimer(patience)
	defer timeout.Stop()
	select {
	case c.slots <- struct{}{}:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-timeout.C:
		return &limitError{pause}
	}
}

func (c *client) request(ctx context.Context) error {
	if c.requests == nil {
		return nil
	}
	turn := c.requests.Reserve()
	wait := turn.Delay()
	if wait <= patience {
		return sleep(ctx, wait)
	}
	turn.Cancel()
	if err := sleep(ctx, pause); err != nil {
		return err
	}
	return &limitError{wait}
}

func sleep(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-timer.C:
		return nil
	}
}

// slowWriter writes as fast as a client may have it.
type slowWriter struct {
	http.ResponseWriter
	ctx   context.Context
	limit *rate.Limiter
}

// Unwrap is for http.ResponseController.
func (w *slowWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func (w *slowWriter) Write(p []byte) (written int, err error) {
	for {
		some := p[:min(part, len(p))]
		if err := w.wait(len(some)); err != nil {
			return written, err
		}
		n, err := w.ResponseWriter.Write(some)
		written += n
		if p = p[n:]; err != nil || len(p) == 0 {
			return written, err
		}
	}
}

// ReadFrom implements io.ReaderFrom: the writer below may have the kernel send from a file.
func (w *slowWriter) ReadFrom(src io.Reader) (written int64, err error) {
	all, ok := src.(*io.LimitedReader)
	below, can := w.ResponseWriter.(io.ReaderFrom)
	if !ok || !can {
		return io.Copy(struct{ io.Writer }{w}, src)
	}
	for all.N > 0 {
		some := &io.LimitedReader{R: all.R, N: min(part, all.N)}
		if err := w.wait(int(some.N)); err != nil {
			return written, err
		}
		n, err := below.ReadFrom(some)
		all.N -= n
		written += n
		if err != nil || some.N > 0 {
			return written, err
		}
	}
	return written, nil
}

// wait waits for n bytes. The deadline of the connection is for a client that takes
// nothing: it begins when there is something to take.
func (w *slowWriter) wait(n int) error {
	begin := time.Now()
	if err := w.limit.WaitN(w.ctx, n); err != nil {
		return err
	}
	if time.Since(begin) > time.Second {
		// A writer without deadlines is a test's.
		_ = http.NewResponseController(w.ResponseWriter).SetWriteDeadline(time.Now().Add(stall))
	}
	return nil
}

// stall is how long a client may take for one part.
const stall = 30 * time.Second
