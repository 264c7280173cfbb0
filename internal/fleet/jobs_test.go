package fleet

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/bucket"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/deep"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable/durabletest"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/replica/replicatest"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/root"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/work"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/work/worktest"
)

const some = `
serde 1.0.0
serde 1.0.1
serde 1.1.0
tokio 1.0.0
Inflector 0.1.0
a 1.0.0
`

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// workers runs workers until the test ends.
func workers(t *testing.T, in bucket.Bucket, q work.Queue) {
	t.Helper()
	scratch := t.TempDir()
	empty, err := durable.Open(t.TempDir())
	must(t, err)
	ctx, stop := context.WithCancel(t.Context())
	var g sync.WaitGroup
	for range 2 {
		g.Go(func() {
			work.Worker{Bucket: in, Queue: q, Jobs: 2, Attempts: 2, Pause: time.Millisecond, Do: map[string]work.Doer{
				Verify: Verifier(in, empty), Repack: Packer(in, scratch),
			}}.Run(ctx)
		})
	}
	t.Cleanup(func() { stop(); g.Wait(); empty.Close() })
}

func job(t *testing.T, in bucket.Bucket, q work.Queue, kind string) Job {
	return Job{Bucket: in, Queue: q, Kind: kind, Scratch: t.TempDir(), Owner: "test", TaskSize: 1, Poll: 5 * time.Millisecond, Log: slog.New(slog.DiscardHandler)}
}

func run(t *testing.T, j Job) *Summary {
	t.Helper()
	ctx, stop := context.WithTimeout(t.Context(), time.Minute)
	defer stop()
	sum, err := j.Run(ctx)
	must(t, err)
	return sum
}

func read(t *testing.T, in bucket.Bucket) *root.Root {
	t.Helper()
	r, _, err := root.Read(t.Context(), in, "")
	must(t, err)
	return r
}

// packed returns the versions in segments by key, and how often each is stored.
func packed(t *testing.T, in bucket.Bucket) map[string]int {
	t.Helper()
	empty, err := durable.Open(t.TempDir())
	must(t, err)
	defer empty.Close()
	found := map[string]int{}
	r := read(t, in)
	for i := range r.Segments {
		must(t, eachPacked(t.Context(), in, empty, &r.Segments[i], func(v *deep.Version) error {
			found[v.ID.String()]++
			return nil
		}))
	}
	return found
}

func TestRepackAndVerify(t *testing.T) {
	in, q := bucket.Memory(), new(worktest.Queue)
	p := replicatest.New(t, in, some)
	p.Publish("serde 1.2.0\ntokio 1.1.0")
	workers(t, in, q)
	sum := run(t, job(t, in, q, Repack))
	if sum.Verdict() != nil || sum.Versions != 8 || sum.Tasks != 4 || sum.Segments != 4 {
		t.Errorf("%+v, %v", sum, sum.Verdict())
	}
	if found := packed(t, in); len(found) != 8 || found["serde 1.2.0"] != 1 {
		t.Errorf("packed are %v", found)
	}
	if r := read(t, in); len(r.Bundles) != 2 || r.Generation < 3 {
		t.Errorf("%d bundles, generation %d", len(r.Bundles), r.Generation)
	}
	sum = run(t, job(t, in, q, Verify))
	if sum.Verdict() != nil || sum.Versions != 16 || sum.Tasks != 6 {
		t.Errorf("%+v, %v", sum, sum.Verdict())
	}

	// A job with nothing to do; then one for what was published since.
	if sum := run(t, job(t, in, q, Repack)); sum.Tasks != 0 || sum.Verdict() != nil {
		t.Errorf("%+v", sum)
	}
	p.Root = read(t, in)
	p.Publish("serde 1.3.0")
	if sum := run(t, job(t, in, q, Repack)); sum.Tasks != 1 || sum.Versions != 1 {
		t.Errorf("%+v", sum)
	}
	if found := packed(t, in); len(found) != 9 {
		t.Errorf("packed are %v", found)
	}
	for o, err := range in.List(t.Context(), "work/") {
		if err != nil || !strings.HasSuffix(o.Key, "/done.json") {
			t.Errorf("left over: %s, %v", o.Key, err)
		}
	}
}

// damage flips a bit in the middle of an object.
func damage(t *testing.T, in bucket.Bucket, key string, at int) {
	t.Helper()
	data, _, err := bucket.ReadAll(t.Context(), in, key, bucket.Ask{}, 1<<30)
	must(t, err)
	data[at] ^= 1
	_, err = in.Put(t.Context(), key, bucket.Bytes(data), bucket.Always())
	must(t, err)
}

