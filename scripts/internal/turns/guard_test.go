//go:build linux

package turns

import (
	"bytes"
	"errors"
	"io"
	"testing"
	"time"
)

func times(ms ...int) (all []time.Duration) {
	for _, n := range ms {
		all = append(all, time.Duration(n)*time.Millisecond)
	}
	return all
}

// TestJudge checks that a way that has become slower by half is found despite the noise of a
// busy machine, and that noise alone is not.
func TestJudge(t *testing.T) {
	for _, tt := range []struct {
		name        string
		ours, rival []time.Duration
		slow        bool
	}{
		{"as seen", times(200, 200, 200), times(100, 100, 100), false},
		{"a machine of twice the speed", times(100, 100, 100), times(50, 50, 50), false},
		{"a third slower", times(266, 266, 266), times(100, 100, 100), false},
		{"half slower", times(300, 300, 300), times(100, 100, 100), true},
		{"half slower, a tenth luckier", times(273, 273, 273), times(100, 100, 100), true},
		{"other work in one round of three, in ours", times(200, 500, 200), times(100, 100, 100), false},
		{"other work in one round of three, in its rival's", times(300, 300, 300), times(100, 250, 100), true},
		{"other work that hits both", times(200, 400, 900), times(100, 200, 450), false},
		{"other work that hits both, half slower", times(300, 600, 1350), times(100, 200, 450), true},
		{"five rounds, two of them unlucky", times(200, 210, 390, 190, 420), times(100, 105, 110, 100, 100), false},
	} {
		v := Judge(tt.name, tt.ours, tt.rival, 2)
		if v.Limit != 2*Slack || v.slow() != tt.slow {
			t.Errorf("%s: ratio %.2f of at most %.2f, slow %v", tt.name, v.Ratio, v.Limit, v.slow())
		}
	}
}

func TestCheck(t *testing.T) {
	well, slow := Verdict{"a, ours", 2, 2.7}, Verdict{"b, ours", 3, 2.7}
	for _, tt := range []struct {
		all         []Verdict
		smoke, made string // the expected output of a run, and of a trial
	}{
		{[]Verdict{well}, "", "a, ours: 2.00 of its rival's processor time, not found to be more than 2.70"},
		{[]Verdict{slow}, "b, ours: 3.00 of its rival's processor time, 2.70 at most", ""},
		{[]Verdict{well, slow}, "b, ours: 3.00 of its rival's processor time, 2.70 at most", "a, ours: 2.00 of its rival's processor time, not found to be more than 2.70"},
		{nil, "nothing is guarded", "nothing is guarded"},
	} {
		if got := text(Check(io.Discard, tt.all, false)); got != tt.smoke {
			t.Errorf("%v: %q, want %q", tt.all, got, tt.smoke)
		}
		if got := text(Check(io.Discard, tt.all, true)); got != tt.made {
			t.Errorf("%v, trial: %q, want %q", tt.all, got, tt.made)
		}
	}
}

func text(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// TestSettle checks that a row that seems slow is measured again, and judged with all its
// rounds.
func TestSettle(t *testing.T) {
	slow, well := []Verdict{{"a", 3, 2}, {"b", 1, 2}}, []Verdict{{"a", 1, 2}, {"b", 1, 2}}
	for _, tt := range []struct {
		judged [][]Verdict
		again  int
		slow   bool
	}{
		{[][]Verdict{well}, 0, false},
		{[][]Verdict{slow, well}, 1, false},
		{[][]Verdict{slow, slow, well}, 2, false},
		{[][]Verdict{slow, slow, slow}, 2, true},
	} {
		again := 0
		all, err := Settle(func() []Verdict { return tt.judged[again] }, func() error { again++; return nil })
		if err != nil || again != tt.again || AnySlow(all) != tt.slow {
			t.Errorf("%v: measured %d times more, %v, %v", tt.judged, again, all, err)
		}
	}
	if _, err := Settle(func() []Verdict { return slow }, func() error { return errors.New("no curl") }); err == nil {
		t.Error("an error of measuring is dropped")
	}
}

// TestGuard checks that the rows that seem slow are measured again, and only those.
func TestGuard(t *testing.T) {
	took := func(ms time.Duration) func(*Cost) error {
		return func(c *Cost) error { c.CPU = ms * time.Millisecond; return nil }
	}
	slow := &Row{Name: "slow", Ways: []*Way{{Name: "theirs", Run: took(10)}, {Name: "ours", Run: took(30), Seen: 2}, {Name: "any", Run: took(90)}}}
	well := &Row{Name: "well", Ways: []*Way{{Name: "theirs", Run: took(10)}, {Name: "ours", Run: took(10), Seen: 1}}}
	rows := []*Row{slow, well}
	dir := "/proc" // a file system with nothing to write
	for _, r := range rows {
		if err := r.Measure(dir, 1); err != nil {
			t.Fatal(err)
		}
	}
	var out bytes.Buffer
	if got, want := text(Guard(&out, rows, dir, 2, false)), "slow, ours: 3.00 of its rival's processor time, 2.70 at most"; got != want {
		t.Errorf("Guard = %q, want %q", got, want)
	}
	if got, want := out.String(), "slow, ours: 3.00, 2.70 at most\nwell, ours: 1.00, 1.35 at most\n"; got != want {
		t.Errorf("Guard prints %q, want %q", got, want)
	}
	if a, b := len(slow.Ways[1].costs), len(well.Ways[1].costs); a != 5 || b != 1 {
		t.Errorf("measured %d and %d times, want 5 and 1", a, b)
	}
	if got, want := text(Guard(io.Discard, rows, dir, 2, true)), "well, ours: 1.00 of its rival's processor time, not found to be more than 1.35"; got != want {
		t.Errorf("Guard in a trial = %q, want %q", got, want)
	}
}
