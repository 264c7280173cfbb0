package upstream

import (
	"container/list"
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// limiter decides how many attempts may be under way. It looks for the number
// beyond which more of them bring no more, and yields when upstream says that
// it is too much.
//
// What it goes by is goodput: bytes received and requests completed in an
// epoch, either of which may prove that a step paid. Latency is no guide here:
// sizes spread over three decades, so a limiter that watches it starves
// (measured: 370 requests a second where 2,779 were to be had).
//
//   - Slow start: from firstLimit, double each epoch while it pays.
//   - Then probes: one small step up; kept if it paid, else taken back, with
//     longer and longer rests between.
//   - Overload (429, 503, time-outs) cuts the limit once for all the attempts
//     that started before the cut. Most of the way back is walked quickly, the
//     last tenth only by probes, so that a budget of upstream is met rarely.
//   - One such answer now and then is no overload: of a network of caches some
//     machine is always ill, and whoever cuts at each of 2 % ends at one attempt
//     at a time. What counts is that they come faster than one in twenty.
//
// It never goes down without overload: in doubt it errs towards the ceiling,
// which is what the operator allowed.
type limiter struct {
	received atomic.Int64 // body bytes, counted as they arrive

	mu      sync.Mutex
	ceiling int
	limit   float64
	active  int
	waiters list.List // of *waiter, first come first served
	cuts    int       // so far; tells an attempt that began before the last one
	strain  float64   // overloads since the last cut, less what completed attempts make up for

	phase    phase
	strikes  int     // slow start: doublings in a row that did not pay
	wall     float64 // limit at the last overload, 0 if there is none to beware of
	rest     int     // epochs to go until the next probe
	nextRest int     // how many follow the next probe in vain
	before   rates   // to compare with the epoch that runs
	epoch    epoch
}

type phase int

const (
	slowStart phase = iota
	steady          // measures, and rests between probes
	probing         // the epoch that runs is at a higher limit than before
)

// epoch is what is measured between two decisions.
type epoch struct {
	start     time.Time
	received  int64 // limiter.received at the start
	completed int
	saturated bool // the limit was reached, so it is what held us back
}

// rates are the goodput of an epoch, a second.
type rates struct{ bytes, completed float64 }

const (
	firstLimit  = 16                    // enough to measure by, too few for a storm of connections
	minEpoch    = 25 * time.Millisecond // short enough that the start of a run costs nothing
	maxEpoch    = 2 * time.Second       // an epoch else lasts until every slot has turned over once
	doublePays  = 1.10                  // what doubling must bring at least
	probeStep   = 1.15
	probePays   = 1.05
	cutTo       = 0.7
	tolerated   = 1.0 / 20 // of the answers may say overload
	tooMuch     = 4        // overloads beyond that, until the limit is cut
	nearWall    = 0.9      // of the wall: up to here the way back is quick
	longestRest = 16       // epochs
)

func newLimiter(ceiling int) *limiter {
	return &limiter{ceiling: ceiling, limit: float64(min(firstLimit, ceiling)), nextRest: 1}
}

// verdict says what an attempt tells about the load on upstream.
type verdict int

const (
	neutral    verdict = iota // nothing
	completed                 // a crate came through
	overloaded                // upstream said that it is too much, or did not answer
)

// slot is the right to one attempt.
type slot struct{ cuts int }

type waiter struct{ granted chan slot }

// acquire waits for a slot, which must be released.
func (l *limiter) acquire(ctx context.Context, b *breaker) (slot, error) {
	if stop := b.stopped(); stop != nil {
		return slot{}, stop
	}
	if ctx.Err() != nil {
		return slot{}, context.Cause(ctx)
	}
	l.mu.Lock()
	if l.active < int(l.limit) && l.waiters.Len() == 0 {
		s := l.take()
		l.mu.Unlock()
		return s, nil
	}
	l.epoch.saturated = true
	w := &waiter{granted: make(chan slot, 1)}
	e := l.waiters.PushBack(w)
	l.mu.Unlock()

	select {
	case s := <-w.granted:
		return s, nil
	case <-ctx.Done():
		l.leave(e, w)
		return slot{}, context.Cause(ctx)
	case <-b.done:
		l.leave(e, w)
		return slot{}, b.stopped()
	}
}

// take counts a slot as used. l.mu is held.
func (l *limiter) take() slot {
	if l.epoch.start.IsZero() {
		l.epoch.start = time.Now()
	}
	l.active++
	if l.active >= int(l.limit) {
		l.epoch.saturated = true
	}
	return slot{cuts: l.cuts}
}

// leave takes a waiter out of the queue, or gives back what it just got.
func (l *limiter) leave(e *list.Element, w *waiter) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.waiters.Remove(e) // does nothing if it was granted and so removed already
	select {
	case <-w.granted:
		l.active--
		l.admit()
	default:
	}
}

