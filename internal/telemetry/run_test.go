package telemetry

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/runstate"
)

// Each phase has its value of the label, and what a file says otherwise has one for all.
func TestPhases(t *testing.T) {
	want := map[string]string{"</a>\n": "other", "": "other"}
	for _, phase := range runstate.Phases {
		want[phase] = phase
	}
	for phase, value := range want {
		now := time.Now()
		s := runstate.State{Version: "v2", Phase: phase, Started: now, Updated: now}
		if !s.Live(now) {
			t.Fatal("the run is not live")
		}
		text := fmt.Sprintf(`
# HELP clonecratesio_run_phase The phase of the run, in the label: always 1. Present only during a run.
# TYPE clonecratesio_run_phase gauge
clonecratesio_run_phase{phase="%s"} 1
`, value)
		c := Run(func() (runstate.State, bool) { return s, true })
		if err := testutil.CollectAndCompare(c, strings.NewReader(text), "clonecratesio_run_phase"); err != nil {
			t.Errorf("phase %q: %v", phase, err)
		}
	}
}
