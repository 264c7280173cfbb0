package fleet

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	mathrand "math/rand/v2"
	"os"
	"slices"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/root"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/work"
)

// open returns the unfinished job of this kind, or plans one.
func (j *Job) open(ctx context.Context) (*work.Board, *work.Job, error) {
	for {
		names, err := work.Open(ctx, j.Bucket, j.Kind)
		if err != nil {
			return nil, nil, err
		}
		if len(names) > 0 {
			j.Log.Info("resuming a job that was not finished", "job", names[0])
			b := &work.Board{Bucket: j.Bucket, Job: names[0]}
			job, err := b.Read(ctx)
			return b, job, err
		}
		b, job, err := j.begin(ctx)
		if b != nil || err != nil {
			return b, job, err
		}
		select {
		case <-time.After(mathrand.N(cmp.Or(j.Poll, heldPause))):
		case <-ctx.Done():
			return nil, nil, context.Cause(ctx)
		}
	}
}

// begin plans a job and begins it. It gives up, and returns nil, if another coordinator has
// begun or finished a job meanwhile: both plans would put the same versions into the mirror.
// Of two that begin at the same time, both give up and try again after a random pause.
func (j *Job) begin(ctx context.Context) (*work.Board, *work.Job, error) {
	r, _, err := root.Read(ctx, j.Bucket, "")
	if err != nil {
		return nil, nil, fmt.Errorf("reading the root of %s: %w", j.Bucket, err)
	}
	b := &work.Board{Bucket: j.Bucket, Job: work.JobName(j.Kind, time.Now())}
	job, err := j.plan(ctx, b, r)
	if err != nil {
		return nil, nil, err
	}
	alone, err := j.isAlone(ctx, r)
	if err != nil {
		return nil, nil, err
	}
	if !alone {
		j.Log.Info("given up: another coordinator was faster", "job", b.Job)
		return nil, nil, b.End(ctx, []byte(`{"given_up":true}`))
	}
	j.Log.Info("planned", "job", b.Job, "tasks", len(job.Tasks), "generation", r.Generation)
	return b, job, nil
}

// isAlone reports whether this is the only open job of its kind, and no segment was added or
// removed after the root since.
func (j *Job) isAlone(ctx context.Context, since *root.Root) (bool, error) {
	names, err := work.Open(ctx, j.Bucket, j.Kind)
	if err != nil || len(names) > 1 || j.Kind == Verify {
		return len(names) <= 1, err
	}
	now, _, err := root.Read(ctx, j.Bucket, "")
	if err != nil {
		return false, fmt.Errorf("reading the root of %s: %w", j.Bucket, err)
	}
	return slices.EqualFunc(now.Segments, since.Segments, func(a, b root.File) bool { return a.SHA256 == b.SHA256 }), nil
}

func (j *Job) plan(ctx context.Context, b *work.Board, r *root.Root) (_ *work.Job, err error) {
	if j.Kind == Verify {
		return PlanVerify(ctx, b, r)
	}
	dir, err := os.MkdirTemp(j.Scratch, "plan-")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	empty, err := durable.Open(dir)
	if err != nil {
		return nil, err
	}
	defer empty.Close()
	n := numbers{job: j, id: rand.Text(), sessions: map[string]*root.Session{}, next: map[string]int{}}
	defer func() { err = errors.Join(err, n.release(context.WithoutCancel(ctx))) }()
	return RepackPlan{
		Bucket: j.Bucket, Root: r, Scratch: dir, Empty: empty, TaskSize: j.TaskSize, AtLeast: j.AtLeast, Number: n.take,
	}.Plan(ctx, b)
}
