//go:build linux

package turns

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"time"
)

// Slack is the factor by which the processor time of a way may exceed what was seen. A busy
// machine adds up to a quarter to what a quiet one measures; a program that takes half as much
// again exceeds the limit on both.
const Slack = 1.35

// A Verdict is the processor time of a way relative to its rival, and the most that is
// allowed.
type Verdict struct {
	Name         string
	Ratio, Limit float64
}

// Judge compares ours with its rival in the same rounds: it takes the median of the rounds'
// ratios. Other load on the machine affects both of a round alike, and a round that it affects
// unevenly is not the median.
func Judge(name string, ours, rival []time.Duration, seen float64) Verdict {
	ratios := make([]float64, len(ours))
	for i := range ours {
		ratios[i] = ours[i].Seconds() / rival[i].Seconds()
	}
	return Verdict{name, Median(ratios, func(r float64) float64 { return r }), seen * Slack}
}

func (v Verdict) slow() bool { return v.Ratio > v.Limit }

// Check prints all verdicts. It fails if any is slow, or, in a trial with a program that was
// made slower, if any is not.
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

// Settle returns the verdicts of judge. As long as any of them is slow, it calls again to
// measure more rounds, at most twice.
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

// AnySlow reports whether a way takes more than is allowed.
func AnySlow(all []Verdict) bool { return slices.ContainsFunc(all, Verdict.slow) }

// Guard fails as Check does. It first measures again the rows in which a way is slow.
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

// verdicts returns the verdicts on the ways that are guarded.
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
