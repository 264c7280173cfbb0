package follow

import (
	"errors"
	"log/slog"
	"testing"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable/durabletest"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/mirror"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/runstate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/upstream"
)

// TestStateBetweenRounds checks that reopening the mirror between two rounds does not look
// like an end in the state file, which would alarm its watchers.
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

// TestStatusFields checks the field names. Those up to rate_per_sec are v1.1.0's; scripts
// depend on them.
func TestStatusFields(t *testing.T) {
	c := mirror.Counts{Downloaded: 5, Existing: 3, VerifiedExisting: 2, Gone: 1, Failed: 1, Elapsed: 2e9}
	data, err := json.Marshal(runState(c, upstream.Status{Limit: 7}))
	if err != nil {
		t.Fatal(err)
	}
	var got map[string]any
	if err := json.Unmarshal(data, &got); err != nil {
		t.Fatal(err)
	}
	for key, want := range map[string]any{
		"processed": 12.0, "ok": 10.0, "errors": 2.0, "downloaded": 5.0, "existing": 3.0, "verified_existing": 2.0,
		"uptime_sec": 2.0, "rate_per_sec": "4.5", "phase": "planning", "request_limit": 7.0,
	} {
		if got[key] != want {
			t.Errorf("%s = %v, want %v", key, got[key], want)
		}
	}
	if s := NewActivity("2.0.0", code).State(); s.Version != "2.0.0" {
		t.Errorf("version %q", s.Version)
	}
}

// code returns the exit code of an error in these tests.
func code(err error) int {
	if err == nil {
		return 0
	}
	return 3
}
