//go:build linux

package turns

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"time"
)

// Slack is how many times the processor time that was seen a way may take. What is seen on a
// quiet machine is up to a quarter more on a busy one; a program that takes half as much again
// is above it on both.
const Slack = 1.35

// A Verdict is what a way takes of its rival's processor time, and the most that it may.
type Verdict struct {
	Name         string
	Ratio, Limit float64
}

// Judge compares ours with its rival's in the same rounds: the median of the rounds'
// ratios. What else the machine does hits both of a round alike, and a round that it hits
// unevenly is not the median.
func Judge(name string, ours, rival []time.Duration, seen float64) Verdict {
	ratios := make([]float64, len(ours))
	for i := range ours {
		ratios[i] = ours[i].Seconds() / rival[i].Seconds()
	}
	return Verdict{name, Median(ratios, func(r float64) float64 { return r }), seen * Slack}
}

func (v Verdict) slow() bool { return v.Ratio > v.Limit }

// Check prints all verdicts, and fails with those that are slow, or, in a trial with a
// program that was made slower, with those that are not.
func Check(out io.Writer, all []Verdict, trial bool) error {
	var errs []error
	for _, v := range all {
		fmt.Fprintf(out, "%s: %.2f, %.2f at most\n", v.Name, v.Ratio, v.Limit)
		switch {
		case v.slow() && !trial:
			errs = append(errs, fmt.Errorf("%s: %.2f of its rival's processor time, %.2f at most", v.Name, v.Ratio, v.Limit))
		case trial && !v.slow():
			errs = append(errs, fmt.Errorf("%s: %.2f of its rival's processor time, not found to be more than %.2f", v.Name, v.Ratio, v.Limit))
		}
	}
	if len(all) == 0 {
		errs = append(errs, errors.New("nothing is guarded"))
	}
	return errors.Join(errs...)
}

// Settle returns what judge does. While some of that is slow, it has again measure more rounds
// before, two times at most.
func Settle(judge func() []Verdict, again func() error) ([]Verdict, error) {
	for range 2 {
		all := judge()
		if !AnySlow(all) {
			return all, nil
		}
		if err := again(); err != nil {
			return nil, err
		}
	}
	return judge(), nil
}

// AnySlow is whether a way takes more than it may.
func AnySlow(all []Verdict) bool { return slices.ContainsFunc(all, Verdict.slow) }

// Guard fails as Check does. Rows in which a way is slow are measured again before.
func Guard(out io.Writer, rows []*Row, dir string, rounds int, trial bool) error {
	judge := func() (all []Verdict) {
		for _, r := range rows {
			all = append(all, r.verdicts()...)
		}
		return all
	}
	all, err := Settle(judge, func() error {
		for _, r := range rows {
			if AnySlow(r.verdicts()) {
				if err := r.Measure(dir, rounds); err != nil {
					return err
				}
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	return Check(out, all, trial)
}

// verdicts are of the ways that are guarded.
func (r *Row) verdicts() (all []Verdict) {
	for _, w := range r.Ways[1:] {
		if w.Seen > 0 {
			all = append(all, Judge(r.Name+", "+w.Name, cpus(w.costs), cpus(r.Ways[0].costs), w.Seen))
		}
	}
	return all
}

func cpus(costs []Cost) []time.Duration {
	all := make([]time.Duration, len(costs))
	for i, c := range costs {
		all[i] = c.CPU
	}
	return all
}
