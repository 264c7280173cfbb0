package roundlog_test

import (
	"testing"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/roundlog"
)

// The line is drawn by time, not by number: a week without a round is a long way.
func TestGrowth(t *testing.T) {
	l := new(roundlog.Log)
	for i, day := range []int{0, 1, 2, 10} {
		if c := l.Growth(); c != nil {
			t.Errorf("%d sizes are a chart: %+v", i, c)
		}
		l.Sizes = append(l.Sizes, roundlog.Size{At: start.AddDate(0, 0, day), Versions: int64(25 * (i + 1))})
	}
	c := l.Growth()
	if want := "M0.0,90.0 L60.0,60.0 L120.0,30.0 L600.0,0.0"; c == nil || c.Line != want || c.Last.Versions != 100 {
		t.Errorf("%+v, want %s", c, want)
	}
	for i := range l.Sizes {
		l.Sizes[i].At = start.Add(-time.Duration(i))
	}
	if c := l.Growth(); c != nil {
		t.Errorf("backwards: %+v", c)
	}
}
