package upstream

import (
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
)

// certificateLimit is the number of items in a row that may meet an invalid certificate.
// Retries do not help, but one broken machine of a CDN must not end a run.
const certificateLimit = 3

// breaker stops the client when item after item fails in the same way. An item counts once,
// however often it was tried, and any success resets the counts.
type breaker struct {
	refusalLimit, failureLimit int

	dirty atomic.Bool // a count is not zero; lets a success skip the lock
	err   atomic.Pointer[StoppedError]
	done  chan struct{} // closed once err is set

	mu           sync.Mutex
	refusals     map[int]int // items in a row by status; at most one key per status
	failures     int
	certificates int
	missing      int // items in a row that upstream may lack
}

func newBreaker(refusalLimit, failureLimit int) *breaker {
	return &breaker{
		refusalLimit: refusalLimit,
		failureLimit: failureLimit,
		done:         make(chan struct{}),
		refusals:     map[int]int{},
	}
}

// stopped returns why the client was stopped, or nil.
func (b *breaker) stopped() *StoppedError { return b.err.Load() }

// Done implements adaptive.Stop.
func (b *breaker) Done() <-chan struct{} { return b.done }

// Err implements adaptive.Stop.
func (b *breaker) Err() error {
	if why := b.stopped(); why != nil {
		return why
	}
	return nil
}

func (b *breaker) success() {
	if !b.dirty.Load() {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.dirty.Store(false)
	clear(b.refusals)
	b.failures, b.certificates, b.missing = 0, 0, 0
}

// manyMissing counts an item that upstream may lack, and reports whether so many came in a
// row that the client should check for a ban.
func (b *breaker) manyMissing() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.dirty.Store(true)
	b.missing++
	return b.missing%b.refusalLimit == 0
}

// failure counts an item that failed permanently with err. If this was one too many, it
// returns why the client must stop.
func (b *breaker) failure(fail *failure, err error) *StoppedError {
	if fail.kind == local {
		return nil
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.dirty.Store(true)
	reason, hint := b.count(fail)
	if reason == "" {
		return nil
	}
	return &StoppedError{Reason: reason, Hint: hint, Last: err}
}

// stop stops the client, and reports whether it was running until then.
func (b *breaker) stop(why *StoppedError) bool {
	if !b.err.CompareAndSwap(nil, why) {
		return false
	}
	close(b.done)
	return true
}

// count returns a reason to stop, or "" if there is none.
func (b *breaker) count(fail *failure) (reason, hint string) {
	switch fail.kind {
	case refused:
		b.refusals[fail.status]++
		if b.refusals[fail.status] < b.refusalLimit {
			return "", ""
		}
		if fail.mismatch != nil {
			return fmt.Sprintf("%d crates in a row came with wrong bytes", b.refusalLimit),
				"a captive portal or a filtering proxy may be in the way; look at the evidence, then run again"
		}
		return fmt.Sprintf("%d crates in a row were refused with %s", b.refusalLimit, statusText(fail.status)), refusalHint(fail.status)
	case certificate:
		b.certificates++
		if b.certificates < certificateLimit {
			return "", ""
		}
		return "the server's certificate is not valid for it",
			"check the system's clock and root certificates and whether a proxy intercepts TLS; plain http is never tried"
	default:
		b.failures++
		if b.failures < b.failureLimit {
			return "", ""
		}
		return fmt.Sprintf("%d crates in a row failed in all their attempts", b.failureLimit),
			"upstream or the way to it is down; run again later, what is here stays"
	}
}

func refusalHint(status int) string {
	switch {
	case status == http.StatusUnauthorized:
		return "give a token that upstream takes, then run again"
	case isRedirect(status):
		return "if upstream keeps its crates where it leads to, allow that with -allow-host; otherwise a captive portal may be in the way"
	}
	return "upstream may have banned this address or User-Agent, or a captive portal is in the way; " +
		"try the URL by hand, wait, then run again"
}
