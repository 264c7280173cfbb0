package pages

import (
	"bytes"
	"errors"
	"net/http"
	"sync"
	"time"
)

const (
	// tick is how often the run is checked and reported.
	tick = time.Second
	// maxListeners limits the visitors with live numbers. Others see the numbers from when
	// they loaded the page.
	maxListeners = 256
	// quiet is the time without news after which a stream sends a sign of life, so that
	// proxies do not close it.
	quiet = 15 * time.Second
	// patience is how long a visitor may take to receive one event.
	patience = 10 * time.Second
)

// live watches the mirror's run for all listeners: one goroutine looks and renders,
// whatever their number.
type live struct {
	mirror    Mirror
	pages     *pages
	listeners chan struct{} // one token each

	mu      sync.Mutex
	history history       // of the run's rate
	status  status        // last status seen
	event   []byte        // the status in the form for listeners
	news    chan struct{} // closed when event is replaced

	quit, done chan struct{}
	once       sync.Once
}

func newLive(m Mirror, p *pages) *live {
	l := &live{
		mirror: m, pages: p,
		listeners: make(chan struct{}, maxListeners),
		news:      make(chan struct{}),
		quit:      make(chan struct{}), done: make(chan struct{}),
	}
	l.look()
	go l.watch()
	return l
}

func (l *live) watch() {
	defer close(l.done)
	ticker := time.NewTicker(tick)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			l.look()
		case <-l.quit:
			return
		}
	}
}

func (l *live) close() {
	l.once.Do(func() { close(l.quit) })
	<-l.done
}

// look reads what the mirror holds and the progress of its run, and makes a new event if
// that has changed.
func (l *live) look() {
	s := status{Totals: l.mirror.Totals(), now: time.Now()}
	state, running := l.mirror.Run()

	l.mu.Lock()
	defer l.mu.Unlock()
	if running {
		if state.Live(s.now) {
			l.history.add(state)
		}
		s.Run = newRun(state, s.now, &l.history)
	}
	l.status = s
	if event := l.pages.event(s); !bytes.Equal(event, l.event) {
		l.event = event
		close(l.news)
		l.news = make(chan struct{})
	}
}

// now returns the last status seen. Pages show this one and not a newer one, because
// otherwise the first event would take a visitor back.
func (l *live) now() status {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.status
}

// event returns the live part of a page as a server-sent event.
func (p *pages) event(s status) []byte {
	var html, event bytes.Buffer
	if err := p.templates["home"].ExecuteTemplate(&html, "live", s); err != nil {
		return nil // the page itself says why
	}
	for line := range bytes.Lines(html.Bytes()) {
		if line = bytes.TrimSpace(line); len(line) > 0 {
			event.WriteString("data: ")
			event.Write(line)
			event.WriteByte('\n')
		}
	}
	event.WriteByte('\n')
	return event.Bytes()
}

// next returns the newest event, and a channel that is closed when there is a newer one.
func (l *live) next() ([]byte, <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.event, l.news
}

// serve streams events until the visitor leaves or the server ends. A slow visitor misses
// some events, and does not delay others.
func (l *live) serve(w http.ResponseWriter, r *http.Request) {
	select {
	case l.listeners <- struct{}{}:
		defer func() { <-l.listeners }()
	default:
		w.Header().Set("Retry-After", "30")
		http.Error(w, "too many visitors listen already", http.StatusServiceUnavailable)
		return
	}
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Accel-Buffering", "no") // otherwise nginx buffers events
	if r.Method == http.MethodHead {
		return
	}
	event, news := l.next()
	for send(w, event) == nil {
		select {
		case <-news:
			event, news = l.next()
		case <-time.After(quiet):
			event = []byte(":\n\n") // a comment
		case <-r.Context().Done():
			return
		case <-l.quit:
			return
		}
	}
}

// send sends an event immediately. The deadline is only for this event: HTTP/2 resets a
// stream whose deadline has passed even if nothing is being written.
func send(w http.ResponseWriter, event []byte) error {
	c := http.NewResponseController(w)
	limit := func(t time.Time) error {
		if err := c.SetWriteDeadline(t); !errors.Is(err, http.ErrNotSupported) {
			return err
		}
		return nil
	}
	if err := limit(time.Now().Add(patience)); err != nil {
		return err
	}
	if _, err := w.Write(event); err != nil {
		return err
	}
	if err := c.Flush(); err != nil {
		return err
	}
	return limit(time.Time{})
}
