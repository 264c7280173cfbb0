// Package work distributes the tasks of a job to any number of workers, with a bucket that records
// what is done and a queue that says what to do next.
//
// # Source of truth
//
// The bucket is the source of truth, never the queue, which may forget a task, hand it out several
// times, or be lost altogether. The rest of a job is its tasks without those that have a result.
// The coordinator can derive it at any time, and gives out tasks again that the queue seems to have
// lost.
//
// Below work/JOB/ of the bucket:
//
//	tasks/ID.json     a task; ID is the SHA-256 of its bytes, so it exists once
//	job.json          the IDs of all tasks; the job exists once this does
//	results/ID.json   the result of a task
//	aside/ID.json     why it was given up: no worker tries it again
//	done.json         the outcome of the job; the rest may be removed then
//
// All objects are stored only if absent: of several results of a task the first one counts. JOB is
// the kind of the job, "-", and the time of planning: Unix time in milliseconds, thirteen digits.
//
// # A task
//
// A worker takes a task from the queue, does it, makes the result durable in the bucket, and only
// then acknowledges it. Meanwhile it sends signs of life; after a silence as long as the queue's
// wait it is considered dead, and the task goes to another worker. If it was only suspended, both
// may complete the task. So a task must have the same result whichever worker does it, and however
// often, and other objects of a task are stored only if absent, too.
//
// A failed task is handed out again after a pause, [Worker].Attempts times in all. Then it is set
// aside, so that a task that kills its workers does not kill all of them.
package work

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
)

// Limits. The bucket and the queue are untrusted.
const (
	MaxTasks  = 100_000  // of a job
	MaxObject = 16 << 20 // of a task, a result or a list of tasks, in bytes
	maxMark   = 64 << 10 // of the object that says why a task was set aside
	maxWhy    = 8 << 10  // of the error in it; JSON may need six bytes for one
)

// Ref names a task.
type Ref struct {
	Job  string
	Task string // its ID
}

var (
	jobName = regexp.MustCompile(`^[a-z]{1,16}-[0-9]{13}$`)
	taskID  = regexp.MustCompile(`^[0-9a-f]{64}$`)
)

// ParseRef parses the output of String.
func ParseRef(s string) (Ref, error) {
	job, task, _ := strings.Cut(s, "/")
	if !jobName.MatchString(job) || !taskID.MatchString(task) {
		return Ref{}, fmt.Errorf("%.80q names no task", s)
	}
	return Ref{job, task}, nil
}

func (r Ref) String() string { return r.Job + "/" + r.Task }

// Kind returns the kind of the job.
func (r Ref) Kind() string { return kindOf(r.Job) }

func kindOf(job string) string {
	kind, _, _ := strings.Cut(job, "-")
	return kind
}

// JobName returns the name of a job planned at a time.
func JobName(kind string, at time.Time) string { return fmt.Sprintf("%s-%013d", kind, at.UnixMilli()) }

// Job is the content of job.json.
type Job struct {
	Tasks   []string  `json:"tasks"` // their IDs
	Created time.Time `json:"created"`
}

func parseJob(data []byte) (*Job, error) {
	j := new(Job)
	if err := json.Unmarshal(data, j); err != nil {
		return nil, err
	}
	if len(j.Tasks) > MaxTasks {
		return nil, fmt.Errorf("a job of %d tasks, more than %d", len(j.Tasks), MaxTasks)
	}
	seen := make(map[string]bool, len(j.Tasks))
	for _, id := range j.Tasks {
		if !taskID.MatchString(id) || seen[id] {
			return nil, fmt.Errorf("task %.80q", id)
		}
		seen[id] = true
	}
	return j, nil
}

// Mark says why a task was set aside.
type Mark struct {
	Task     string    `json:"task"`
	Attempts int       `json:"attempts"`
	Error    string    `json:"error"`
	Worker   string    `json:"worker,omitzero"`
	Time     time.Time `json:"time"`
}

// ErrNoQueue means that the queue does not exist, or no longer does.
var ErrNoQueue = errors.New("the queue is not there")
