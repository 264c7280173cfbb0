// Package work shares the tasks of a job out to any number of workers, over a bucket
// that says what is done and a queue that says what to do next.
//
// # Source of truth
//
// The bucket, never the queue: it may forget a task, give one out several times, or be
// lost altogether. What is left of a job is what its tasks are, less what has a result;
// the coordinator derives that again at any time, and gives out again what the queue
// seems to have forgotten.
//
// Below work/JOB/ of the bucket:
//
//	tasks/ID.json     a task; ID is the SHA-256 of its bytes, so one task is there once
//	job.json          the IDs of all tasks: from when it is there, there is a job
//	results/ID.json   what became of a task
//	aside/ID.json     why it was given up: no worker tries it again by itself
//	done.json         what became of the job; all else may be removed then
//
// All of them are put if absent: of several results of one task the first one counts.
// JOB is the kind of the job, "-", and when it was planned: Unix time in milliseconds, thirteen digits.
//
// # A task
//
// A worker takes a task from the queue, does it, makes the result durable in the bucket,
// and only then acknowledges. While it works it says so; one that is silent for the
// queue's wait is taken for dead, and the task goes to another. If it was merely asleep,
// both may end it: so a task must have the same result whichever worker does it, and how
// often, and what it stores beside its result is stored if absent, too.
//
// A task that fails is given out again after a pause, [Worker].Attempts times in all. Then
// it is set aside, so that one that kills its workers does not kill all of them.
package work

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
)

// Bounds. The bucket and the queue are untrusted.
const (
	MaxTasks  = 100_000  // of a job
	MaxObject = 16 << 20 // of a task, a result or a list of tasks, in bytes
	maxMark   = 64 << 10 // of what says why a task was set aside
	maxWhy    = 8 << 10  // of the error in it; a byte may become six in JSON
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

// ParseRef reads what String has written, or refuses it.
func ParseRef(s string) (Ref, error) {
	job, task, _ := strings.Cut(s, "/")
	if !jobName.MatchString(job) || !taskID.MatchString(task) {
		return Ref{}, fmt.Errorf("%.80q names no task", s)
	}
	return Ref{job, task}, nil
}

func (r Ref) String() string { return r.Job + "/" + r.Task }

// Kind is what the job is about.
func (r Ref) Kind() string { return kindOf(r.Job) }

func kindOf(job string) string {
	kind, _, _ := strings.Cut(job, "-")
	return kind
}

// JobName is that of a job that is planned at a time.
func JobName(kind string, at time.Time) string { return fmt.Sprintf("%s-%013d", kind, at.UnixMilli()) }

// Job is a job, as job.json says.
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

// ErrNoQueue: the queue is not there, or not any more.
var ErrNoQueue = errors.New("the queue is not there")
