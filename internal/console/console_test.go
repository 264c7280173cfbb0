package console_test

import (
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/console"
)

func TestSummary(t *testing.T) {
	var out strings.Builder
	row := console.Rows(&out)
	row(1234, "downloaded")
	row(0, "failed")
	console.Problems{First: nil, All: 3, Heading: "never:"}.Print(&out)
	console.Problems{Heading: "not held:", First: []error{errors.New("foo 1.0.0: \x1b[2J")}, All: 3, More: ", which the log names"}.Print(&out)
	const want = "       1,234  downloaded\nnot held:\n  foo 1.0.0: \ufffd[2J\n  and 2 more, which the log names\n"
	if out.String() != want {
		t.Errorf("got %q\nwant %q", &out, want)
	}
}

type full struct{}

var errFull = errors.New("the disk is full")

func (full) Write([]byte) (int, error) { return 0, errFull }

func TestResultsKeepTheFirstError(t *testing.T) {
	r := console.NewResults(full{})
	r.Write(nil)
	if err := r.Err(); !errors.Is(err, errFull) || err.Error() != "writing the result to stdout: the disk is full" {
		t.Error(err)
	}
}

// Lines come after an interval or a number of records, whichever is first.
func TestLines(t *testing.T) {
	for name, tt := range map[string]struct {
		lines console.Lines
		want  int
	}{
		"never":            {console.Lines{}, 0},
		"each second":      {console.Lines{Interval: time.Second}, 10},
		"each 100 records": {console.Lines{Every: 100}, 5},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var out strings.Builder
				d := console.NewDisplay(&out, tt.lines)
				begun := time.Now()
				stop := d.Follow(func() console.State {
					return console.State{Processed: int64(time.Since(begun).Seconds() * 50), Attrs: []any{"phase", "working"}}
				}, slog.New(slog.NewTextHandler(d, nil)))
				time.Sleep(10*time.Second + 50*time.Millisecond)
				stop()
				if got := strings.Count(out.String(), "msg=progress phase=working"); got != tt.want {
					t.Errorf("%d lines, want %d:\n%s", got, tt.want, &out)
				}
			})
		})
	}
}