// admit lets waiters in up to the limit. l.mu is held.
func (l *limiter) admit() {
	for l.active < int(l.limit) && l.waiters.Len() > 0 {
		w := l.waiters.Remove(l.waiters.Front()).(*waiter)
		w.granted <- l.take()
	}
}

// release gives a slot back with what was learned.
func (l *limiter) release(s slot, v verdict) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.active--
	switch v {
	case completed:
		l.epoch.completed++
		l.strain = max(0, l.strain-tolerated)
	case overloaded:
		if s.cuts != l.cuts {
			break
		}
		if l.strain++; l.strain >= tooMuch {
			l.cut()
		}
	}
	l.measure(time.Now())
	l.admit()
}

// cut answers overload.
func (l *limiter) cut() {
	l.cuts++
	l.strain = 0
	l.wall = l.limit
	l.limit = max(1, l.limit*cutTo)
	l.phase = steady
	l.rest, l.nextRest = l.nextRest, min(l.nextRest*2, longestRest)
	l.before = rates{}
	l.begin(time.Now())
}

func (l *limiter) begin(now time.Time) {
	l.epoch = epoch{start: now, received: l.received.Load()}
}

// measure closes the epoch if it has lasted long enough, and decides.
func (l *limiter) measure(now time.Time) {
	took := now.Sub(l.epoch.start)
	if took < minEpoch || l.epoch.completed < int(l.limit) && took < maxEpoch {
		return
	}
	if l.epoch.saturated && l.epoch.completed > 0 {
		l.decide(rates{
			bytes:     float64(l.received.Load()-l.epoch.received) / took.Seconds(),
			completed: float64(l.epoch.completed) / took.Seconds(),
		})
	}
	l.begin(now)
}

func (l *limiter) decide(now rates) {
	switch l.phase {
	case slowStart:
		l.decideSlowStart(now)
	case steady:
		l.decideSteady(now)
	case probing:
		l.decideProbe(now)
	}
}

func (l *limiter) decideSlowStart(now rates) {
	if !now.pays(l.before, doublePays) {
		l.strikes++
	} else {
		l.strikes = 0
	}
	l.before = l.before.most(now)
	switch {
	case l.strikes == 0:
		l.raise(l.limit * 2)
	case l.strikes > 1 || int(l.limit) >= l.ceiling:
		l.phase = steady
		l.rest = 1
	}
}

func (l *limiter) decideSteady(now rates) {
	if l.limit < l.wall*nearWall {
		l.raise(min(l.limit*probeStep, l.wall*nearWall))
		return
	}
	l.before = l.before.blend(now)
	if l.rest--; l.rest > 0 || int(l.limit) >= l.ceiling {
		return
	}
	l.raise(l.limit * probeStep)
	l.phase = probing
}

func (l *limiter) decideProbe(now rates) {
	l.phase = steady
	if !now.pays(l.before, probePays) {
		l.limit /= probeStep
		l.rest, l.nextRest = l.nextRest, min(l.nextRest*2, longestRest)
		return
	}
	l.before = now
	if l.rest = l.nextRest; l.limit > l.wall {
		l.wall = 0
		l.rest, l.nextRest = 1, 1
	}
}

// raise sets a higher limit, by one slot at least, up to the ceiling.
func (l *limiter) raise(to float64) {
	l.limit = min(max(to, l.limit+1), float64(l.ceiling))
}

// pays reports whether r is better than before by factor, in bytes or in
// requests.
func (r rates) pays(before rates, factor float64) bool {
	return r.bytes > before.bytes*factor || r.completed > before.completed*factor
}

func (r rates) most(o rates) rates {
	return rates{max(r.bytes, o.bytes), max(r.completed, o.completed)}
}

// blend smooths the noise of single epochs.
func (r rates) blend(o rates) rates {
	if r == (rates{}) {
		return o
	}
	return rates{(r.bytes + o.bytes) / 2, (r.completed + o.completed) / 2}
}

func (l *limiter) status() Status {
	l.mu.Lock()
	defer l.mu.Unlock()
	return Status{Limit: int(l.limit), Ceiling: l.ceiling, Active: l.active, Waiting: l.waiters.Len()}
}
