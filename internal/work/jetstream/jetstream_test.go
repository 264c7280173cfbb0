package jetstream

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/bucket"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/work"
)

// plan makes a job of n tasks.
func plan(t *testing.T, in bucket.Bucket, n int) (work.Board, *work.Job) {
	t.Helper()
	b := work.Board{Bucket: in, Job: work.JobName("test", time.Unix(1, 0))}
	job := &work.Job{Created: time.Unix(1, 0).UTC()}
	for i := range n {
		id, err := b.Plan(t.Context(), fmt.Appendf(nil, `{"n":%d}`, i))
		if err != nil {
			t.Fatal(err)
		}
		job.Tasks = append(job.Tasks, id)
	}
	job, err := b.Begin(t.Context(), job)
	if err != nil {
		t.Fatal(err)
	}
	return b, job
}

// see sees a job through.
func see(t *testing.T, b work.Board, q work.Queue, job *work.Job) *work.State {
	t.Helper()
	ctx, stop := context.WithTimeout(t.Context(), time.Minute)
	defer stop()
	s, err := work.Coordinator{Board: b, Queue: q, Poll: 50 * time.Millisecond, Rounds: 2}.Run(ctx, job)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// working runs a worker until stop is called.
func working(t *testing.T, w work.Worker) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	var g sync.WaitGroup
	g.Go(func() { w.Run(ctx) })
	stop = func() { cancel(); g.Wait() }
	t.Cleanup(stop)
	return stop
}

func echo(_ context.Context, task []byte) ([]byte, error) { return task, nil }

func TestWork(t *testing.T) {
	_, url := startServer(t, nil)
	q := openQueue(t, url, time.Second)
	b, job := plan(t, bucket.Memory(), 50)
	var mu sync.Mutex
	did := map[string]int{}
	working(t, work.Worker{Bucket: b.Bucket, Queue: q, Jobs: 4, Do: map[string]work.Doer{"test": func(ctx context.Context, task []byte) ([]byte, error) {
		mu.Lock()
		did[string(task)]++
		mu.Unlock()
		return echo(ctx, task)
	}}})
	if s := see(t, b, q, job); len(s.Done) != 50 || len(s.Aside) != 0 {
		t.Errorf("%d done, %d set aside", len(s.Done), len(s.Aside))
	}
	for task, n := range did {
		if n != 1 {
			t.Errorf("%s was done %d times", task, n)
		}
	}
	for _, id := range job.Tasks {
		task, err := b.Task(t.Context(), id)
		result, errResult := b.Result(t.Context(), id)
		if err := errors.Join(err, errResult); err != nil || string(task) != string(result) {
			t.Errorf("task %s has the result %s, %v", task, result, err)
		}
	}
	if idle, err := q.Idle(t.Context()); !idle || err != nil {
		t.Errorf("afterwards the queue is idle: %t, %v", idle, err)
	}
}

// The queue is lost in the middle, twice, with all that it had acknowledged.
func TestQueueIsNotTheTruth(t *testing.T) {
	_, url := startServer(t, nil)
	q := openQueue(t, url, time.Second)
	b, job := plan(t, bucket.Memory(), 60)
	var mu sync.Mutex
	n := 0
	working(t, work.Worker{Bucket: b.Bucket, Queue: q, Jobs: 2, Do: map[string]work.Doer{"test": func(ctx context.Context, task []byte) ([]byte, error) {
		mu.Lock()
		n++
		wipe := n == 10 || n == 30
		mu.Unlock()
		if wipe {
			if err := q.js.DeleteStream(ctx, UsualStream); err != nil {
				t.Error(err)
			}
		}
		return echo(ctx, task)
	}}})
	if s := see(t, b, q, job); len(s.Done) != 60 || len(s.Aside) != 0 {
		t.Errorf("%d done, %d set aside", len(s.Done), len(s.Aside))
	}
}

// One task fails always, one fails twice; the others are done meanwhile.
func TestPoison(t *testing.T) {
	_, url := startServer(t, nil)
	q := openQueue(t, url, time.Second)
	b, job := plan(t, bucket.Memory(), 12)
	var mu sync.Mutex
	tries := map[string]int{}
	m := new(work.Metrics)
	working(t, work.Worker{Bucket: b.Bucket, Queue: q, Jobs: 2, Attempts: 3, Pause: time.Millisecond, Metrics: m, Name: "w1", Do: map[string]work.Doer{"test": func(ctx context.Context, task []byte) ([]byte, error) {
		mu.Lock()
		defer mu.Unlock()
		tries[string(task)]++
		if string(task) == `{"n":3}` || string(task) == `{"n":4}` && tries[string(task)] < 3 {
			return nil, errors.New("no luck with " + string(task))
		}
		return echo(ctx, task)
	}}})
	s := see(t, b, q, job)
	if len(s.Done) != 11 || len(s.Aside) != 1 || tries[`{"n":3}`] != 3 || tries[`{"n":4}`] != 3 {
		t.Errorf("%d done, %d set aside, tries %v", len(s.Done), len(s.Aside), tries)
	}
	mark, err := b.Aside(t.Context(), s.Aside[0])
	if err != nil || mark.Error != `no luck with {"n":3}` || mark.Attempts != 3 || mark.Worker != "w1" {
		t.Errorf("%+v, %v", mark, err)
	}
}

