//go:build unix

package jetstream

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/bucket"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/work"
)

// TestMain is also a worker process: one that takes its time, and leaves an object for
// each attempt beside its result.
func TestMain(m *testing.M) {
	url, dir, name := os.Getenv("TEST_WORKER_QUEUE"), os.Getenv("TEST_WORKER_BUCKET"), os.Getenv("TEST_WORKER_NAME")
	if url == "" {
		os.Exit(m.Run())
	}
	in, err := bucket.Folder(dir)
	if err != nil {
		panic(err)
	}
	q, err := Open(Config{URL: url, Wait: processWait, Name: name})
	if err != nil {
		panic(err)
	}
	err = work.Worker{Bucket: in, Queue: q, Jobs: 2, Name: name, Do: map[string]work.Doer{"test": func(ctx context.Context, task []byte) ([]byte, error) {
		time.Sleep(20 * time.Millisecond)
		return fmt.Appendf(nil, "%s by %s", task, name), nil
	}}}.Run(context.Background())
	panic(err)
}

const processWait = time.Second

// Four processes work; one is killed, one sleeps longer than the queue waits and wakes
// up again. Nothing is lost, and each result is one of one worker.
func TestKilledAndStopped(t *testing.T) {
	in, err := bucket.Folder(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	url := realServer(t)
	q := openQueue(t, url, processWait)
	const tasks = 300
	b, job := plan(t, in, tasks)
	var workers []*exec.Cmd
	for n := range 4 {
		cmd := exec.Command(os.Args[0], "-test.run=none")
		cmd.Env = append(os.Environ(), "TEST_WORKER_QUEUE="+url, "TEST_WORKER_BUCKET="+strings.TrimPrefix(in.String(), "file://"), fmt.Sprint("TEST_WORKER_NAME=w", n))
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
		workers = append(workers, cmd)
	}
	go func() {
		for {
			if s, err := b.State(context.Background(), job); err != nil || len(s.Done) > 20 {
				break
			}
			time.Sleep(10 * time.Millisecond)
		}
		workers[0].Process.Kill()
		workers[1].Process.Signal(syscall.SIGSTOP)
		time.Sleep(processWait * 3 / 2)
		workers[1].Process.Signal(syscall.SIGCONT)
	}()
	s := see(t, b, q, job)
	if len(s.Done) != tasks || len(s.Aside) != 0 {
		t.Errorf("%d done, %d set aside", len(s.Done), len(s.Aside))
	}
	by := map[string]int{}
	for _, id := range job.Tasks {
		task, _ := b.Task(t.Context(), id)
		result, err := b.Result(t.Context(), id)
		what, who, _ := strings.Cut(string(result), " by ")
		if err != nil || what != string(task) {
			t.Errorf("task %s has the result %q, %v", task, result, err)
		}
		by[who]++
	}
	t.Log("done by", by)
	if len(by) < 3 {
		t.Errorf("done by %v", by)
	}
}
