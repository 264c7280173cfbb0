package adaptive

import (
	"context"
	"math"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"
)

// A model is an origin in virtual time: it serves one request of size bytes,
// reports bytes as they arrive, and returns the verdict.
type model interface {
	serve(size int64, received func(int64)) Verdict
}

// link is 50 MB/s that all share, 60 ms away.
type link struct {
	mu   sync.Mutex
	free time.Time // when the line has sent all that was asked of it
}

const (
	roundTripTime = 60 * time.Millisecond
	linkRate      = 50_000_000 // bytes a second
)

func (l *link) serve(size int64, received func(int64)) Verdict {
	time.Sleep(roundTripTime)
	for size > 0 {
		n := min(size, 32<<10)
		l.mu.Lock()
		if now := time.Now(); l.free.Before(now) {
			l.free = now
		}
		l.free = l.free.Add(time.Duration(n) * time.Second / linkRate)
		until := time.Until(l.free)
		l.mu.Unlock()
		time.Sleep(until)
		received(n)
		size -= n
	}
	return Completed
}

// budget serves 500 requests a second and answers 429 beyond.
type budget struct {
	mu     sync.Mutex
	tokens float64
	last   time.Time
}

func (b *budget) serve(size int64, received func(int64)) Verdict {
	time.Sleep(roundTripTime)
	b.mu.Lock()
	defer b.mu.Unlock()
	now := time.Now()
	b.tokens = min(50, b.tokens+now.Sub(b.last).Seconds()*500)
	b.last = now
	if b.tokens < 1 {
		return Overloaded
	}
	b.tokens--
	received(size)
	return Completed
}

// ill answers every fiftieth request with 429 or 503, whatever the load.
type ill struct{ asked atomic.Int64 }

func (m *ill) serve(size int64, received func(int64)) Verdict {
	time.Sleep(roundTripTime)
	if n := m.asked.Add(1); rand.New(rand.NewPCG(2, uint64(n))).IntN(50) == 0 {
		return Overloaded
	}
	received(size)
	return Completed
}

// slots serves n requests at a time, each for so long, the rest queue.
type slots struct {
	rtt, each time.Duration
	free      chan struct{}
}

func newSlots(n int, rtt, each time.Duration) *slots {
	return &slots{rtt: rtt, each: each, free: make(chan struct{}, n)}
}

func (s *slots) serve(size int64, received func(int64)) Verdict {
	time.Sleep(s.rtt)
	s.free <- struct{}{}
	time.Sleep(s.each)
	<-s.free
	received(size)
	return Completed
}

type outcome struct {
	perSecond float64 // crates
	overloads float64 // a second
	limit     int
	most      int // ever active
}

// simulate runs workers against a model in virtual time.
func simulate(t *testing.T, l *Limiter, newModel func() model, workers int, length time.Duration) (o outcome) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		var running sync.WaitGroup
		m := newModel() // in here, because its channels belong to the bubble
		b := never{}
		ctx, cancel := context.WithTimeout(t.Context(), length)
		defer cancel()
		good, bad := 0, 0
		for w := range workers {
			random := rand.New(rand.NewPCG(1, uint64(w)))
			running.Go(func() {
				for {
					s, err := l.Acquire(ctx, b)
					if err != nil {
						return
					}
					active := l.Status().Active
					v := m.serve(threeDecades(random), func(n int64) { l.Received.Add(n) })
					l.Release(s, v)
					mu.Lock()
					o.most = max(o.most, active)
					if v == Completed {
						good++
					} else {
						bad++
					}
					mu.Unlock()
					if v == Overloaded { // as a fetch does
						time.Sleep(rand.N(500 * time.Millisecond))
					}
				}
			})
		}
		running.Wait()
		o.perSecond = float64(good) / length.Seconds()
		o.overloads = float64(bad) / length.Seconds()
		o.limit = l.Status().Limit
		if s := l.Status(); s.Active != 0 || s.Waiting != 0 {
			t.Errorf("slots are lost: %+v", s)
		}
	})
	return o
}

// threeDecades draws sizes from 1 KB to 1 MB as crates have them.
func threeDecades(r *rand.Rand) int64 { return int64(1000 * math.Pow(1000, r.Float64())) }

// fixed is a limiter that does not adapt.
func fixed(n int) *Limiter {
	l := New(n)
	l.limit, l.phase, l.rest = float64(n), steady, math.MaxInt
	return l
}