// A worker that is stopped gives back what it cannot end, and another does it at once.
func TestGivesBack(t *testing.T) {
	_, url := startServer(t, nil)
	q := openQueue(t, url, time.Minute)
	b, job := plan(t, bucket.Memory(), 1)
	begun := make(chan struct{})
	stop := working(t, work.Worker{Bucket: b.Bucket, Queue: q, Grace: 10 * time.Millisecond, Do: map[string]work.Doer{"test": func(ctx context.Context, _ []byte) ([]byte, error) {
		close(begun)
		<-ctx.Done()
		return nil, ctx.Err()
	}}})
	if err := q.Give(t.Context(), work.Ref{Job: b.Job, Task: job.Tasks[0]}, 1); err != nil {
		t.Fatal(err)
	}
	<-begun
	stop()
	working(t, work.Worker{Bucket: b.Bucket, Queue: q, Do: map[string]work.Doer{"test": echo}})
	start := time.Now()
	if s := see(t, b, q, job); len(s.Done) != 1 {
		t.Errorf("%d done", len(s.Done))
	}
	if took := time.Since(start); took > 30*time.Second {
		t.Errorf("the task came back after %v", took)
	}
}

// A message that is given twice in one pass is there once; what is no task is dropped.
func TestMessages(t *testing.T) {
	_, url := startServer(t, nil)
	q := openQueue(t, url, time.Second)
	b, job := plan(t, bucket.Memory(), 2)
	for range 3 {
		if err := q.Give(t.Context(), work.Ref{Job: b.Job, Task: job.Tasks[0]}, 7); err != nil {
			t.Fatal(err)
		}
	}
	// What the consumer has to do lags behind what the server has kept.
	stream, err := q.js.Stream(t.Context(), q.cfg.Stream)
	if err != nil {
		t.Fatal(err)
	}
	if n := stream.CachedInfo().State.Msgs; n != 1 {
		t.Errorf("%d messages of one task that was given three times", n)
	}
	for _, text := range []string{"", "../../x", "test-0000000000001/" + strings.Repeat("z", 64), strings.Repeat("x", maxMessage)} {
		if _, err := q.js.Publish(t.Context(), q.subject(), []byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := q.js.Publish(t.Context(), q.subject(), make([]byte, maxMessage+1)); err == nil {
		t.Error("a message of any size gets in")
	}
	working(t, work.Worker{Bucket: b.Bucket, Queue: q, Do: map[string]work.Doer{"test": echo}})
	if s := see(t, b, q, job); len(s.Done) != 2 || len(s.Aside) != 0 {
		t.Errorf("%d done, %d set aside", len(s.Done), len(s.Aside))
	}
}

// A refused login is reported without the password.
func TestCredentialsAreNotTold(t *testing.T) {
	_, url := startServer(t, func(o *server.Options) { o.Username, o.Password = "me", "s3cret" })
	for _, user := range []string{"me:wr0ng-s3cret@", "t0ken@"} {
		_, err := Open(Config{URL: strings.Replace(url, "//", "//"+user, 1)})
		if err == nil || strings.Contains(err.Error(), "s3cret") || strings.Contains(err.Error(), "t0ken") {
			t.Errorf("%v", err)
		}
	}
	_, err := Open(Config{URL: "nats://me:s3cret@ 127.0.0.1:1"})
	if err == nil || strings.Contains(err.Error(), "s3cret") {
		t.Errorf("%v", err)
	}
	file := filepath.Join(t.TempDir(), "creds")
	if err := os.WriteFile(file, []byte("s3cret"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(Config{URL: url, Creds: file}); err == nil || strings.Contains(err.Error(), "s3cret") {
		t.Errorf("%v", err)
	}
	q, err := Open(Config{URL: strings.Replace(url, "//", "//me:s3cret@", 1)})
	if err != nil {
		t.Fatal(err)
	}
	q.Close()
}