// TestDamage checks that a damaged version is reported and not packed, and that all others
// are.
func TestDamage(t *testing.T) {
	in, q := bucket.Memory(), new(worktest.Queue)
	p := replicatest.New(t, in, some)
	p.Publish("serde 1.2.0\ntokio 1.1.0")
	damage(t, in, "bundles/bundle-0000.tar.zst", 900)
	workers(t, in, q)
	sum := run(t, job(t, in, q, Verify))
	if sum.Verdict() == nil || sum.Count == 0 || sum.Versions != 7 {
		t.Errorf("%+v", sum)
	}
	if !slices.ContainsFunc(sum.Problems, func(p Problem) bool { return p.Crate != "" && p.File == "bundle-0000.tar.zst" }) {
		t.Errorf("%+v", sum.Problems)
	}
	sum = run(t, job(t, in, q, Repack))
	if sum.Count != 1 || sum.Versions != 7 {
		t.Errorf("%+v", sum)
	}
	damage(t, in, "deep/"+read(t, in).Segments[0].Name, 200)
	damage(t, in, "bundles/"+read(t, in).Bundles[1].Lists[0].Name, 10)
	must(t, in.Remove(t.Context(), "deep/"+read(t, in).Segments[1].Name))
	files := map[string]bool{}
	for _, p := range run(t, job(t, in, q, Verify)).Problems {
		files[p.File] = true
	}
	if len(files) != 4 {
		t.Errorf("problems in %v", files)
	}
}

// TestProblemOfAnyText checks that a problem may quote any bytes that were read: the result is
// still valid, so the damage is reported and the task is not tried again.
func TestProblemOfAnyText(t *testing.T) {
	v := &Verified{file: "bundle-0000.tar.zst"}
	v.found(crate.ID{}, errors.New("no text: \xff"))
	v.found(crate.ID{}, errors.New(strings.Repeat("x", maxProblem-1)+"é"))
	data, err := json.Marshal(v)
	if err != nil || !strings.Contains(string(data), `"error":"no text: "`) {
		t.Errorf("%.200s, %v", data, err)
	}
}

// TestChangedElsewhere checks that bytes after the last member count as damage, too, although
// they belong to no crate.
func TestChangedElsewhere(t *testing.T) {
	in, q := bucket.Memory(), new(worktest.Queue)
	p := replicatest.New(t, in, some)
	p.Root.Bundles[0].SHA256[3] ^= 1
	p.Replace()
	workers(t, in, q)
	sum := run(t, job(t, in, q, Verify))
	if sum.Count != 1 || sum.Versions != 6 || !strings.Contains(sum.Problems[0].Error, "even if everything in it is good") {
		t.Errorf("%+v", sum)
	}
}

// TestPushedByAnother checks that a worker accepts a segment that another one pushed for the
// same task only if it can rebuild every version of the task from it.
func TestPushedByAnother(t *testing.T) {
	in, q := bucket.Memory(), new(worktest.Queue)
	replicatest.New(t, in, some)
	j := job(t, in, q, Repack)
	j.TaskSize = 1 << 20
	b, planned, err := j.open(t.Context())
	must(t, err)
	if len(planned.Tasks) != 1 {
		t.Fatalf("%d tasks", len(planned.Tasks))
	}
	task, err := b.Task(t.Context(), planned.Tasks[0])
	must(t, err)
	do := Packer(in, t.TempDir())
	first, err := do(t.Context(), task)
	must(t, err)
	second, err := do(t.Context(), task)
	if err != nil || string(first) != string(second) {
		t.Errorf("%s, then %s, %v", first, second, err)
	}
	key := "deep/deep-0000.zst"
	other := strings.Replace(string(task), "serde", "sxrde", 1)
	if _, err := do(t.Context(), []byte(other)); err == nil {
		t.Error("a task of crates of two names is done")
	}
	damage(t, in, key, 200)
	if _, err := do(t.Context(), task); err == nil {
		t.Error("a damaged segment is taken")
	}
}

