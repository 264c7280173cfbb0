package work

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/go-json-experiment/json"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/bucket"
)

// dir is the folder of jobs in a bucket.
const dir = "work"

// Board is a job in a bucket.
type Board struct {
	Bucket bucket.Bucket
	Job    string
}

func (b *Board) key(parts ...string) string {
	return path.Join(append([]string{dir, b.Job}, parts...)...)
}

func (b *Board) object(folder, task string) string { return b.key(folder, task+".json") }

// put stores an object unless it exists.
func (b *Board) put(ctx context.Context, key string, data []byte) (first bool, err error) {
	body := bucket.Bytes(data)
	body.ContentType = "application/json"
	_, err = b.Bucket.Put(ctx, key, body, bucket.Absent())
	if errors.Is(err, bucket.ErrExists) {
		return false, nil
	}
	return err == nil, err
}

// Plan stores a task and returns its ID.
func (b *Board) Plan(ctx context.Context, data []byte) (string, error) {
	if len(data) > MaxObject {
		return "", fmt.Errorf("planning: a task of %d bytes, more than %d", len(data), MaxObject)
	}
	sum := bucket.Bytes(data).Checksum
	id := hex.EncodeToString(sum[:])
	if _, err := b.put(ctx, b.object("tasks", id), data); err != nil {
		return "", fmt.Errorf("planning: %w", err)
	}
	return id, nil
}

// Begin makes a job from planned tasks, unless another coordinator has made one, and
// returns the existing job.
func (b *Board) Begin(ctx context.Context, job *Job) (*Job, error) {
	data, err := json.Marshal(job)
	if err == nil {
		_, err = parseJob(data)
	}
	if err == nil {
		_, err = b.put(ctx, b.key("job.json"), data)
	}
	if err != nil {
		return nil, fmt.Errorf("beginning %s: %w", b.Job, err)
	}
	return b.Read(ctx)
}

// Read reads the job. Errors: fs.ErrNotExist.
func (b *Board) Read(ctx context.Context) (*Job, error) {
	data, _, err := bucket.ReadAll(ctx, b.Bucket, b.key("job.json"), bucket.Ask{}, MaxObject)
	if err != nil {
		return nil, err
	}
	j, err := parseJob(data)
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", b.key("job.json"), err)
	}
	return j, nil
}

// Task reads a task, and checks that its bytes match its ID. Errors: fs.ErrNotExist.
func (b *Board) Task(ctx context.Context, id string) ([]byte, error) {
	data, _, err := bucket.ReadAll(ctx, b.Bucket, b.object("tasks", id), bucket.Ask{}, MaxObject)
	if err != nil {
		return nil, err
	}
	if sum := bucket.Bytes(data).Checksum; sum.String() != id {
		return nil, fmt.Errorf("the task %s has other bytes, with sha256 %s", id, sum)
	}
	return data, nil
}

// Finish durably stores the result of a task; first says whether it is the one that counts.
func (b *Board) Finish(ctx context.Context, id string, result []byte) (first bool, err error) {
	if len(result) > MaxObject {
		return false, fmt.Errorf("a result of %d bytes, more than %d", len(result), MaxObject)
	}
	if first, err = b.put(ctx, b.object("results", id), result); err != nil || !first {
		return first, err
	}
	// The job may have ended meanwhile, with the result of another worker: then this result
	// would never be removed.
	_, err = b.Bucket.Head(ctx, b.key("done.json"))
	if errors.Is(err, fs.ErrNotExist) {
		return true, nil
	}
	if err == nil {
		err = b.Bucket.Remove(ctx, b.object("results", id))
	}
	return false, err
}

// Result reads the result of a task. Errors: fs.ErrNotExist.
func (b *Board) Result(ctx context.Context, id string) ([]byte, error) {
	data, _, err := bucket.ReadAll(ctx, b.Bucket, b.object("results", id), bucket.Ask{}, MaxObject)
	return data, err
}

