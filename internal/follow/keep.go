package follow

import (
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/human"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/roundlog"
)

// keep adds a round to the list of recent rounds, which is only for people: if it cannot be
// written, the round does not fail.
func (f *Follower) keep(began time.Time, outcome error) {
	r := roundlog.Round{Began: began.UTC(), Ended: time.Now().UTC(), ExitCode: f.cfg.Activity.code(outcome)}
	if outcome != nil {
		r.Result = human.OneLine(outcome)
	}
	if s := f.summary; s != nil {
		r.Downloaded, r.Bytes, r.Failed = s.Downloaded, s.Bytes, s.Errors()
	}
	if err := roundlog.Append(f.open.State, r, f.held); err != nil {
		f.cfg.Log.Debug("cannot keep the list of rounds", "err", err)
	}
}
