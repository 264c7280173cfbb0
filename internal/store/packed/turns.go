package packed

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/store"
)

// turns let as many rebuilds run at a time as slots and memory allow. The others wait:
// clients take turns, and each client's requests come in order.
type turns struct {
	memory  int64            // of all rebuilds together, bytes
	waiting int              // maximum number
	length  prometheus.Gauge // of the queue

	mu     sync.Mutex // guards what follows
	places int        // free slots
	free   int64      // free memory, bytes
	queue  int        // waiting tickets
	lines  []*line    // of waiting clients, in the order of their turns
}

// line is the tickets of one client.
type line struct {
	client  string
	tickets []*ticket
}

// ticket is a rebuild that waits for its turn, or had it. Several clients may wait for one,
// in a line each. turns.mu guards its fields.
type ticket struct {
	clients []string // clients waiting for it
	patient bool     // never refused; set before it is shared
	cost    int64
	state   ticketState
	ready   chan struct{} // closed when it is its turn
}

type ticketState int

const (
	outside ticketState = iota // not in the queue yet
	waits
	done // it had its turn, or was cancelled
)

func newTurns(places int, memory int64, waiting int, length prometheus.Gauge) *turns {
	return &turns{memory: memory, free: memory, places: places, waiting: waiting, length: length}
}

// retryAfter is how long refused clients are to wait.
const retryAfter = 2 * time.Second

// take waits for a turn, and returns the function that ends it. Errors: *store.BusyError;
// the context's.
func (t *turns) take(ctx context.Context, tk *ticket, cost int64) (release func(), err error) {
	cost = min(cost, t.memory)
	if err := t.enter(tk, cost); err != nil {
		return nil, err
	}
	release = func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		t.places++
		t.free += cost
		t.next()
	}
	select {
	case <-tk.ready:
		return release, nil
	case <-ctx.Done():
	}
	if t.leave(tk) {
		return nil, context.Cause(ctx)
	}
	release() // its turn came at the same time
	return nil, context.Cause(ctx)
}

// enter adds a ticket to the lines of its clients.
func (t *turns) enter(tk *ticket, cost int64) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !tk.patient && (t.queue >= t.waiting || t.lineOf(tk.clients[0]).length() >= max(1, t.waiting/4)) {
		return &store.BusyError{RetryAfter: retryAfter}
	}
	tk.cost, tk.state, tk.ready = cost, waits, make(chan struct{})
	t.queue++
	t.length.Inc()
	for _, client := range tk.clients {
		t.stand(tk, client)
	}
	t.next()
	return nil
}

// also lets another client wait for a ticket: its turn comes when either client's comes.
func (t *turns) also(tk *ticket, client string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if slices.Contains(tk.clients, client) {
		return
	}
	tk.clients = append(tk.clients, client)
	if tk.state == waits {
		t.stand(tk, client)
	}
}

func (t *turns) lineOf(client string) *line {
	for _, l := range t.lines {
		if l.client == client {
			return l
		}
	}
	return nil
}

func (l *line) length() int {
	if l == nil {
		return 0
	}
	return len(l.tickets)
}

func (t *turns) stand(tk *ticket, client string) {
	l := t.lineOf(client)
	if l == nil {
		l = &line{client: client}
		t.lines = append(t.lines, l)
	}
	l.tickets = append(l.tickets, tk)
}

// leave cancels a ticket. It returns false if its turn had already come.
func (t *turns) leave(tk *ticket) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if tk.state != waits {
		return false
	}
	tk.state = done
	t.queue--
	t.length.Dec()
	for _, client := range tk.clients {
		if l := t.lineOf(client); l != nil {
			l.tickets = slices.DeleteFunc(l.tickets, func(other *ticket) bool { return other == tk })
		}
	}
	t.next() // others may have waited for memory because of it
	return true
}

// next starts the tickets whose turn it is. One that needs more memory than is free makes
// all after it wait, because it would otherwise never get its turn.
func (t *turns) next() {
	for t.places > 0 && len(t.lines) > 0 {
		l := t.lines[0]
		for len(l.tickets) > 0 && l.tickets[0].state == done {
			l.tickets = l.tickets[1:]
		}
		if len(l.tickets) == 0 {
			t.lines = t.lines[1:]
			continue
		}
		tk := l.tickets[0]
		if tk.cost > t.free {
			return
		}
		t.places--
		t.free -= tk.cost
		t.queue--
		t.length.Dec()
		tk.state = done
		close(tk.ready)
		l.tickets = l.tickets[1:]
		t.lines = append(t.lines[1:], l) // the other clients first
	}
}
