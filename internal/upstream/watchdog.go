package upstream

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// looksPerStall is the number of times that the watchdog looks during a StallTimeout. It
// notices a stall at most one look late.
const looksPerStall = 4

// watchdog ends an attempt that takes too long or whose body makes no progress. It costs
// one timer per attempt and one atomic addition per Read. Durations are monotonic, so clock
// jumps do not matter (B24).
type watchdog struct {
	cancel  context.CancelCauseFunc
	stall   time.Duration
	minimum int64 // minimum number of bytes per stall time
	read    atomic.Int64
	reading atomic.Bool  // the headers are complete, and we wait for the body
	busy    atomic.Bool  // we wait for the caller's disk or memory, or for a rate limit
	held    atomic.Int64 // since when, after the start, a rate limit delays the attempt, nanoseconds; 0: it does not
	waited  atomic.Int64 // for rate limits, nanoseconds

	mu      sync.Mutex // guards what follows against the timer's goroutine
	timer   *time.Timer
	started time.Time
	headers time.Duration // Config.HeaderTimeout
	whole   time.Duration // Config.Timeout
	stopped bool
	past    [looksPerStall]int64 // read at the last looks, oldest at next
	next    int
	looks   int // since the body began or the caller was last busy
}

// watch starts a watchdog over an attempt that cancel ends.
func watch(cancel context.CancelCauseFunc, cfg *Config) *watchdog {
	w := &watchdog{
		cancel:  cancel,
		stall:   cfg.StallTimeout,
		minimum: max(1, int64(float64(cfg.MinRate)*cfg.StallTimeout.Seconds())),
		started: time.Now(),
		headers: cfg.HeaderTimeout,
		whole:   cfg.Timeout,
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.timer = time.AfterFunc(w.nextLook(0), w.look)
	return w
}

// nextLook returns the time until the next look, when elapsed has passed since the start.
func (w *watchdog) nextLook(elapsed time.Duration) time.Duration {
	next := min(max(w.stall/looksPerStall, time.Millisecond), w.whole-elapsed)
	if !w.reading.Load() && elapsed < w.headers {
		next = min(next, w.headers-elapsed)
	}
	return next
}

// stop ends the watch.
func (w *watchdog) stop() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.stopped = true
	w.timer.Stop()
}

// look runs on the timer, checks the attempt and sets the timer again.
func (w *watchdog) look() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.stopped {
		return
	}
	elapsed := w.elapsed()
	if err := w.judge(elapsed); err != nil {
		w.cancel(err)
		return
	}
	w.timer.Reset(w.nextLook(elapsed))
}

// elapsed returns how long the attempt has taken, without delays by rate limits.
func (w *watchdog) elapsed() time.Duration {
	now := time.Since(w.started)
	if since := w.held.Load(); since > 0 {
		now = time.Duration(since)
	}
	return now - time.Duration(w.waited.Load())
}

// hold records that a rate limit delays the attempt until the returned function is called.
func (w *watchdog) hold() (release func()) {
	since := time.Since(w.started)
	w.busy.Store(true)
	w.held.Store(int64(max(since, 1)))
	return func() {
		w.waited.Add(int64(time.Since(w.started) - since))
		w.held.Store(0)
		w.busy.Store(false)
	}
}

// judge returns why the attempt must end, or nil.
func (w *watchdog) judge(elapsed time.Duration) error {
	switch {
	case elapsed >= w.whole:
		return &timeoutError{fmt.Sprintf("the attempt took longer than %v", w.whole)}
	case !w.reading.Load() && elapsed >= w.headers:
		return &timeoutError{fmt.Sprintf("no answer came within %v", w.headers)}
	case !w.reading.Load() || w.busy.Load():
		w.looks = 0
		return nil
	}
	return w.judgeProgress(w.read.Load())
}

// judgeProgress compares the bytes read with those read a stall time ago.
func (w *watchdog) judgeProgress(read int64) error {
	oldest := w.past[w.next]
	w.past[w.next] = read
	w.next = (w.next + 1) % looksPerStall
	if w.looks++; w.looks <= looksPerStall {
		return nil
	}
	switch came := read - oldest; {
	case came == 0:
		return &timeoutError{fmt.Sprintf("not a byte came for %v", w.stall)}
	case came < w.minimum:
		return &timeoutError{fmt.Sprintf("only %d bytes came in %v", came, w.stall)}
	}
	return nil
}

// timeoutError is the watchdog's error; it implements net.Error.
type timeoutError struct{ text string }

func (e *timeoutError) Error() string   { return e.text }
func (e *timeoutError) Timeout() bool   { return true }
func (e *timeoutError) Temporary() bool { return true }
