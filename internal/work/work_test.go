package work

import (
	"bytes"
	"encoding/json"
	"errors"
	"io/fs"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/bucket"
)

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestParseRef(t *testing.T) {
	good := Ref{JobName("repack", time.Unix(42, 0)), strings.Repeat("0a", 32)}
	if got, err := ParseRef(good.String()); got != good || err != nil || got.Kind() != "repack" {
		t.Errorf("%v, %v", got, err)
	}
	for _, bad := range []string{"", "/", good.Job, good.Job + "/", good.Job + "/..", "../" + good.String(), "repack-42/" + good.Task, good.String() + "/x", strings.ToUpper(good.String())} {
		if r, err := ParseRef(bad); err == nil {
			t.Errorf("%q is %v", bad, r)
		}
	}
}

// Whatever the text of the error that set a task aside, its mark is written and read: a
// task without one would be given out forever.
func TestSetAsideForAnyError(t *testing.T) {
	b := Board{bucket.Memory(), JobName("test", time.Unix(7, 0))}
	for n, text := range []string{"no text: \xff\xfe", strings.Repeat("x", maxWhy-1) + "é", strings.Repeat("\x00", maxMark)} {
		id := strings.Repeat(string(rune('a'+n)), 64)
		if err := b.SetAside(t.Context(), Mark{Task: id, Error: text, Attempts: 4}); err != nil {
			t.Errorf("%.12q: %v", text, err)
		}
		if m, err := b.Aside(t.Context(), id); err != nil || m.Attempts != 4 || m.Error == "" {
			t.Errorf("%.12q: %+v, %v", text, m, err)
		}
	}
}

// Of two coordinators that plan the same job, one is followed by both; of two results
// the first counts; what a task's ID does not name is no task.
func TestBoard(t *testing.T) {
	ctx, in := t.Context(), bucket.Memory()
	b := Board{in, JobName("test", time.Unix(7, 0))}
	if _, err := b.Read(ctx); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("there is no job: %v", err)
	}
	one, err := b.Plan(ctx, []byte("one"))
	must(t, err)
	again, err := b.Plan(ctx, []byte("one"))
	must(t, err)
	two, err := b.Plan(ctx, []byte("two"))
	must(t, err)
	if one != again || one == two {
		t.Errorf("%s, %s, %s", one, again, two)
	}
	job, err := b.Begin(ctx, &Job{Tasks: []string{one, two}, Created: time.Unix(1, 0).UTC()})
	must(t, err)
	other, err := b.Begin(ctx, &Job{Tasks: []string{two}, Created: time.Unix(2, 0).UTC()})
	must(t, err)
	if len(other.Tasks) != 2 || !other.Created.Equal(job.Created) {
		t.Errorf("the second coordinator has %+v", other)
	}
	first, err := b.Finish(ctx, one, []byte("by a"))
	must(t, err)
	second, err := b.Finish(ctx, one, []byte("by b"))
	must(t, err)
	if result, err := b.Result(ctx, one); !first || second || string(result) != "by a" || err != nil {
		t.Errorf("%t, %t, %s, %v", first, second, result, err)
	}
	must(t, b.SetAside(ctx, Mark{Task: two, Error: strings.Repeat("x", maxMark), Attempts: 3}))
	if m, err := b.Aside(ctx, two); err != nil || m.Attempts != 3 || len(m.Error) != maxWhy {
		t.Errorf("%d, %d, %v", m.Attempts, len(m.Error), err)
	}
	s, err := b.State(ctx, job)
	must(t, err)
	if len(s.Left) != 0 || len(s.Done) != 1 || len(s.Aside) != 1 {
		t.Errorf("%+v", s)
	}
	_, err = in.Put(ctx, "work/"+b.Job+"/tasks/"+one+".json", bucket.Bytes([]byte("else")), bucket.Always())
	must(t, err)
	if _, err := b.Task(ctx, one); err == nil || !strings.Contains(err.Error(), "has other bytes") {
		t.Errorf("a task with other bytes: %v", err)
	}
}

// A worker that was late leaves nothing behind in a job that is over.
func TestFinishTooLate(t *testing.T) {
	ctx, in := t.Context(), bucket.Memory()
	b := Board{in, JobName("test", time.Unix(7, 0))}
	one, err := b.Plan(ctx, []byte("one"))
	must(t, err)
	must(t, b.End(ctx, []byte("{}")))
	if first, err := b.Finish(ctx, one, []byte("late")); first || err != nil {
		t.Errorf("%t, %v", first, err)
	}
	for o, err := range in.List(ctx, "work/") {
		if err != nil || !strings.HasSuffix(o.Key, "/done.json") {
			t.Errorf("left over: %s, %v", o.Key, err)
		}
	}
}

// A job that has ended is not resumed, and what a kill has left of it is removed.
func TestOpen(t *testing.T) {
	ctx, in := t.Context(), bucket.Memory()
	if job, err := Open(ctx, in, "test"); len(job) > 0 || err != nil {
		t.Errorf("%q, %v", job, err)
	}
	for n := range int64(3) {
		b := Board{in, JobName("test", time.Unix(n, 0))}
		id, err := b.Plan(ctx, []byte("a task"))
		must(t, err)
		if n == 2 {
			break // cut off before it was a job
		}
		_, err = b.Begin(ctx, &Job{Tasks: []string{id}})
		must(t, err)
	}
	must(t, (&Board{in, JobName("testing", time.Unix(9, 0))}).SetAside(ctx, Mark{Task: strings.Repeat("0a", 32)}))
	if job, err := Open(ctx, in, "test"); !slices.Equal(job, []string{JobName("test", time.Unix(0, 0)), JobName("test", time.Unix(1, 0))}) || err != nil {
		t.Errorf("%q, %v", job, err)
	}
	b := Board{in, JobName("test", time.Unix(1, 0))}
	_, err := in.Put(ctx, b.key("done.json"), bucket.Bytes([]byte("{}")), bucket.Absent()) // and then a kill
	must(t, err)
	if job, err := Open(ctx, in, "test"); !slices.Equal(job, []string{JobName("test", time.Unix(0, 0))}) || err != nil {
		t.Errorf("%q, %v", job, err)
	}
	for o, err := range in.List(ctx, "work/"+b.Job+"/") {
		if err != nil || o.Key != b.key("done.json") {
			t.Errorf("left over: %s, %v", o.Key, err)
		}
	}
}

func FuzzJob(f *testing.F) {
	good, err := json.Marshal(Job{Tasks: []string{strings.Repeat("0a", 32)}})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add(bytes.Replace(good, []byte("0a"), []byte("..")[:2], 1))
	f.Add([]byte(`{"tasks":null}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		j, err := parseJob(data)
		if err != nil {
			return
		}
		for _, id := range j.Tasks {
			if _, err := ParseRef(Ref{JobName("test", time.Unix(1, 0)), id}.String()); err != nil {
				t.Error(err)
			}
		}
	})
}
