//go:build linux

// Package turns compares ways of doing one thing. It runs them by turns, so that other load on
// the machine affects all alike, and prints their costs and the ratios of the medians, which
// are the result.
package turns

import (
	"bytes"
	"cmp"
	"fmt"
	"os/exec"
	"slices"
	"syscall"
	"time"
)

// A Row is one thing to do. Its ratios are relative to its first way.
type Row struct {
	Name string
	Ways []*Way
	Per  int // things done per run, to print the processor time of one; 0: do not print it
}

// A Way is one way of doing it.
type Way struct {
	Name    string
	Prepare func() error      // called before each run, not measured; nil: nothing
	Run     func(*Cost) error // adds the commands that it runs

	// Seen is the processor time relative to the first way's when it was last measured, by
	// which Guard judges. If 0, the way is not guarded.
	Seen float64

	costs []Cost
}

// Cost is the cost of one run.
type Cost struct {
	Wall time.Duration
	CPU  time.Duration // user and system, of all commands and the processes that they waited for
	Peak int64         // of the largest process, in bytes
}

// Command returns a run of one command, which is made again for each call.
func Command(name string, args ...string) func(*Cost) error {
	return func(c *Cost) error { return c.Add(exec.Command(name, args...)) }
}

// Shell returns a run of a line of sh, with args as $1 and so on.
func Shell(line string, args ...string) func(*Cost) error {
	return Command("sh", append([]string{"-c", line, "sh"}, args...)...)
}

// Add runs cmd and adds its cost, even if it fails. An error contains what the command wrote
// to standard error, unless that is redirected.
func (c *Cost) Add(cmd *exec.Cmd) error {
	var stderr bytes.Buffer
	if cmd.Stderr == nil {
		cmd.Stderr = &stderr
	}
	began := time.Now()
	err := cmd.Run()
	c.Wall += time.Since(began)
	if state := cmd.ProcessState; state != nil {
		c.CPU += state.UserTime() + state.SystemTime()
		if used, ok := state.SysUsage().(*syscall.Rusage); ok {
			c.Peak = max(c.Peak, used.Maxrss<<10) // Linux counts KiB
		}
	}
	if err != nil && stderr.Len() > 0 {
		return fmt.Errorf("%s: %w\n%s", cmd.Args[0], err, stderr.Bytes())
	}
	return err
}

// Measure runs all ways by turns, the given number of rounds. A first round, which warms up,
// does not count. Every second round goes backwards, so that the same way does not always wait
// for what another left to the disk. Before each run it syncs the file system of dir.
func (r *Row) Measure(dir string, rounds int) error {
	for round := range rounds + 1 {
		ways := slices.Clone(r.Ways)
		if round%2 == 1 {
			slices.Reverse(ways)
		}
		for _, w := range ways {
			c, err := w.once(dir)
			if err != nil {
				return fmt.Errorf("%s, %s: %w", r.Name, w.Name, err)
			}
			if round > 0 {
				w.costs = append(w.costs, c)
			}
		}
	}
	return nil
}

func (w *Way) once(dir string) (c Cost, err error) {
	if w.Prepare != nil {
		if err := w.Prepare(); err != nil {
			return c, err
		}
	}
	if err := exec.Command("sync", "-f", dir).Run(); err != nil {
		return c, fmt.Errorf("syncing %s: %w", dir, err)
	}
	return c, w.Run(&c)
}

func wall(c Cost) time.Duration { return c.Wall }
func cpu(c Cost) time.Duration  { return c.CPU }
func peak(c Cost) int64         { return c.Peak }

func (w *Way) ratio(of *Way, what func(Cost) time.Duration) float64 {
	return Median(w.costs, what).Seconds() / Median(of.costs, what).Seconds()
}

// Median returns the median of the values that of returns. Their number must be odd.
func Median[C any, T cmp.Ordered](costs []C, of func(C) T) T {
	values := make([]T, len(costs))
	for i, c := range costs {
		values[i] = of(c)
	}
	slices.Sort(values)
	return values[len(values)/2]
}
