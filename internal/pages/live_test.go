package pages

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// A listener receives events.
type listener struct {
	*httptest.ResponseRecorder
	mu    sync.Mutex
	got   bytes.Buffer
	stuck chan struct{} // if not nil, each write waits for it to be closed
	leave context.CancelFunc
	done  chan struct{}

	deadline time.Time // for writing
}

func (l *listener) SetWriteDeadline(deadline time.Time) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.deadline = deadline
	return nil
}

func listen(h http.Handler, stuck chan struct{}) *listener {
	ctx, cancel := context.WithCancel(context.Background())
	l := &listener{ResponseRecorder: httptest.NewRecorder(), stuck: stuck, leave: cancel, done: make(chan struct{})}
	go func() {
		defer close(l.done)
		h.ServeHTTP(l, httptest.NewRequestWithContext(ctx, "GET", "/events", nil))
	}()
	return l
}

func (l *listener) Write(p []byte) (int, error) {
	if l.stuck != nil {
		<-l.stuck
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.deadline.IsZero() {
		return 0, errors.New("writing without a deadline")
	}
	return l.got.Write(p)
}

// events returns what has come since it was asked last.
func (l *listener) events() []string {
	synctest.Wait()
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.deadline.IsZero() && l.stuck == nil {
		panic("a deadline while nothing is written: HTTP/2 would end the stream")
	}
	all := strings.SplitAfter(l.got.String(), "\n\n")
	l.got.Reset()
	return all[:len(all)-1]
}

func TestEvents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture()
		h := newHandler(t, f, testURL)
		stuck := make(chan struct{})
		slow := listen(h, stuck)
		listeners := []*listener{listen(h, nil), listen(h, nil), listen(h, nil)}
		before := f.looks()
		want := func(text string) {
			t.Helper()
			for i, l := range listeners {
				if got := l.events(); len(got) != 1 || !strings.Contains(got[0], text) {
					t.Errorf("listener %d got %q, want one event with %q", i, got, text)
				}
			}
		}
		want("<strong>Complete.</strong>") // at once
		for work := int64(1000); work < 4000; work += 1000 {
			f.setRun(running(work))
			time.Sleep(tick)
			want("<strong>40" + string('0'+rune(work/1000)) + ",000</strong> of 1,700,624")
		}
		killed := running(4000)
		killed.Updated = time.Now().Add(-time.Hour)
		f.setRun(killed)
		time.Sleep(tick)
		want("Ended without a word.")
		time.Sleep(quiet)
		want(":\n\n")
		if n := f.looks() - before; n != int((4*tick+quiet)/tick) {
			t.Errorf("the mirror was asked %d times in %s for %d listeners", n, 4*tick+quiet, len(listeners))
		}
		close(stuck)
		if got := slow.events(); len(got) > 2 || !strings.Contains(got[len(got)-1], "Ended without a word.") {
			t.Errorf("the slow one got %q, want what it had begun with and the newest", got)
		}
		for line := range strings.Lines(strings.Join(slow.events(), "")) {
			if line != "\n" && !strings.HasPrefix(line, "data: ") {
				t.Errorf("a line of an event is %q", line)
			}
		}
		h.Close()
		for _, l := range append(listeners, slow) {
			<-l.done // or the test hangs
		}
	})
}

func TestListenersAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHandler(t, newFixture(), testURL)
		listeners := make([]*listener, maxListeners)
		for i := range listeners {
			listeners[i] = listen(h, nil)
		}
		synctest.Wait()
		one := listen(h, nil)
		<-one.done
		if one.Code != http.StatusServiceUnavailable || one.Header().Get("Retry-After") == "" {
			t.Errorf("one too many: status %d, want 503 and Retry-After", one.Code)
		}
		listeners[7].leave()
		<-listeners[7].done
		if got := listen(h, nil).events(); len(got) != 1 {
			t.Errorf("in a place that became free: %d events, want 1", len(got))
		}
	})
}

// A page without news says nothing, so that it costs nothing.
func TestNoNewsNoEvent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHandler(t, newFixture(), testURL)
		l := listen(h, nil)
		l.events()
		time.Sleep(quiet - tick)
		if got := l.events(); len(got) > 0 {
			t.Errorf("got %q, want nothing", got)
		}
	})
}
