package work

import (
	"context"
	"errors"
	"log/slog"
	"time"
)

// Coordinator manages a job. It does no tasks itself, and may be killed and started again
// at any time, anywhere.
type Coordinator struct {
	Board    Board
	Queue    Queue
	Poll     time.Duration // between looks at the bucket; default 2 s
	Rounds   int           // number of times a task is given out before it is set aside; default 5
	Progress *Progress     // progress of the job; default: not reported
	Log      *slog.Logger  // default: none
}

func (c Coordinator) withDefaults() Coordinator {
	if c.Poll <= 0 {
		c.Poll = 2 * time.Second
	}
	if c.Rounds <= 0 {
		c.Rounds = 5
	}
	if c.Progress == nil {
		c.Progress = new(Progress)
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return c
}

// Run gives out tasks until each has a result or was set aside, and returns which.
func (c Coordinator) Run(ctx context.Context, job *Job) (*State, error) {
	c = c.withDefaults()
	rounds := make(map[string]int, len(job.Tasks)) // number of times each task was given out
	quiet := 0
	for {
		s, err := c.Board.State(ctx, job)
		if err != nil {
			return nil, err
		}
		c.Progress.set(s)
		if len(s.Left) == 0 {
			return s, nil
		}
		lost, idle := c.look(ctx)
		if quiet++; !idle {
			quiet = 0
		}
		switch {
		case lost:
			c.Log.Warn("the queue was missing: the remaining tasks are handed out", "tasks", len(s.Left))
			c.give(ctx, s.Left)
		case idle && (quiet > 1 || len(rounds) == 0): // twice, since a result may be on its way
			quiet = 0
			if s.Left, err = c.setAside(ctx, s.Left, rounds); err != nil {
				return nil, err
			}
			c.give(ctx, s.Left)
		}
		select {
		case <-time.After(c.Poll):
		case <-ctx.Done():
			return s, context.Cause(ctx)
		}
	}
}

// look checks the queue, and makes it again if it is lost. A queue that does not answer is
// neither lost nor idle.
func (c *Coordinator) look(ctx context.Context) (lost, idle bool) {
	idle, err := c.Queue.Idle(ctx)
	if err == nil {
		return false, idle
	}
	if errors.Is(err, ErrNoQueue) {
		err = c.Queue.Prepare(ctx)
		lost = err == nil
	}
	if err != nil && ctx.Err() == nil {
		c.Log.Warn("the queue does not answer", "err", err)
	}
	return lost, false
}

// setAside counts a round for the remaining tasks, and sets aside those with so many rounds
// that they may be killing their workers.
func (c *Coordinator) setAside(ctx context.Context, tasks []string, rounds map[string]int) (left []string, err error) {
	for _, id := range tasks {
		if rounds[id]++; rounds[id] <= c.Rounds {
			left = append(left, id)
			continue
		}
		if err := c.Board.SetAside(ctx, Mark{Task: id, Attempts: c.Rounds, Error: errKills.Error(), Time: time.Now().UTC()}); err != nil {
			return nil, err
		}
	}
	return left, nil
}

// give gives out tasks. A task that does not reach the queue is given out again when the
// queue is idle.
func (c *Coordinator) give(ctx context.Context, tasks []string) {
	pass := time.Now().UnixNano()
	for _, id := range tasks {
		if err := c.Queue.Give(ctx, Ref{c.Board.Job, id}, pass); err != nil {
			c.Log.Warn("tasks did not get into the queue: they are handed out later", "err", err)
			return
		}
	}
}
