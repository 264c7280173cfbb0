package index

import (
	"errors"
	"io/fs"
	"strings"
	"testing"
	"time"
)

// A day that was kept leads to its commit, also after upstream went back in time and
// that was accepted; what was not kept since is what the index is now.
func TestDaysAfterGoingBack(t *testing.T) {
	at := func(date string) Revision {
		made, err := time.Parse(time.DateOnly, date)
		if err != nil {
			t.Fatal(err)
		}
		return Revision{Commit: "of " + date, Time: made}
	}
	var kept []Day
	for _, date := range []string{"2026-01-01", "2026-01-03", "2026-01-05", "2026-01-07"} {
		kept = append(kept, Day{date, at(date)})
	}
	x := &Index{revision: Revision{Commit: "HEAD", Time: at("2026-01-03").Time}}
	for date, want := range map[string]string{
		"2026-01-01": "of 2026-01-01", "2026-01-02": "of 2026-01-01", "2026-01-03": "HEAD", "2026-01-04": "HEAD",
		"2026-01-05": "of 2026-01-05", "2026-01-06": "of 2026-01-05", "2026-01-07": "of 2026-01-07", "2026-01-08": "HEAD",
	} {
		if got, err := x.On(kept, date); got.Commit != want || err != nil {
			t.Errorf("%s leads to %s, %v; want %s", date, got.Commit, err, want)
		}
	}
	if got, err := x.On(nil, "2026-01-02"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("none was kept: %v, %v", got, err)
	}
	if got, err := x.On(kept, "2025-12-31"); !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), "2026-01-01") {
		t.Errorf("before the first: %v, %v", got, err)
	}
}