// Against each kind of origin the limiter gets most of what the best fixed
// number would, without being told that number.
func TestLimiterFindsWhatPays(t *testing.T) {
	for _, tt := range []struct {
		name     string
		model    func() model
		ceiling  int
		best     int // a fixed limit that is right for this origin
		share    float64
		overload float64 // 429 a second, at most
	}{
		{"shared link", func() model { return new(link) }, 512, 128, 0.9, 0},
		{"429 beyond a budget", func() model { return new(budget) }, 512, 30, 0.9, 40},
		{"2 % at random", func() model { return new(ill) }, 512, 512, 0.8, 200},
		{"slots far away", func() model { return newSlots(64, roundTripTime, 20*time.Millisecond) }, 512, 256, 0.85, 0},
		{"few slots", func() model { return newSlots(4, time.Millisecond, 5*time.Millisecond) }, 128, 8, 0.95, 0},
		{"loopback", func() model { return newSlots(2, 20*time.Microsecond, 50*time.Microsecond) }, 128, 128, 0.98, 0},
		{"loopback, slow disk", func() model { return newSlots(128, 50*time.Microsecond, 4*time.Millisecond) }, 128, 128, 0.9, 0},
		{"far and fast", func() model { return newSlots(128, 200*time.Millisecond, time.Millisecond) }, 128, 128, 0.9, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			length := 10 * time.Second
			if strings.HasPrefix(tt.name, "loopback") {
				length = time.Second // short runs must not pay for the search
			}
			ours := simulate(t, New(tt.ceiling), tt.model, 600, length)
			best := simulate(t, fixed(tt.best), tt.model, 600, length)
			t.Logf("ours %.0f/s (%.0f overloads/s, limit %d), fixed %d: %.0f/s (%.0f overloads/s)",
				ours.perSecond, ours.overloads, ours.limit, tt.best, best.perSecond, best.overloads)
			if ours.perSecond < best.perSecond*tt.share {
				t.Errorf("%.0f crates a second, want %.0f %% of %.0f", ours.perSecond, 100*tt.share, best.perSecond)
			}
			if ours.overloads > tt.overload {
				t.Errorf("%.0f overloads a second, want at most %.0f", ours.overloads, tt.overload)
			}
			if ours.most > tt.ceiling {
				t.Errorf("%d were active, the ceiling is %d", ours.most, tt.ceiling)
			}
		})
	}
}

// A cut happens once for all that were under way, whatever they say.
func TestLimiterCutsOncePerGeneration(t *testing.T) {
	l := fixed(100)
	b := never{}
	var taken []Slot
	for range 100 {
		s, err := l.Acquire(t.Context(), b)
		if err != nil {
			t.Fatal(err)
		}
		taken = append(taken, s)
	}
	for _, s := range taken {
		l.Release(s, Overloaded)
	}
	if got := l.Status().Limit; got != 70 {
		t.Errorf("the limit is %d after 100 overloads of one generation, want 70", got)
	}
	for range tooMuch {
		s, _ := l.Acquire(t.Context(), b)
		l.Release(s, Overloaded)
	}
	if got := l.Status().Limit; got != 49 {
		t.Errorf("the limit is %d after as many as are too much again, want 49", got)
	}
}

// Overloads that come with twenty completed attempts each are no reason to cut;
// faster ones are.
func TestLimiterToleratesAFew(t *testing.T) {
	for between, want := range map[int]int{20: 100, 10: 70} {
		l := fixed(100)
		for range 8 {
			l.Release(l.take(), Overloaded)
			for range between {
				l.Release(l.take(), Completed)
			}
		}
		if got := l.Status().Limit; got != want {
			t.Errorf("%d completed attempts between 8 overloads: the limit is %d, want %d", between, got, want)
		}
	}
}

// Whatever happens: never above the ceiling, never below one, no slot lost, and no
// attempt waits while there is room.
func TestLimiterInvariants(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rapid.Check(struct{ *testing.T }{t}, checkLimiter) // rapid asks a *testing.T for its deadline, which a bubble has not
	})
}

func checkLimiter(t *rapid.T) {
	ceiling := rapid.IntRange(1, 40).Draw(t, "ceiling")
	l := New(ceiling)
	b := never{}
	ctx, cancel := context.WithCancel(context.Background())
	granted := make(chan Slot, 1000)
	var running sync.WaitGroup
	for range rapid.IntRange(1, 200).Draw(t, "steps") {
		switch rapid.IntRange(0, 2).Draw(t, "step") {
		case 0:
			if len(granted) > 0 {
				l.Release(<-granted, Verdict(rapid.IntRange(0, 2).Draw(t, "verdict")))
			}
		case 1:
			time.Sleep(rapid.SampledFrom([]time.Duration{minEpoch, maxEpoch}).Draw(t, "sleep"))
		case 2:
			running.Go(func() {
				if s, err := l.Acquire(ctx, b); err == nil {
					granted <- s
				}
			})
		}
		synctest.Wait()
		s := l.Status()
		if s.Limit < 1 || s.Limit > ceiling {
			t.Fatalf("limit %d, ceiling %d", s.Limit, ceiling)
		}
		if s.Waiting > 0 && s.Active < s.Limit {
			t.Fatalf("%d wait while %d of %d are active", s.Waiting, s.Active, s.Limit)
		}
		if s.Active != len(granted) {
			t.Fatalf("%d active, %d granted", s.Active, len(granted))
		}
	}
	cancel()
	running.Wait()
	for len(granted) > 0 {
		l.Release(<-granted, Neutral)
	}
	if s := l.Status(); s.Active != 0 || s.Waiting != 0 {
		t.Fatalf("at the end: %+v", s)
	}
}

// never is a Stop that does not come.
type never struct{}

func (never) Done() <-chan struct{} { return nil }
func (never) Err() error            { return nil }
