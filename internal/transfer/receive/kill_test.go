package receive

import (
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"path"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable/durabletest"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/home"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/transfer/send"
)

// A death is the end of a process at its n-th operation on any disk: nothing works from
// then on. With full, it is the disk's end: what is written is refused.
type death struct {
	at   int64
	full bool
	ops  atomic.Int64
	last atomic.Value // operation that failed first
}

// sample: of so many operations one is tried, unless all are: -thorough. An import has
// about 130.
const sample = 100

// most is the last operation that is tried.
func most() int64 {
	if *durabletest.Thorough {
		return math.MaxInt64
	}
	return sample
}

var errDead = errors.New("the process is dead")

func (d *death) wrap(fsys durable.FS) durable.FS {
	return durabletest.Hook(fsys, func(op durabletest.Op) durabletest.Fault {
		n := d.ops.Add(1)
		switch {
		case d.at == 0 || n < d.at:
			return durabletest.Fault{}
		case n == d.at:
			d.last.Store(op.String())
		}
		if d.full {
			return durabletest.Fault{Err: durable.ErrNoSpace, Persisted: true}
		}
		return durabletest.Fault{Err: errDead}
	})
}

// TestKillTaking: a process that takes a transfer dies, or its disk is full, at every
// operation. The mirror shows what it did before, or all that came; the next run completes
// it, whatever was left.
func TestKillTaking(t *testing.T) {
	dear(t)
	w := newWorld(t)
	first, medium := filepath.Join(w.dir, "first"), filepath.Join(w.dir, "medium")
	w.export(first, full)
	w.take(first)
	w.publish(true, many("a", 3)...)
	w.publish(false, many("b", 3)...)
	w.export(medium, func(cfg *send.Config) { cfg.Parity = 5 })
	before, after := shows(t, w.far), shows(t, w.near)
	far := w.far
	modes := []bool{false, true}
	if !*durabletest.Thorough {
		modes = modes[rand.IntN(2):][:1]
	}
	for _, full := range modes {
		begin, step := durabletest.Every(sample, nil)
		for n, ended := int64(begin+1), false; !ended && n <= most(); n += int64(step) {
			dir := t.TempDir()
			w.far = dirsIn(dir, "far")
			must(t, os.CopyFS(w.far.Root, os.DirFS(far.Root)))
			d := &death{at: n, full: full}
			cfg := w.config(medium)
			cfg.Home.Disk = d.wrap
			_, err := Run(t.Context(), cfg)
			if ended = err == nil; ended && !full && d.ops.Load() >= n {
				t.Errorf("operation %d of %d, %v, fails, and nothing is told", n, d.ops.Load(), d.last.Load())
			}
			if full && err != nil && !errors.Is(err, durable.ErrNoSpace) {
				t.Errorf("operation %d, the disk is full: %v", n, err)
			}
			if got := shows(t, w.far); got != before && got != after {
				t.Errorf("operation %d (-before +now):\n%s", n, cmp.Diff(before, got))
			}
			res, err := Run(t.Context(), w.config(medium))
			if err != nil || shows(t, w.far) != after || len(res.Taken) == 1 && !res.Same {
				t.Fatalf("operation %d, and once more: %+v, %v\n%s", n, res, err, cmp.Diff(after, shows(t, w.far)))
			}
			if left, _ := filepath.Glob(filepath.Join(w.far.Bundles, arriving, "*", "*")); len(left) > 0 {
				t.Errorf("operation %d: left behind: %v", n, left)
			}
		}
	}
	w.far = far
}

// TestKillBack: so it is with the way back.
func TestKillBack(t *testing.T) {
	dear(t)
	w := newWorld(t)
	first, medium := filepath.Join(w.dir, "first"), filepath.Join(w.dir, "medium")
	w.export(first, full)
	w.take(first)
	before := shows(t, w.far)
	w.publish(true, many("a", 3)...)
	w.export(medium, nil)
	w.take(medium)
	far, after := w.far, shows(t, w.far)
	begin, step := durabletest.Every(sample/4, nil)
	for n, ended := int64(begin+1), false; !ended && n <= most()/4; n += int64(step) {
		w.far = dirsIn(t.TempDir(), "far")
		must(t, os.CopyFS(w.far.Root, os.DirFS(far.Root)))
		cfg := w.config()
		cfg.Home.Disk = (&death{at: n}).wrap
		_, err := Back(t.Context(), cfg)
		ended = err == nil
		if got := shows(t, w.far); got != before && got != after {
			t.Errorf("operation %d (-before +now):\n%s", n, cmp.Diff(before, got))
		}
		if _, err := Back(t.Context(), w.config()); err != nil && !errors.As(err, new(*NoWayError)) || shows(t, w.far) != before {
			t.Errorf("operation %d, and once more: %v\n%s", n, err, cmp.Diff(before, shows(t, w.far)))
		}
		w.take(medium)
		if got := shows(t, w.far); got != after {
			t.Errorf("operation %d, taken again:\n%s", n, cmp.Diff(after, got))
		}
	}
	w.far = far
}

