package mirror

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/plan"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/upstream"
)

// moody is an upstream that delivers each version as often as its test wants.
type moody struct {
	w     *world
	start time.Time
	fails func(id crate.ID, call int) error // call: 1, 2, ...; nil: the crate is given

	mu          sync.Mutex // guards what follows
	asked       map[crate.ID][]time.Duration
	reconnected []time.Duration
}

func (m *moody) Fetch(_ context.Context, req upstream.Request) (*upstream.Body, upstream.Stats, error) {
	m.mu.Lock()
	m.asked[req.ID] = append(m.asked[req.ID], time.Since(m.start))
	call := len(m.asked[req.ID])
	m.mu.Unlock()
	if req.Again != (call > 1) {
		m.w.t.Errorf("%v, call %d: Again is %t", req.ID, call, req.Again)
	}
	stats := upstream.Stats{Attempts: 3}
	if err := m.fails(req.ID, call); err != nil {
		if wrong := new(upstream.MismatchError); errors.As(err, &wrong) {
			wrong.Err.Want = req.Checksum
		}
		return nil, stats, err
	}
	data, err := m.w.reg.CrateBytes(req.ID)
	return &upstream.Body{Data: data, Size: int64(len(data))}, stats, err
}

func (m *moody) Reconnect() { m.reconnected = append(m.reconnected, time.Since(m.start)) }

func down(id crate.ID) error {
	return &upstream.FetchError{ID: id, Attempts: 3, Err: errors.New("the answer is 500 Internal Server Error")}
}

func wrong(id crate.ID) error {
	sum := &crate.ChecksumError{ID: id, Got: crate.Checksum{2}, Size: 6}
	return &upstream.MismatchError{Err: sum, Attempts: 3, Evidence: upstream.Evidence{Body: []byte("<html>")}}
}

// versions is the text of a registry.
func versions(name string, n int) string {
	var lines []string
	for i := range n {
		lines = append(lines, fmt.Sprintf("%s %d.0.0", name, i))
	}
	return strings.Join(lines, "\n")
}

// inPasses mirrors from a moody upstream, a second pass 5 s after the first.
func inPasses(t *testing.T, text string, fails func(crate.ID, int) error, check func(*world, *moody, *Summary, error), change func(*Config, *moody, context.CancelFunc)) {
	t.Helper()
	w := newWorld(t, parse(text))
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		m := &moody{w: w, start: time.Now(), fails: fails, asked: map[crate.ID][]time.Duration{}}
		s, err := w.run(ctx, w.disk, func(c *Config) {
			c.Fetch, c.SecondPass, c.Interval = m, 5*time.Second, time.Second
			if change != nil {
				change(c, m, cancel)
			}
		})
		check(w, m, s, err)
		if left := leftovers(t, w.disk); len(left) > 0 {
			t.Errorf("left behind: %v", left)
		}
	})
}

// Versions that upstream does not deliver at first are downloaded in a later pass, over
// other connections, and count only as downloaded.
func TestLaterPasses(t *testing.T) {
	text := versions("foo", 30) + "\nbar 1.0.0"
	bar := crate.ID{Name: "bar", Version: "1.0.0"}
	for _, tt := range []struct {
		name  string
		fault func(crate.ID) error
		calls int // that fail
		want  []time.Duration
	}{
		{"first call", down, 0, []time.Duration{0}},
		{"second pass", down, 1, []time.Duration{0, 5 * time.Second}},
		{"third pass", down, 2, []time.Duration{0, 5 * time.Second, 65 * time.Second}},
		{"wrong bytes once", wrong, 1, []time.Duration{0, 5 * time.Second}},
		{"wrong bytes twice", wrong, 2, []time.Duration{0, 5 * time.Second, 65 * time.Second}},
	} {
		inPasses(t, text, func(id crate.ID, call int) error {
			if id == bar && call <= tt.calls {
				return tt.fault(id)
			}
			return nil
		}, func(w *world, m *moody, s *Summary, err error) {
			if err != nil || s.Downloaded != 31 || !s.Complete(false) || !s.Sound() || len(s.Failures)+len(s.Again) > 0 {
				t.Errorf("%s: %v, %+v", tt.name, err, s)
			}
			if got := m.asked[bar]; !slices.Equal(got, tt.want) {
				t.Errorf("%s: asked at %v, want %v", tt.name, got, tt.want)
			}
			if !slices.Equal(m.reconnected, tt.want[1:]) {
				t.Errorf("%s: reconnected at %v", tt.name, m.reconnected)
			}
			if rec := w.records(); len(rec) != 31 || !rec["bar 1.0.0"].OK || rec["bar 1.0.0"].Retries != 3*len(tt.want)-1 {
				t.Errorf("%s: %d records, bar's: %+v", tt.name, len(rec), rec["bar 1.0.0"])
			}
			evidence := 0
			for e, err := range w.quarantine() {
				if evidence++; err != nil || e.ID != bar || e.Settled.IsZero() {
					t.Errorf("%s: %+v, %v", tt.name, e, err)
				}
			}
			if want := tt.fault(bar); errors.As(want, new(*upstream.MismatchError)) != (evidence > 0) {
				t.Errorf("%s: %d pieces of evidence", tt.name, evidence)
			}
		}, nil)
	}
}

