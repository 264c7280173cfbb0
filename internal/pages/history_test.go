package pages

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/runstate"
)

func TestChart(t *testing.T) {
	start := time.Date(2025, 11, 2, 9, 0, 0, 0, time.UTC)
	var h history
	var work, held int64
	at := func(seconds int, more int64) {
		work += more
		held += 1000 // counted when they are come upon, which is no work
		h.add(runstate.State{PID: 1, Updated: start.Add(time.Duration(seconds) * time.Second),
			Processed: held + work, Existing: held, Bytes: 100 * work})
	}
	at(0, 0)
	at(1, 10) // less than a step after the last one
	at(5, 90)
	if h.chart() != nil {
		t.Error("a chart of one pace")
	}
	at(10, 200)
	at(15, 50)
	want := &chart{
		Width: 300, Height: 60, Peak: 40, Span: 10 * time.Second,
		Line: "M290 30.0L295 0.0L300 45.0", Area: "M290 30.0L295 0.0L300 45.0L300 60L290 60Z",
	}
	if diff := cmp.Diff(want, h.chart()); diff != "" {
		t.Errorf("chart (-want +got):\n%s", diff)
	}
	if versions, bytes := h.speed(); versions != 10 || bytes != 1000 {
		t.Errorf("speed %d versions and %d bytes, want 10 and 1,000", versions, bytes)
	}

	for s := 20; s < 4000; s++ {
		at(s, 3)
	}
	c := h.chart()
	if n := strings.Count(c.Line, "L") + 1; n != int(window/step)+1 || !strings.HasPrefix(c.Line, "M0 ") || c.Span != window {
		t.Errorf("after an hour the chart has %d points over %s from %.10s", n, c.Span, c.Line)
	}

	h.add(runstate.State{PID: 2, Updated: start.Add(4000 * time.Second), Processed: 5_000_000})
	if h.chart() != nil || len(h.points) != 1 {
		t.Errorf("another run begins with %d points of the last one", len(h.points)-1)
	}
}

// Nothing that a state file may say breaks the page.
func TestOddStates(t *testing.T) {
	now := time.Now()
	for _, test := range []struct {
		state runstate.State
		says  string
	}{
		{runstate.State{}, "Ended without a word."},
		{runstate.State{Updated: now, Processed: -5, Total: 7, ETASec: -7, Bytes: -1}, `<span class="figure">0 %</span>`},
		{runstate.State{Updated: now, Processed: 10, Total: 5, ETASec: 1 << 62}, `<span class="figure">100 %</span>`},
		{runstate.State{Updated: now, Processed: 1 << 62, Total: 1 << 62, ETASec: 1 << 62}, "<dd>106751 d 23 h</dd>"},
		{runstate.State{Updated: now.Add(1000 * time.Hour), Started: now.Add(2000 * time.Hour)}, "<dt>Running for</dt><dd>0 s</dd>"},
		{runstate.State{Updated: now, Phase: "über"}, "Über"},
	} {
		f := newFixture()
		f.run = &test.state
		if body := get(newHandler(t, f, testURL), "/").Body.String(); !strings.Contains(body, test.says) {
			t.Errorf("%+v: no %q in %s", test.state, test.says, body)
		}
	}
}
