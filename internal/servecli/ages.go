package servecli

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/gate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/policy"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/policy/age"
)

// ages is what the history of the index says about versions. It is read when a policy first
// needs it, and again when one needs more of it.
type ages struct {
	dir     string // of the index
	log     *slog.Logger
	sources []*gate.Source
	changed func() // called when more is known than before, because earlier decisions may be wrong

	trouble string // last one logged

	mu     sync.RWMutex // held for reading during queries of the book
	book   *age.Book    // nil: no policy needs it
	window time.Duration
}

// wanted returns how much history the policies need.
func (a *ages) wanted() (most time.Duration) {
	for _, s := range a.sources {
		most = max(most, s.Policy().Needs().Seen)
	}
	return most
}

// open reads as much history as the policies need now. If it cannot be read it is unknown,
// and the policies decide what follows.
func (a *ages) open(ctx context.Context) {
	wanted := a.wanted()
	a.mu.RLock()
	enough := wanted <= a.window
	a.mu.RUnlock()
	if enough {
		return
	}
	book, err := age.Open(ctx, a.dir, wanted, a.log)
	if err != nil {
		if text := err.Error(); text != a.trouble { // open is called every second
			a.trouble = text
			a.log.Error("the history of the index cannot be read: versions without a time of publication count as unknown", "err", err)
		}
		return
	}
	a.trouble = ""
	a.mu.Lock()
	if a.book != nil {
		_ = a.book.Close() // it was only read
	}
	a.book, a.window = book, wanted
	a.mu.Unlock()
	a.changed()
}

// Seen returns when the index began to name a version.
func (a *ages) Seen(ctx context.Context, key crate.Key) policy.Seen {
	a.mu.RLock()
	defer a.mu.RUnlock()
	if a.book == nil {
		return policy.Seen{}
	}
	return a.book.Seen(ctx, key)
}

// Close releases the history. Calls of Seen must have returned.
func (a *ages) Close() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.book == nil {
		return nil
	}
	return a.book.Close()
}