// A version that fails in all passes is recorded once, with its last outcome.
func TestLastPassFails(t *testing.T) {
	text := versions("foo", 30) + "\nbar 1.0.0\nbaz 1.0.0"
	inPasses(t, text, func(id crate.ID, call int) error {
		switch id.Name {
		case "bar":
			return down(id)
		case "baz":
			return wrong(id)
		}
		return nil
	}, func(w *world, m *moody, s *Summary, err error) {
		if err != nil || s.Downloaded != 30 || s.Failed != 1 || s.Violated != 1 || s.Quarantined != 1 || len(s.Failures) != 2 || s.Unattempted != 0 {
			t.Errorf("%v, %+v", err, s)
		}
		if want := []string{"ba/r/bar"}; len(s.Again) != 1 {
			t.Errorf("again: %q, want %q", s.Again, want)
		}
		for _, name := range []string{"bar", "baz"} {
			rec := w.records()[name+" 1.0.0"]
			if rec.OK || rec.Retries != 8 || rec.Error == "" || len(m.asked[crate.ID{Name: name, Version: "1.0.0"}]) != 3 {
				t.Errorf("%s: %+v", name, rec)
			}
		}
	}, nil)
}

// Where much is left, and where nothing comes any more, the run does not wait, nor
// ask for each version in vain: all are recorded with what they came to first.
func TestLaterPassesGiveUp(t *testing.T) {
	const bad, good = 100, 200
	inPasses(t, versions("foo", good)+"\n"+versions("bar", bad), func(id crate.ID, _ int) error {
		if id.Name == "bar" {
			return down(id)
		}
		return nil
	}, func(w *world, m *moody, s *Summary, err error) {
		if err != nil || s.Downloaded != good || s.Failed != bad || len(w.records()) != good+bad {
			t.Errorf("%v, %+v, %d records", err, s.Counts, len(w.records()))
		}
		calls := 0
		for id, asked := range m.asked {
			if calls += len(asked); asked[len(asked)-1] > 5*time.Second {
				t.Errorf("%v was asked for at %v", id, asked)
			}
		}
		if extra := calls - good - bad; extra < hopelessAfter || extra > hopelessAfter+parked*8 {
			t.Errorf("%d calls in vain", extra)
		}
		if rec := w.records()["bar 7.0.0"]; !strings.Contains(rec.Error, "500 Internal Server Error") || rec.Retries < 2 {
			t.Errorf("%+v", rec)
		}
	}, nil)
}

// A run stopped between passes ends at once with what it has.
func TestStoppedBetweenPasses(t *testing.T) {
	inPasses(t, versions("foo", 30)+"\nbar 1.0.0", func(id crate.ID, _ int) error {
		if id.Name == "bar" {
			return down(id)
		}
		return nil
	}, func(w *world, m *moody, s *Summary, err error) {
		if took := time.Since(m.start); took != 30*time.Second {
			t.Errorf("took %v", took)
		}
		if !errors.Is(err, context.Canceled) || s.Downloaded != 30 || s.Failed != 0 || s.Unattempted != 1 || len(w.records()) != 30 {
			t.Errorf("%v, %+v, %d records", err, s.Counts, len(w.records()))
		}
	}, func(_ *Config, _ *moody, cancel context.CancelFunc) { time.AfterFunc(30*time.Second, cancel) })
}

// A breaker that stops the run ends the passes; what failed before is recorded.
func TestBreakerEndsPasses(t *testing.T) {
	inPasses(t, versions("foo", 30)+"\nbar 1.0.0", func(id crate.ID, _ int) error {
		switch id.String() {
		case "bar 1.0.0":
			return down(id)
		case "foo 29.0.0":
			time.Sleep(time.Second) // bar has been put off
			return &upstream.StoppedError{Reason: "x", Last: errors.New("y")}
		}
		return nil
	}, func(w *world, m *moody, s *Summary, err error) {
		if !errors.As(err, new(*upstream.StoppedError)) || s.Failed != 1 || w.records()["bar 1.0.0"].Error == "" {
			t.Errorf("%v, %+v", err, s)
		}
	}, nil)
}

// Progress shows which pass is under way, what waits for the next one, and how long that takes.
func TestProgressOfPasses(t *testing.T) {
	var mu sync.Mutex // guards seen
	var seen []string
	inPasses(t, versions("foo", 30)+"\nbar 1.0.0", func(id crate.ID, call int) error {
		if id.Name == "bar" && call < 3 {
			return down(id)
		}
		return nil
	}, func(_ *world, _ *moody, s *Summary, err error) {
		want := []string{
			"4s second pass, begins in 1s, 0 put off, 30 processed, 1s left",
			"6s third pass, begins in 59s, 0 put off, 30 processed, 59s left",
		}
		mu.Lock()
		defer mu.Unlock()
		if !slices.Equal(seen, want) || err != nil || s.Paused != 65*time.Second || s.Pass != 3 {
			t.Errorf("%v, %+v, saw %q", err, s.Counts, seen)
		}
	}, func(c *Config, _ *moody, _ context.CancelFunc) {
		p := NewProgress()
		c.Progress = p
		for _, at := range []time.Duration{4 * time.Second, 6 * time.Second} {
			time.AfterFunc(at, func() {
				n := p.Snapshot()
				mu.Lock()
				defer mu.Unlock()
				seen = append(seen, fmt.Sprintf("%v %s, begins in %v, %d put off, %d processed, %v left", at, n.Phase(), n.Wait, n.PutOff, n.Processed(), n.Left()))
			})
		}
	})
	c := Counts{Plan: &plan.Totals{Versions: 100}, Downloaded: 50, PutOff: 10, Elapsed: 60 * time.Second, nextPause: 5 * time.Second}
	if got := c.Left(); got != 45*time.Second {
		t.Errorf("60 of 100 in 60 s, 10 of them put off: %v left", got)
	}
}
