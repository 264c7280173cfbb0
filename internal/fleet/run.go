package fleet

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/bucket"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/human"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/root"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/verdict"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/work"
)

// Job runs one job to its end.
type Job struct {
	Bucket   bucket.Bucket
	Queue    work.Queue
	Kind     string // Verify or Repack
	Scratch  string // folder for temporary files while planning
	Owner    string // shown to people as holder of the lease while segments are added to the root
	TaskSize int64  // as in RepackPlan
	AtLeast  int
	Poll     time.Duration  // as in Coordinator
	Progress *work.Progress // default: not reported
	Log      *slog.Logger   // must not be nil
}

// Run resumes the unfinished job of this kind, or plans one, and finishes it. Run may be
// killed at any time and run again, also on another machine. Errors: those of the bucket and
// the queue, and why a result is invalid; problems of the mirror are in the Summary.
func (j Job) Run(ctx context.Context) (*Summary, error) {
	b, job, err := j.open(ctx)
	if err != nil {
		return nil, err
	}
	if err := j.Queue.Prepare(ctx); err != nil {
		return nil, err
	}
	s, err := work.Coordinator{Board: *b, Queue: j.Queue, Poll: j.Poll, Progress: j.Progress, Log: j.Log}.Run(ctx, job)
	if err != nil {
		return nil, err
	}
	sum, err := j.sumUp(ctx, b, s)
	if err != nil {
		return nil, err
	}
	data, err := json.Marshal(sum)
	if err == nil {
		err = b.End(ctx, data)
	}
	return sum, err
}

func (j *Job) sumUp(ctx context.Context, b *work.Board, s *work.State) (*Summary, error) {
	if j.Kind == Verify {
		return SumVerify(ctx, b, s)
	}
	return j.commit(ctx, b, s)
}

// numbers hands out numbers of segments while it holds the lease of each shard.
type numbers struct {
	job      *Job
	id       string
	sessions map[string]*root.Session
	next     map[string]int
}

func (n *numbers) take(ctx context.Context, shard string) (int, error) {
	s := n.sessions[shard]
	if s == nil {
		var err error
		if s, err = n.job.acquire(ctx, shard, n.id); err != nil {
			return 0, err
		}
		n.sessions[shard] = s
	}
	number, err := s.TakeSegment(ctx, n.next[shard])
	n.next[shard] = number + 1
	return number, err
}

func (n *numbers) release(ctx context.Context) error {
	var errs []error
	for _, s := range n.sessions {
		errs = append(errs, s.Release(ctx))
	}
	return errors.Join(errs...)
}

// heldPause is the pause between attempts to take a lease that another writer has.
const heldPause = 5 * time.Second

// acquire takes the lease of a shard, and waits for its current writer to release it.
func (j *Job) acquire(ctx context.Context, shard, id string) (*root.Session, error) {
	for told := false; ; told = true {
		s, err := root.Acquire(ctx, root.Config{Bucket: j.Bucket, Holder: root.Holder{Shard: shard, ID: id, Owner: j.Owner}, Log: j.Log})
		held := new(root.HeldError)
		if !errors.As(err, &held) {
			return s, err
		}
		if !told {
			j.Log.Info("waiting for the lease of the mirror", "shard", shard, "held_by", held.Owner)
		}
		select {
		case <-time.After(heldPause):
		case <-ctx.Done():
			return nil, errors.Join(context.Cause(ctx), err)
		}
	}
}

// commit adds the segments to the root, with one commit per shard.
func (j *Job) commit(ctx context.Context, b *work.Board, s *work.State) (*Summary, error) {
	sum := &Summary{Kind: Repack, Tasks: len(s.Done) + len(s.Aside)}
	shards := map[string][]root.File{}
	for _, id := range s.Done {
		p, err := j.result(ctx, b, id)
		if err != nil {
			return nil, fmt.Errorf("reading the result of task %s: %w", id, err)
		}
		sum.add(p.Count, p.Problems)
		if f := p.Segment; f != nil {
			shards[f.Shard] = append(shards[f.Shard], *f)
			sum.Versions, sum.Bytes, sum.Packed, sum.Segments = sum.Versions+int64(f.Entries), sum.Bytes+f.Bytes, sum.Packed+f.Size, sum.Segments+1
		}
	}
	if err := sum.asides(ctx, b, s); err != nil {
		return nil, err
	}
	for shard, files := range shards {
		if err := j.name(ctx, shard, files); err != nil {
			return nil, err
		}
	}
	return sum, nil
}

// result reads the result of a task, which must be about the task's segment.
func (j *Job) result(ctx context.Context, b *work.Board, id string) (*Packed, error) {
	data, err := b.Task(ctx, id)
	if err != nil {
		return nil, err
	}
	t, err := parsePackTask(data)
	if err != nil {
		return nil, err
	}
	if data, err = b.Result(ctx, id); err != nil {
		return nil, err
	}
	p := new(Packed)
	if err := json.Unmarshal(data, p); err != nil {
		return nil, err
	}
	if f := p.Segment; f != nil && (f.Name != t.Segment || f.Shard != t.Shard || f.Entries < 1 || f.Entries > maxTaskVersions+64 || f.Size < 1) {
		return nil, fmt.Errorf("it is about %.80q, not about %s", f.Name, t.Segment)
	}
	return p, nil
}

// name adds segments to the root, except those that it names already.
func (j *Job) name(ctx context.Context, shard string, files []root.File) error {
	s, err := j.acquire(ctx, shard, rand.Text())
	if err != nil {
		return err
	}
	err = s.Commit(ctx, func(r *root.Root) error {
		for _, f := range files {
			at := slices.IndexFunc(r.Segments, func(known root.File) bool { return known.Name == f.Name })
			if at >= 0 && r.Segments[at].SHA256 != f.SHA256 {
				return fmt.Errorf("the root already names %s with other bytes", f.Name)
			}
			if at < 0 {
				r.Segments = append(r.Segments, f)
			}
		}
		return nil
	})
	return errors.Join(err, s.Release(context.WithoutCancel(ctx)))
}

// Print writes the outcome of a job to w, for people.
func (s *Summary) Print(w io.Writer) error {
	for _, p := range s.Problems {
		text := p.Error
		if p.Crate != "" {
			text = p.Crate + ": " + text
		}
		fmt.Fprintf(w, "%s: %s\n", human.Printable(p.File), human.Printable(text))
	}
	for _, m := range s.Aside {
		fmt.Fprintf(w, "task %.12s was set aside after %s: %s\n", m.Task, human.Plural(int64(m.Attempts), "attempt"), human.Printable(m.Error))
	}
	verb := "hashed"
	if s.Kind == Repack {
		verb = "packed"
	}
	_, err := fmt.Fprintf(w, "%s %s in %s, %s", human.Plural(s.Versions, "version"), verb, human.Plural(int64(s.Tasks), "task"), human.Size(s.Bytes))
	if s.Segments > 0 {
		fmt.Fprintf(w, " in %s of %s", human.Plural(int64(s.Segments), "segment"), human.Size(s.Packed))
	}
	fmt.Fprintln(w)
	return err
}

// Verdict returns the error for what is wrong with the mirror, or nil.
func (s *Summary) Verdict() error {
	var errs []error
	if s.Count > 0 {
		errs = append(errs, verdict.Integrityf("%s in the bucket are not what they should be", human.Plural(s.Count, "version")))
	}
	if n := len(s.Aside); n > 0 {
		errs = append(errs, verdict.Incompletef("%s set aside: run the command again when the cause is removed", human.Plural(int64(n), "task")))
	}
	return cmp.Or(errors.Join(errs...), nil)
}
