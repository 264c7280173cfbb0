// Package adaptive finds the number of requests that may run at a time.
package adaptive

import (
	"container/list"
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// Limiter decides how many attempts may run at a time. It searches for the number beyond
// which more attempts are no faster, and reduces it when upstream is overloaded.
//
// It measures goodput: bytes received and requests completed in an epoch; a gain in either
// justifies a step. Latency is useless here, because sizes span three orders of magnitude:
// a limiter that watches it starves (measured: 370 requests per second where 2,779 were
// possible).
//
//   - Slow start: from firstLimit, double each epoch while that helps.
//   - Then probes: one small step up, kept if it helped, otherwise undone, with
//     longer and longer rests between.
//   - Overload (429, 503, time-outs) cuts the limit once for all the attempts
//     that started before the cut. Most of the way back is quick; the
//     last tenth uses probes, so that a limit of upstream is hit rarely.
//   - A single such answer is not overload: in a network of caches some
//     machine always fails, and cutting at each of 2 % ends at one attempt
//     at a time. Overload means more than one such answer in twenty.
//
// The limit never decreases without overload: in doubt it stays near the ceiling, which the
// operator allowed.
type Limiter struct {
	// Received is increased by the bytes of bodies as they arrive.
	Received atomic.Int64
	// Changed is called with the reason after the limit has changed. It may be nil. The
	// limiter is locked during the call, so Changed must be quick and must not call it.
	Changed func(Reason)

	mu      sync.Mutex
	ceiling int
	limit   float64
	active  int
	waiters list.List // of *waiter, first in, first out
	cuts    int       // number of cuts; identifies attempts that began before the last one
	strain  float64   // overloads since the last cut, minus what completed attempts compensate

	phase    phase
	strikes  int     // slow start: doublings in a row that did not help
	wall     float64 // limit at the last overload; 0: none to approach with care
	rest     int     // epochs until the next probe
	nextRest int     // epochs of rest after the next probe, if it fails
	before   rates   // to compare with the current epoch
	epoch    epoch
}

type phase int

const (
	slowStart phase = iota
	steady          // measures, and rests between probes
	probing         // the current epoch has a higher limit than before
)

// epoch is the measurement between two decisions.
type epoch struct {
	start     time.Time
	received  int64 // Limiter.Received at the start
	completed int
	saturated bool // the limit was reached, so it was the bottleneck
}

// rates are the goodput of an epoch, per second.
type rates struct{ bytes, completed float64 }

const (
	firstLimit  = 16                    // enough to measure, too few for a burst of connections
	minEpoch    = 25 * time.Millisecond // short, so that the start of a run costs nothing
	maxEpoch    = 2 * time.Second       // otherwise an epoch lasts until every slot was used once
	doublePays  = 1.10                  // minimum gain of a doubling
	probeStep   = 1.15
	probePays   = 1.05
	cutTo       = 0.7
	tolerated   = 1.0 / 20 // fraction of answers that may report overload
	tooMuch     = 4        // overloads above that, until the limit is cut
	nearWall    = 0.9      // fraction of the wall up to which recovery is quick
	longestRest = 16       // epochs
)

// Fix sets the limit to its ceiling, permanently.
func (l *Limiter) Fix() { l.limit, l.phase = float64(l.ceiling), steady }

// New returns a limiter that never allows more than ceiling.
func New(ceiling int) *Limiter {
	return &Limiter{ceiling: ceiling, limit: float64(min(firstLimit, ceiling)), nextRest: 1}
}

// A Reason says why the limit changed; it is also a metric label.
type Reason string

const (
	Grew     Reason = "grew"     // more attempts at a time delivered more, or may
	NoGain   Reason = "no_gain"  // a step up is undone: it did not help
	Overload Reason = "overload" // upstream said that it is too much
)

// Reasons lists all reasons.
var Reasons = []Reason{Grew, NoGain, Overload}

// A Verdict is what an attempt says about the load on upstream.
type Verdict int

const (
	Neutral    Verdict = iota // nothing
	Completed                 // a crate was delivered
	Overloaded                // upstream reported overload, or did not answer
)

// A Slot is the right to one attempt.
type Slot struct{ cuts int }

type waiter struct{ granted chan Slot }

// A Stop ends all waiting: once Done is closed, Err returns the reason; before, it returns
// nil.
type Stop interface {
	Done() <-chan struct{}
	Err() error
}

// Acquire waits for a slot, which the caller must release.
func (l *Limiter) Acquire(ctx context.Context, stop Stop) (Slot, error) {
	if err := stop.Err(); err != nil {
		return Slot{}, err
	}
	if ctx.Err() != nil {
		return Slot{}, context.Cause(ctx)
	}
	l.mu.Lock()
	if l.active < int(l.limit) && l.waiters.Len() == 0 {
		s := l.take()
		l.mu.Unlock()
		return s, nil
	}
	l.epoch.saturated = true
	w := &waiter{granted: make(chan Slot, 1)}
	e := l.waiters.PushBack(w)
	l.mu.Unlock()

	select {
	case s := <-w.granted:
		return s, nil
	case <-ctx.Done():
		l.leave(e, w)
		return Slot{}, context.Cause(ctx)
	case <-stop.Done():
		l.leave(e, w)
		return Slot{}, stop.Err()
	}
}

// take counts a slot as used. The caller holds l.mu.
func (l *Limiter) take() Slot {
	if l.epoch.start.IsZero() {
		l.epoch.start = time.Now()
	}
	l.active++
	if l.active >= int(l.limit) {
		l.epoch.saturated = true
	}
	return Slot{cuts: l.cuts}
}

// leave removes a waiter from the queue, or returns the slot that it just got.
func (l *Limiter) leave(e *list.Element, w *waiter) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.waiters.Remove(e) // does nothing if it was granted, and so removed, already
	select {
	case <-w.granted:
		l.active--
		l.admit()
	default:
	}
}

