package mirror

import (
	"context"
	"errors"
	"io/fs"
	"strings"
	"testing"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/runlog"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/simreg"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/upstream"
)

// B1, B20: what is not the crate is never published, whatever the status says.
func TestB1WrongBytesForEver(t *testing.T) {
	for _, kind := range []simreg.Kind{simreg.HTML, simreg.JSON, simreg.WrongCrate, simreg.FlipBit, simreg.LongBody} {
		t.Run(string(kind), func(t *testing.T) {
			w := newWorld(t, parse(small))
			w.reg.Inject(foo1, simreg.Fault{Kind: kind, Times: -1})
			s, err := w.run(context.Background(), w.disk, nil)
			if err != nil || s.Downloaded != 4 || s.Complete(true) || s.Sound() || s.Quarantined != 1 {
				t.Errorf("%v, %+v, %d in quarantine", err, s.Counts, s.Quarantined)
			}
			if _, err := content(w.disk, foo1); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("something stands under the final name: %v", err)
			}
			if rec := w.records()["foo 1.0.0"]; rec.OK || rec.Status != runlog.Error || !strings.Contains(rec.Error, "quarantine/foo-1.0.0.crate.came-") {
				t.Errorf("record: %+v", rec)
			}
			w.reg.Heal()
			s, err = w.run(context.Background(), w.disk, nil)
			if err != nil || s.Downloaded != 1 || !s.Complete(false) {
				t.Errorf("when upstream has recovered: %v, %+v", err, s.Counts)
			}
		})
	}
}

// B7, B9: one file that is gone costs that one, is remembered with evidence,
// and asked for again by the next run.
func TestB7GoneUpstream(t *testing.T) {
	for _, code := range []int{403, 404, 410, 451} {
		w := newWorld(t, parse(small))
		w.reg.Inject(foo1, simreg.Fault{Kind: simreg.Status, Code: code, Times: 2})
		for run := 1; run <= 2; run++ {
			s, err := w.run(context.Background(), w.disk, nil)
			if err != nil || s.Gone != 1 || s.OK() != 4 || s.Complete(false) || !s.Complete(true) || !s.Sound() {
				t.Errorf("%d, run %d: %v, %+v", code, run, err, s.Counts)
			}
			if n := w.reg.Requests(foo1); n != run {
				t.Errorf("%d, run %d: asked %d times in all, want once a run", code, run, n)
			}
		}
		if g := w.catalog.gone[foo1]; g.Status != code || !strings.Contains(g.Evidence, "body: ") {
			t.Errorf("%d: the catalog says %+v", code, g)
		}
		if s := w.mustRun(nil); s.Downloaded != 1 || len(w.catalog.gone) != 0 {
			t.Errorf("%d: back again: %+v, gone %v", code, s.Counts, w.catalog.gone)
		}
	}
}

// B8: everybody is refused: that is a ban or a portal, not 319 lost crates.
func TestB8RefusedAltogether(t *testing.T) {
	w := newWorld(t, simreg.Demo())
	w.reg.Inject(simreg.All, simreg.Fault{Kind: simreg.Status, Code: 403, Times: -1})
	s, err := w.run(context.Background(), w.disk, nil)
	if !errors.As(err, new(*upstream.StoppedError)) {
		t.Fatalf("err = %v, want the breaker's", err)
	}
	if n := w.reg.TotalRequests(); n > 60 || s.Unattempted == 0 || s.Missing != int64(w.reg.Len()) || s.Complete(true) {
		t.Errorf("%d requests; %+v, %d missing, %d unattempted", n, s.Counts, s.Missing, s.Unattempted)
	}
	w.reg.Heal()
	w.mustRun(nil)
}

// B25: upstream vanishes in the middle and returns: the next run fetches the
// rest and nothing else.
func TestB25UpstreamVanishes(t *testing.T) {
	for _, after := range []int{0, 1, 50, 200} {
		w := newWorld(t, simreg.Demo())
		w.reg.Inject(simreg.All, simreg.Fault{Kind: simreg.Down, After: after})
		first, err := w.run(context.Background(), w.disk, nil)
		if err == nil && first.Complete(false) {
			t.Fatalf("after %d: complete without upstream", after)
		}
		if err := w.server.Up(); err != nil {
			t.Fatal(err)
		}
		w.reg.Heal()
		before := w.settled()
		second := w.mustRun(nil)
		if n := int64(w.reg.TotalRequests() - before); n != second.Downloaded || second.Existing != first.OK() {
			t.Errorf("after %d: %d requests for %d missing; %d were held, %d are existing", after, n, second.Downloaded, first.OK(), second.Existing)
		}
	}
}

// settled returns the number of requests when it no longer grows: handlers of a
// server that went down may count theirs after their client has gone.
func (w *world) settled() int {
	for n := -1; ; time.Sleep(50 * time.Millisecond) {
		if now := w.reg.TotalRequests(); now == n {
			return n
		} else {
			n = now
		}
	}
}

// C2: stopping is orderly: what was done is recorded, the next run resumes.
func TestC2StoppedInTheMiddle(t *testing.T) {
	w := newWorld(t, simreg.Demo())
	w.reg.Inject(simreg.All, simreg.Fault{Kind: simreg.Latency, Delay: 2 * time.Millisecond, Times: -1})
	ctx, cancel := context.WithCancelCause(context.Background())
	stop := errors.New("stop")
	progress := NewProgress()
	go func() {
		for progress.Snapshot().Downloaded < 20 {
			time.Sleep(time.Millisecond)
		}
		cancel(stop)
	}()
	s, err := w.run(ctx, w.disk, func(c *Config) { c.Progress = progress })
	if !errors.Is(err, stop) || s.Downloaded < 20 || s.Unattempted == 0 || s.Failed != 0 {
		t.Fatalf("%v, %+v, %d unattempted", err, s.Counts, s.Unattempted)
	}
	if held := int64(len(w.catalog.held())); held != s.Downloaded || int64(len(w.records())) != held {
		t.Errorf("%d downloaded, %d in the catalog, %d in the manifest", s.Downloaded, held, len(w.records()))
	}
	w.reg.Heal()
	before := w.settled()
	second := w.mustRun(nil)
	if n := int64(w.reg.TotalRequests() - before); n != second.Downloaded || second.Existing != s.Downloaded {
		t.Errorf("the next run made %d requests for %d missing", n, second.Downloaded)
	}
}