// Settled reports whether a task needs no more work.
func (b *Board) Settled(ctx context.Context, id string) (bool, error) {
	for _, folder := range []string{"results", "aside"} {
		_, err := b.Bucket.Head(ctx, b.object(folder, id))
		if err == nil || !errors.Is(err, fs.ErrNotExist) {
			return err == nil, err
		}
	}
	return false, nil
}

// Text returns an error's text, cut to a number of bytes and made valid for JSON: it may
// quote data that is not text.
func Text(s string, most int) string { return strings.ToValidUTF8(s[:min(len(s), most)], "") }

// SetAside gives up a task.
func (b *Board) SetAside(ctx context.Context, m Mark) error {
	m.Error = Text(m.Error, maxWhy)
	data, err := json.Marshal(m)
	if err == nil {
		_, err = b.put(ctx, b.object("aside", m.Task), data)
	}
	return err
}

// Aside returns why a task was given up. Errors: fs.ErrNotExist.
func (b *Board) Aside(ctx context.Context, id string) (m Mark, err error) {
	data, _, err := bucket.ReadAll(ctx, b.Bucket, b.object("aside", id), bucket.Ask{}, maxMark)
	if err == nil {
		err = json.Unmarshal(data, &m)
	}
	m.Task = id
	return m, err
}

// State is the progress of a job.
type State struct {
	Left  []string // tasks
	Done  []string // tasks with a result
	Aside []string // tasks that were given up without a result
}

// State derives the progress of a job from the objects in the bucket.
func (b *Board) State(ctx context.Context, job *Job) (*State, error) {
	done, err := b.ids(ctx, "results")
	if err != nil {
		return nil, err
	}
	aside, err := b.ids(ctx, "aside")
	if err != nil {
		return nil, err
	}
	s := new(State)
	for _, id := range job.Tasks {
		switch {
		case done[id]:
			s.Done = append(s.Done, id)
		case aside[id]:
			s.Aside = append(s.Aside, id)
		default:
			s.Left = append(s.Left, id)
		}
	}
	return s, nil
}

// ids returns the tasks that have an object in a folder.
func (b *Board) ids(ctx context.Context, folder string) (map[string]bool, error) {
	ids := map[string]bool{}
	for o, err := range b.Bucket.List(ctx, b.key(folder)+"/") {
		if err != nil {
			return nil, err
		}
		id := strings.TrimSuffix(path.Base(o.Key), ".json")
		if taskID.MatchString(id) && len(ids) <= MaxTasks {
			ids[id] = true
		}
	}
	return ids, nil
}

// End records the outcome of the job, once, and removes its other objects. If it is
// interrupted, the next coordinator completes it.
func (b *Board) End(ctx context.Context, summary []byte) error {
	if _, err := b.put(ctx, b.key("done.json"), summary); err != nil {
		return err
	}
	for o, err := range b.Bucket.List(ctx, b.key()+"/") {
		if err == nil && o.Key != b.key("done.json") {
			err = b.Bucket.Remove(ctx, o.Key)
		}
		if err != nil {
			return fmt.Errorf("removing what is left of %s: %w", b.Job, err)
		}
	}
	return nil
}

// Open returns the unfinished jobs of a kind, the oldest first. It removes leftovers of
// finished ones.
func Open(ctx context.Context, in bucket.Bucket, kind string) (open []string, err error) {
	jobs, ended := map[string]bool{}, map[string]bool{}
	rest := map[string]int{}
	for o, err := range in.List(ctx, dir+"/"+kind+"-") {
		if err != nil {
			return nil, err
		}
		name, object, _ := strings.Cut(strings.TrimPrefix(o.Key, dir+"/"), "/")
		if !jobName.MatchString(name) {
			continue
		}
		rest[name]++
		switch object {
		case "job.json":
			jobs[name] = true
		case "done.json":
			ended[name] = true
		}
	}
	for name := range ended {
		if b := (&Board{in, name}); rest[name] > 1 {
			if err := b.End(ctx, nil); err != nil {
				return nil, err
			}
		}
		delete(jobs, name)
	}
	return slices.Sorted(maps.Keys(jobs)), nil
}