// TestParsePackTask checks that tasks that no plan makes are rejected.
func TestParsePackTask(t *testing.T) {
	in, q := bucket.Memory(), new(worktest.Queue)
	replicatest.New(t, in, some)
	b, planned, err := opened(t, job(t, in, q, Repack))
	must(t, err)
	data, err := b.Task(t.Context(), planned.Tasks[0])
	must(t, err)
	if _, err := parsePackTask(data); err != nil {
		t.Fatal(err)
	}
	for _, change := range [][2]string{
		{`"segment":"deep-`, `"segment":"../deep-`}, {`"segment":"deep-`, `"segment":"deep-s1of2-`}, {`"b":0`, `"b":1`}, {`"b":0`, `"b":-1`},
		{`"name":"bundle-`, `"name":"../bundle-`}, {`"n":"`, `"n":"/`}, {`"o":0`, `"o":-1`}, {`"versions":[[`, `"versions":[[],[`},
	} {
		changed := strings.Replace(string(data), change[0], change[1], 1)
		if changed == string(data) {
			t.Errorf("the task has no %s: %s", change[0], data)
		}
		if task, err := parsePackTask([]byte(changed)); err == nil {
			t.Errorf("%s is %+v", changed, task)
		}
	}
}

func opened(t *testing.T, j Job) (*work.Board, *work.Job, error) { return j.open(t.Context()) }

// TestCoordinatorIsKilledAnywhere checks that a coordinator that is killed after any request
// resumes when it runs again: each version is packed and named exactly once.
func TestCoordinatorIsKilledAnywhere(t *testing.T) {
	first, step := durabletest.Every(9, nil)
	for n := 1 + first; ; n += step {
		in, q := bucket.Memory(), new(worktest.Queue)
		replicatest.New(t, in, some)
		workers(t, in, q)
		j := job(t, in, q, Repack)
		dying := &dies{Bucket: in, left: n}
		j.Bucket = dying
		ctx, stop := context.WithCancel(t.Context())
		dying.stop = stop
		_, err := j.Run(ctx)
		stop()
		if err == nil && dying.left > 0 {
			break
		}
		j.Bucket = in
		release(t, in)
		if _, err := j.Run(t.Context()); err != nil {
			t.Fatalf("killed at request %d: %v", n, err)
		}
		found := packed(t, in)
		for id, times := range found {
			if times != 1 {
				t.Errorf("killed at request %d: %s is packed %d times", n, id, times)
			}
		}
		if len(found) != 6 {
			t.Errorf("killed at request %d: packed are %v", n, found)
		}
	}
}

// interrupted is a bucket that calls a function once, after the first read of the root.
type interrupted struct {
	bucket.Bucket
	once sync.Once
	do   func()
}

func (i *interrupted) Get(ctx context.Context, key string, ask bucket.Ask) (io.ReadCloser, bucket.Object, error) {
	body, o, err := i.Bucket.Get(ctx, key, ask)
	if key == root.Name {
		i.once.Do(i.do)
	}
	return body, o, err
}

// TestTwoCoordinators checks that a coordinator that slept while another one planned or
// finished a job does not pack anything a second time.
func TestTwoCoordinators(t *testing.T) {
	for name, other := range map[string]func(*testing.T, Job){
		"planned": func(t *testing.T, j Job) { _, _, err := j.open(t.Context()); must(t, err) },
		"ended":   func(t *testing.T, j Job) { run(t, j) },
	} {
		t.Run(name, func(t *testing.T) {
			in, q := bucket.Memory(), new(worktest.Queue)
			replicatest.New(t, in, some)
			workers(t, in, q)
			j := job(t, in, q, Repack)
			j.Bucket = &interrupted{Bucket: in, do: func() { other(t, job(t, in, q, Repack)) }}
			run(t, j)
			for id, times := range packed(t, in) {
				if times != 1 {
					t.Errorf("%s is packed %d times", id, times)
				}
			}
			open, err := work.Open(t.Context(), in, Repack)
			if len(open) > 0 || err != nil {
				t.Errorf("left open: %v, %v", open, err)
			}
		})
	}
}

// release removes the leases of killed coordinators, which would expire within a minute.
func release(t *testing.T, in bucket.Bucket) {
	t.Helper()
	must(t, in.Remove(t.Context(), root.LeaseName))
}

var errKilled = errors.New("killed")

// dies is a bucket that fails all requests from some request on.
type dies struct {
	bucket.Bucket
	mu   sync.Mutex
	left int
	stop func()
}

func (d *dies) dead() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.left--; d.left <= 0 {
		d.stop()
		return errKilled
	}
	return nil
}

func (d *dies) Put(ctx context.Context, key string, body bucket.Body, when bucket.Condition) (bucket.Tag, error) {
	if err := d.dead(); err != nil {
		return "", err
	}
	return d.Bucket.Put(ctx, key, body, when)
}

func (d *dies) Remove(ctx context.Context, key string) error {
	if err := d.dead(); err != nil {
		return err
	}
	return d.Bucket.Remove(ctx, key)
}
