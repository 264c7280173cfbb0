package access

import (
	"context"
	"io"
	"net/http"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// Limits bound what one client uses. A zero field is no limit.
type Limits struct {
	Requests float64 // per second
	Bytes    int64   // of answers, per second
	AtOnce   int     // concurrent requests
}

func (l Limits) none() bool { return l == Limits{} }

const (
	// patience is the longest that a request waits for its turn: cargo aborts a request
	// whose answer does not begin within 30 s.
	patience = 10 * time.Second
	// pause delays a 429, so that a client that retries at once costs less than one that is
	// served.
	pause = time.Second
	// seconds of its rate are a client's burst: cargo requests hundreds of index files at
	// once.
	seconds = 4
	// maxClients bounds how many clients are remembered, at some 500 bytes each. Beyond it,
	// the least recently seen are forgotten and start with a full burst again.
	maxClients = 1 << 15
	// part is the number of bytes written at a time.
	part = 32 << 10
)

// limitError says how long to wait before the next try.
type limitError struct{ wait time.Duration }

func (*limitError) Error() string { return "too many requests" }

// clients are those seen recently.
type clients struct {
	limits Limits

	mu         sync.Mutex // guards what follows
	fresh, old map[string]*client
}

// A client is what one client has left of its limits.
type client struct {
	requests, bytes *rate.Limiter // nil: no limit
	slots           chan struct{} // holds one value for each request being served; nil: no limit
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

// take waits for the client's turn. The caller calls release once the request is answered.
// Errors: *limitError; ctx's.
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

// slowWriter writes at the client's rate.
type slowWriter struct {
	http.ResponseWriter
	ctx   context.Context
	limit *rate.Limiter
}

// Unwrap supports http.ResponseController.
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

// wait waits until n bytes may be sent. It sets the write deadline only then, so that it
// limits clients that read nothing and not those that wait for their turn.
func (w *slowWriter) wait(n int) error {
	begin := time.Now()
	if err := w.limit.WaitN(w.ctx, n); err != nil {
		return err
	}
	if time.Since(begin) > time.Second {
		// Only writers in tests have no deadlines.
		_ = http.NewResponseController(w.ResponseWriter).SetWriteDeadline(time.Now().Add(stall))
	}
	return nil
}

// stall is how long a client may take to read one part.
const stall = 30 * time.Second
