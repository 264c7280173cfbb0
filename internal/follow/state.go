package follow

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/human"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/mirror"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/runstate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/upstream"
)

// runState returns the state of a run.
func runState(c mirror.Counts, up upstream.Status) runstate.State {
	now := time.Now().UTC()
	return runstate.State{
		Processed: c.Processed(), OK: c.OK(), Errors: c.Errors(),
		Downloaded: c.Downloaded, Existing: c.Existing, VerifiedExisting: c.VerifiedExisting,
		UptimeSec: int64(c.Elapsed.Seconds()), RatePerSec: fmt.Sprintf("%.1f", c.Rate()),
		Phase: c.Phase(), Detail: c.Detail(), Total: c.Total(), Bytes: c.Bytes, ETASec: int64(c.Left().Seconds()),
		RequestLimit: up.Limit, RequestsActive: up.Active,
		PID: os.Getpid(), Started: now.Add(-c.Elapsed), Updated: now,
	}
}

// idle is how often an unchanged state file is written again. Readers consider a run dead when
// its file is three times as old.
const idle = 5 * time.Second

// tell keeps the state file of a mirror up to date until stop is called with the outcome of
// the run. For a run that never began, it restores the outcome of the last one.
func tell(state durable.FS, look func() runstate.State, log *slog.Logger) (stop func(outcome error, began bool)) {
	var failed bool
	earlier, err := runstate.Read(state)
	ended := err == nil && !earlier.Ended.IsZero()
	var last runstate.State
	write := func(s runstate.State) {
		still := last
		still.Updated, still.UptimeSec = s.Updated, s.UptimeSec
		if s == still && s.Updated.Sub(last.Updated) < idle {
			return
		}
		last = s
		if err := runstate.Write(state, s); err != nil && !failed {
			failed = true
			log.Debug("cannot publish the progress of this run", "err", err)
		}
	}
	quit, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		tick := time.NewTicker(time.Second)
		defer tick.Stop()
		for {
			write(look())
			select {
			case <-tick.C:
			case <-quit:
				return
			}
		}
	}()
	return func(outcome error, began bool) {
		close(quit)
		<-done
		if !began && ended {
			write(earlier)
			return
		}
		s := look()
		if errors.Is(outcome, errReopen) { // soon: the sync has not ended
			write(s)
			return
		}
		s.Ended, s.Result = s.Updated, runstate.Complete
		if outcome != nil {
			s.Result = human.OneLine(outcome)
		}
		write(s)
	}
}