// admit admits waiters up to the limit. The caller holds l.mu.
func (l *Limiter) admit() {
	for l.active < int(l.limit) && l.waiters.Len() > 0 {
		w := l.waiters.Remove(l.waiters.Front()).(*waiter)
		w.granted <- l.take()
	}
}

// Release returns a slot, with the verdict of its attempt.
func (l *Limiter) Release(s Slot, v Verdict) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.active--
	switch v {
	case Completed:
		l.epoch.completed++
		l.strain = max(0, l.strain-tolerated)
	case Overloaded:
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

// cut reduces the limit after overload.
func (l *Limiter) cut() {
	l.cuts++
	l.strain = 0
	l.wall = l.limit
	l.change(max(1, l.limit*cutTo), Overload)
	l.phase = steady
	l.rest, l.nextRest = l.nextRest, min(l.nextRest*2, longestRest)
	l.before = rates{}
	l.begin(time.Now())
}

func (l *Limiter) begin(now time.Time) {
	l.epoch = epoch{start: now, received: l.Received.Load()}
}

// measure ends the epoch if it has lasted long enough, and decides about the limit.
func (l *Limiter) measure(now time.Time) {
	took := now.Sub(l.epoch.start)
	if took < minEpoch || l.epoch.completed < int(l.limit) && took < maxEpoch {
		return
	}
	if l.epoch.saturated && l.epoch.completed > 0 {
		l.decide(rates{
			bytes:     float64(l.Received.Load()-l.epoch.received) / took.Seconds(),
			completed: float64(l.epoch.completed) / took.Seconds(),
		})
	}
	l.begin(now)
}

func (l *Limiter) decide(now rates) {
	switch l.phase {
	case slowStart:
		l.decideSlowStart(now)
	case steady:
		l.decideSteady(now)
	case probing:
		l.decideProbe(now)
	}
}

func (l *Limiter) decideSlowStart(now rates) {
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

func (l *Limiter) decideSteady(now rates) {
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

func (l *Limiter) decideProbe(now rates) {
	l.phase = steady
	if !now.pays(l.before, probePays) {
		l.change(l.limit/probeStep, NoGain)
		l.rest, l.nextRest = l.nextRest, min(l.nextRest*2, longestRest)
		return
	}
	l.before = now
	if l.rest = l.nextRest; l.limit > l.wall {
		l.wall = 0
		l.rest, l.nextRest = 1, 1
	}
}

// raise increases the limit, by at least one slot, up to the ceiling.
func (l *Limiter) raise(to float64) {
	l.change(min(max(to, l.limit+1), float64(l.ceiling)), Grew)
}

// change sets the limit and reports the change.
func (l *Limiter) change(to float64, why Reason) {
	if to != l.limit && l.Changed != nil {
		l.Changed(why)
	}
	l.limit = to
}

// pays reports whether r is better than before by factor, in bytes or in requests.
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

// Status is a snapshot.
type Status struct {
	Limit   int // attempts at a time that are allowed now
	Ceiling int // maximum that may ever be allowed
	Active  int // slots in use
	Waiting int // waiting for a slot
}

// Status returns a snapshot.
func (l *Limiter) Status() Status {
	l.mu.Lock()
	defer l.mu.Unlock()
	return Status{Limit: int(l.limit), Ceiling: l.ceiling, Active: l.active, Waiting: l.waiters.Len()}
}
