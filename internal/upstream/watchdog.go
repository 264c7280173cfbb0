package upstream

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// looksPerStall is how often the watchdog looks during a StallTimeout. A stall
// is noticed at most one look late.
const looksPerStall = 4

// watchdog cuts an attempt that takes too long or whose body stands still. It
// costs one timer an attempt and one atomic addition a Read; durations are
// monotonic, so jumps of the clock do not matter (B24).
type watchdog struct {
	cancel  context.CancelCauseFunc
	stall   time.Duration
	minimum int64 // bytes that a stall time must bring
	read    atomic.Int64
	reading atomic.Bool  // the headers are here and the body is ours to wait for
	busy    atomic.Bool  // the caller's disk or memory, or a cap, is what we wait for
	held    atomic.Int64 // since when, after the start, a cap holds the attempt up, nanoseconds; 0: none does
	waited  atomic.Int64 // for caps, nanoseconds

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

// nextLook returns the time until the next look, elapsed after the start.
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

// look runs on the timer.
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

// elapsed is how long the attempt has taken, without the time that a cap held it up.
func (w *watchdog) elapsed() time.Duration {
	now := time.Since(w.started)
	if since := w.held.Load(); since > 0 {
		now = time.Duration(since)
	}
	return now - time.Duration(w.waited.Load())
}

// hold notes that a cap holds the attempt up until the returned function is called.
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

// judge returns why the attempt must end.
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

// judgeProgress compares what was read with what had been read a stall time
// ago.
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

// timeoutError is the watchdog's verdict; it satisfies net.Error.
type timeoutError struct{ text string }

func (e *timeoutError) Error() string   { return e.text }
func (e *timeoutError) Timeout() bool   { return true }
func (e *timeoutError) Temporary() bool { return true }
