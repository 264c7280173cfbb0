package cli

import (
	"errors"
	"log/slog"
	"testing"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable/durabletest"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/runstate"
)

// Between two rounds that open the mirror again nothing has ended: whoever watches
// the state file must not be alarmed.
func TestStateBetweenRounds(t *testing.T) {
	for _, tt := range []struct {
		outcome error
		ended   bool
		result  string
	}{
		{errReopen, false, ""},
		{nil, true, "complete"},
		{errors.New("the disk is full"), true, "the disk is full"},
	} {
		disk := durabletest.NewMem()
		stop := tell(disk, func() runstate.State { return runstate.State{PID: 1, Updated: time.Now()} }, slog.New(slog.DiscardHandler))
		stop(tt.outcome, true)
		s, err := runstate.Read(disk)
		if err != nil || s.Ended.IsZero() == tt.ended || s.Live(time.Now()) == tt.ended || s.Result != tt.result {
			t.Errorf("%v: %+v, %v", tt.outcome, s, err)
		}
	}
}
