//go:build linux

// Package turns compares ways of doing one thing: it runs them by turns, so that what
// else the machine does hits all alike, and prints what each has cost and the ratios of
// the medians, which are what counts.
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

// A Row is one thing to do. The ratios are to its first way.
type Row struct {
	Name string
	Ways []*Way
	Per  int // things done in a run, for the processor time of one; 0: it is not printed
}

// A Way is one way of doing it.
type Way struct {
	Name    string
	Prepare func() error      // before each run, not measured; nil: nothing
	Run     func(*Cost) error // adds the commands that it runs

	// Seen is the processor time that it took for each second of the first way's when that was
	// last measured, by which Guard judges. 0: it is not guarded.
	Seen float64

	costs []Cost
}

// Cost is what one run has taken.
type Cost struct {
	Wall time.Duration
	CPU  time.Duration // user and system, of all commands and of what they have waited for
	Peak int64         // of the largest process, bytes
}

// Command returns a run of one command, made for each call.
func Command(name string, args ...string) func(*Cost) error {
	return func(c *Cost) error { return c.Add(exec.Command(name, args...)) }
}

// Shell returns a run of a line of sh, with args as $1 and so on.
func Shell(line string, args ...string) func(*Cost) error {
	return Command("sh", append([]string{"-c", line, "sh"}, args...)...)
}

// Add runs cmd, and adds what it has taken, whether it failed or not. An error has what
// the command wrote to its standard error, unless that goes elsewhere.
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

// Measure runs all ways by turns, so many times each. The run before them, which warms up,
// is not counted. Every second round goes backwards: what one way leaves to the disk is not
// always the same one's to wait for. Before each run the file system of dir is asked to
// write what others have left there.
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

// Median is that of what of returns, of an odd number of values.
func Median[C any, T cmp.Ordered](costs []C, of func(C) T) T {
	values := make([]T, len(costs))
	for i, c := range costs {
		values[i] = of(c)
	}
	slices.Sort(values)
	return values[len(values)/2]
}
