package telemetry

import (
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/runstate"
)

var (
	lastSuccess = desc("sync_last_success_timestamp_seconds", "When a round of a sync last succeeded: nothing missing, nothing wrong. Absent before the first.")
	lastRound   = desc("sync_last_round_timestamp_seconds", "When the last round of a sync ended, with any result. Absent before the first.")
	lastCode    = desc("sync_last_exit_code", "Exit code of the last round of a sync: 0 complete, 3 incomplete, 4 something is wrong; others: it failed. Absent before the first.")
	nextRound   = desc("sync_next_round_timestamp_seconds", "When the next round of a sync begins. Present only between rounds.")
	inARow      = desc("sync_consecutive_failures", "Failed rounds of a sync in a row, across processes, since the last success.")

	runActive    = desc(prefix+"run_active", "1 if a run is active, including a sync that waits for its next round; otherwise 0.")
	runPhase     = desc(prefix+"run_phase", "The phase of the run, in the label: always 1. Present only during a run.", "phase")
	runStart     = desc(prefix+"run_start_timestamp_seconds", "When the process of the current or last run started.")
	runEnd       = desc(prefix+"run_end_timestamp_seconds", "When the last run ended. Absent during a run, or if it was killed.")
	runPlanned   = desc(prefix+"run_planned_versions", "Versions that the run covers. Absent while it plans.")
	runProcessed = desc(prefix+"run_processed_versions", "Planned versions that are finished, stored or not.")
	runFailed    = desc(prefix+"run_failed_versions", "Planned versions that the run could not download.")
	runLeft      = desc(prefix+"run_left_seconds", "Remaining time of the run (ETA). Present only while it is known.")
)

// Run collects the metrics of the current run, or of the last one. look returns false while
// there was none.
func Run(look func() (runstate.State, bool)) prometheus.Collector {
	return &run{descriptions{
		lastSuccess, lastRound, lastCode, nextRound, inARow,
		runActive, runPhase, runStart, runEnd, runPlanned, runProcessed, runFailed, runLeft,
	}, look}
}

type run struct {
	descriptions
	look func() (runstate.State, bool)
}

// Collect implements prometheus.Collector.
func (r *run) Collect(to chan<- prometheus.Metric) {
	ch := sample(to)
	s, known := r.look()
	live := known && s.Live(time.Now())
	ch.flag(runActive, live)
	if !known {
		return
	}
	ch.time(lastSuccess, s.SucceededAt)
	ch.time(lastRound, s.RoundEnded)
	if !s.RoundEnded.IsZero() {
		ch.gauge(lastCode, float64(s.ExitCode))
		ch.gauge(inARow, float64(s.Failures))
	}
	ch.time(runStart, s.Started)
	ch.time(runEnd, s.Ended)
	if s.Total > 0 {
		ch.gauge(runPlanned, float64(s.Total))
	}
	ch.gauge(runProcessed, float64(s.Processed))
	ch.gauge(runFailed, float64(s.Errors))
	if live {
		ch.now(&s)
	}
}

// now sends what is only valid during a run.
func (ch sample) now(s *runstate.State) {
	ch.time(nextRound, s.NextAt)
	phase := s.Phase
	if !slices.Contains(runstate.Phases, phase) { // a file in the mirror's folder must not add more
		phase = "other"
	}
	ch.gauge(runPhase, 1, phase)
	if s.ETASec > 0 {
		ch.gauge(runLeft, float64(s.ETASec))
	}
}