// TestKillSending: a process that makes a transfer dies, or the power is cut, at every
// operation. The next run makes the same files as one that was not disturbed, and until
// then there is no manifest, or all of it is there.
func TestKillSending(t *testing.T) {
	for name, change := range map[string]func(*send.Config){
		"volumes": func(cfg *send.Config) { cfg.Volume = 64 << 10 },
		"parity":  func(cfg *send.Config) { cfg.Volume, cfg.Parity = 1<<20, 5 },
	} {
		t.Run(name, func(t *testing.T) { killSending(t, change) })
	}
}

func killSending(t *testing.T, change func(*send.Config)) {
	w := newWorld(t)
	w.publish(true, many("a", 12)...)
	w.publish(false, many("b", 12)...)
	mirror, err := home.OpenReader(t.Context(), &w.near)
	must(t, err)
	defer mirror.Close()
	run := func(sent, out durable.FS) error {
		cfg := send.Config{
			Mirror: mirror, Dirs: &w.near, Sent: sent, Out: func() (durable.FS, error) { return keepOpen{out}, nil },
			Log: homeConfig(w.near, nil).Log,
		}
		change(&cfg)
		_, err := send.Run(t.Context(), cfg)
		return err
	}
	want := "" // what the transfer is that was not disturbed, but for the line that it chose
	sent, out := durabletest.NewMem(), durabletest.NewMem()
	n, checked := 0, 0
	rnd := rand.New(rand.NewPCG(1, 2))
	first, step := durabletest.Every(41, rnd)
	type state struct {
		at        string
		sent, out *durabletest.Mem
	}
	var states []state
	hook := func(op durabletest.Op) durabletest.Fault {
		if n++; n%step == first {
			at := fmt.Sprintf("operation %d, %v", n, op)
			states = append(states, state{at + " (kill)", sent.Kill(), out.Kill()}, state{at + " (power cut)", sent.Crash(rnd), out.Crash(rnd)})
		}
		return durabletest.Fault{}
	}
	must(t, run(durabletest.Hook(sent, hook), durabletest.Hook(out, hook)))
	want = contents(t, out)
	for _, s := range states {
		checked++
		if _, err := s.sent.Stat("pending/plan.json"); err != nil {
			if _, err := s.sent.Stat("points.jsonl"); err != nil {
				continue // it begins again, with a name of its own
			}
			if got := contents(t, s.out); got != want {
				t.Errorf("%s: it is said to be sent, and is\n%s", s.at, cmp.Diff(want, got))
			}
			continue
		}
		if err := run(s.sent, s.out); err != nil {
			t.Errorf("%s: %v", s.at, err)
		} else if got := contents(t, s.out); got != want {
			t.Errorf("%s (-want +got):\n%s", s.at, cmp.Diff(want, got))
		}
	}
	if least := n / step; checked < 2*least {
		t.Errorf("%d of %d states were checked", checked, 2*least)
	}
}

// keepOpen is a folder that is still there after Close.
type keepOpen struct{ durable.FS }

func (keepOpen) Close() error { return nil }

// contents is all files of a folder with their checksums.
func contents(t *testing.T, fsys durable.FS) string {
	t.Helper()
	var b strings.Builder
	var walk func(dir string)
	walk = func(dir string) {
		entries, err := fsys.ReadDir(dir)
		must(t, err)
		for _, e := range entries {
			name := path.Join(dir, e.Name())
			if e.IsDir() {
				walk(name)
				continue
			}
			f, err := fsys.Open(name)
			must(t, err)
			sum, size, err := crate.Hash(io.Reader(f))
			must(t, errors.Join(err, f.Close()))
			fmt.Fprintln(&b, name, size, sum)
		}
	}
	walk(".")
	return b.String()
}
