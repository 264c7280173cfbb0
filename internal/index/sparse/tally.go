package sparse

import (
	"fmt"
	"sync"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/human"
)

// A tally is the progress of a look. Its methods may be called concurrently.
type tally struct {
	progress func(string) // may be nil

	mu     sync.Mutex // guards what follows
	result Result
	again  []string        // crates to request in the next look
	deps   []string        // crates that others depend on
	named  map[string]bool // paths that were requested because something named them
}

// asked counts a requested file, and sometimes reports the progress.
func (t *tally) asked(a *asking) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if a.named {
		t.named[a.path] = true
	}
	if t.result.Asked++; t.progress != nil && t.result.Asked%64 == 1 {
		t.progress(fmt.Sprintf("%s files asked for, %s new or changed", human.Count(t.result.Asked-1), human.Count(t.result.Changed)))
	}
}

// count adds to the result.
func (t *tally) count(add func(*Result)) {
	t.mu.Lock()
	defer t.mu.Unlock()
	add(&t.result)
}

// failed records a file that could not be downloaded: the next look requests it.
func (t *tally) failed(name string, err error) {
	t.askAgain(name)
	t.count(func(r *Result) {
		if r.Failed++; len(r.Failures) < maxFailures {
			r.Failures = append(r.Failures, fmt.Errorf("%s: %w", name, err))
		}
	})
}

// askAgain adds a crate to the requests of the next look.
func (t *tally) askAgain(name string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.again) <= maxAgain {
		t.again = append(t.again, name)
	}
}

// needs records crates that others depend on.
func (t *tally) needs(names map[string]bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for name := range names {
		t.deps = append(t.deps, name)
	}
}

// takeDeps returns the crates recorded since the last call.
func (t *tally) takeDeps() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	deps := t.deps
	t.deps = nil
	return deps
}
