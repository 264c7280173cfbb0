// Package runstate publishes the state of a run: a [State], served at /api/status and
// stored in a small file in the state folder of the mirror. The file is replaced about once
// per second, so that a server in another process (or a script on a machine without an open
// port) can show it.
//
// The file is never synced, no program reads it to decide what to do, and a run continues
// if it cannot be written.
package runstate

import (
	"errors"
	"fmt"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
)

// Name is the file's name in the state folder of a mirror.
const Name = "run.json"

// Complete is the result of a run that found everything.
const Complete = "complete"

// maxSize bounds a file that is read, in bytes.
const maxSize = 64 << 10

// stale is the maximum age of the last update of a current run. A killed run leaves an
// older file.
const stale = 15 * time.Second

// A State is the progress of a run. The fields up to rate_per_sec are those of v1.1.0's
// /api/status.
type State struct {
	Version          string `json:"version"`
	Processed        int64  `json:"processed"`
	OK               int64  `json:"ok"`
	Errors           int64  `json:"errors"`
	Downloaded       int64  `json:"downloaded"`
	Existing         int64  `json:"existing"`
	VerifiedExisting int64  `json:"verified_existing"`
	UptimeSec        int64  `json:"uptime_sec"`
	RatePerSec       string `json:"rate_per_sec"`

	Phase          string `json:"phase"`           // updating the index, planning, mirroring, waiting, ...
	Detail         string `json:"detail,omitzero"` // of the phase, for people
	Total          int64  `json:"total"`           // 0 while unknown
	Bytes          int64  `json:"bytes"`           // received
	ETASec         int64  `json:"eta_sec"`
	RequestLimit   int    `json:"request_limit"` // adapts to what pays, up to -concurrency
	RequestsActive int    `json:"requests_active"`

	// How fast crates came when enough of them last did: in this run, or in an earlier one.
	FetchRate  float64 `json:"fetched_per_sec,omitzero"`
	FetchBytes float64 `json:"fetched_bytes_per_sec,omitzero"`

	PID     int       `json:"pid"`
	Started time.Time `json:"started_at"`
	Updated time.Time `json:"updated_at"`
	Ended   time.Time `json:"ended_at,omitzero"`
	Result  string    `json:"result,omitempty"` // once ended: "complete", or why it is not

	// About the rounds of a sync: one, or with -every many. A process begins with the
	// values that the previous one left.
	NextAt      time.Time `json:"next_at,omitzero"`              // when the next round begins, while it waits
	Failures    int       `json:"consecutive_failures,omitzero"` // rounds in a row that were no success
	LastError   string    `json:"last_error,omitzero"`           // why the last round could not continue, or what was missing or wrong
	RoundEnded  time.Time `json:"last_round_at,omitzero"`        // when the last round ended
	ExitCode    int       `json:"last_exit_code"`                // of that round, as of a single sync
	SucceededAt time.Time `json:"last_success_at,omitzero"`      // when a round was last successful: nothing missing or wrong
	IndexCommit string    `json:"index_commit,omitzero"`         // mirrored last
	IndexTime   time.Time `json:"index_commit_at,omitzero"`      // time of that commit
	// Time of upstream's newest commit at the last check.
	UpstreamIndexTime time.Time `json:"upstream_index_commit_at,omitzero"`

	// How long the latest new versions took from publication until they were recorded,
	// seconds.
	NewVersions int     `json:"new_versions,omitzero"` // 512 at most
	LagMedian   float64 `json:"published_to_recorded_median_sec,omitzero"`
	LagP95      float64 `json:"published_to_recorded_p95_sec,omitzero"`
}

// Live reports whether the run is still running, as far as the state shows.
func (s *State) Live(now time.Time) bool {
	return s.Ended.IsZero() && now.Sub(s.Updated) < stale
}

// Write replaces the file in a state folder. Unlike durable.WholeFile it does not sync: a
// run writes it every second, and after a power failure no run is running.
func Write(state durable.FS, s State) error {
	data, err := json.Marshal(s, jsontext.Multiline(true))
	if err != nil {
		return err
	}
	temp := durable.TempName(".")
	f, err := state.Create(temp)
	if err != nil {
		return fmt.Errorf("writing %s: %w", Name, err)
	}
	_, err = f.Write(append(data, '\n'))
	if err = errors.Join(err, f.Close()); err == nil {
		err = state.Replace(temp, Name)
	}
	if err != nil {
		return fmt.Errorf("writing %s: %w", Name, errors.Join(err, state.Remove(temp)))
	}
	return nil
}

// Read reads the file in a state folder. Errors: fs.ErrNotExist.
func Read(state durable.Reader) (State, error) {
	var s State
	data, err := durable.ReadFile(state, Name, maxSize)
	if err == nil {
		err = json.Unmarshal(data, &s)
	}
	if err != nil {
		return State{}, fmt.Errorf("reading %s: %w", Name, err)
	}
	return s, nil
}
