package cli

import (
	"errors"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable/durabletest"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/index/indextest"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/program"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/simreg"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/simreg/history"
)

var (
	historyDir   = flag.String("history", filepath.Join("testdata", "history"), "`DIR` with the index of two days, for TestReplay")
	historySteps = flag.Int("steps", 30, "commits of the index from one day to the other, for TestReplay")
)

// TestReplay lets mirrors live through what happened to a part of crates.io in
// 2025, some 30 commits of it or, with -steps, as many as there were days: crates
// and versions are removed, restored, published again with other bytes, yanked and
// changed, and in the middle of it the index loses its history. Some commits are
// mirrored, others are not, and runs are killed. At the end a mirror serves byte
// for byte what one serves that was made on the last day, and has kept what it held
// of all that came and went. "make replay HISTORY=DIR" takes other days. A plain run lives one of
// the lives, by chance.
func TestReplay(t *testing.T) {
	durabletest.Seldom(t, 3)
	indextest.NeedGit(t)
	if testing.Short() {
		t.Skip("lives for half a minute")
	}
	type life struct {
		name   string
		flags  []string
		cloned bool // by hand, with its history, before the first sync
		live   func(*replay)
	}
	for _, tt := range durabletest.Sample(1, []life{
		{"loose", nil, true, (*replay).sync},
		{"bundled", []string{"-bundle"}, false, (*replay).sync},
		{"following", nil, false, (*replay).follow},
		{"following bundled", []string{"-bundle"}, true, (*replay).follow},
		{"never by itself", []string{never}, true, (*replay).sync},
	}) {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := newReplay(t, tt.flags)
			r.begin(tt.cloned)
			tt.live(r)
			r.settle()
			if err := errors.Join(r.asUpstream(), r.fresh().asUpstream(), r.kept()); err != nil {
				t.Error(err)
			}
		})
	}
}

// never waits for a person whenever a version comes back with other bytes.
const never = "-accept-republished=never"

// A replay has a mirror and the upstream that it follows.
type replay struct {
	*mirrored
	rnd      *rand.Rand
	way      *history.History
	up       string // upstream's index
	squash   int    // step at which upstream drops it
	seen     []int  // steps that were mirrored to the end
	accepted map[crate.ID]bool
}

func newReplay(t *testing.T, flags []string) *replay {
	t.Helper()
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := &replay{rnd: rand.New(rand.NewPCG(seed, 1)), accepted: map[crate.ID]bool{}}
	var err error
	r.way, err = history.Read(*historyDir, *historySteps, seed)
	must(t, err)
	r.squash = 1 + r.rnd.IntN(r.way.Steps())
	reg := simreg.New()
	for n := range 100 { // so many crates that a few lost ones are no mishap
		reg.Add(simreg.Version{Name: fmt.Sprintf("still-%d", n), Version: "1.0.0"})
	}
	r.mirrored = newMirrored(t, reg)
	r.flags, r.up = flags, filepath.Join(t.TempDir(), "up.git")
	return r
}

// start starts a sync.
func (r *replay) start(args ...string) *child {
	r.t.Helper()
	return r.on("sync", append(append([]string{"-index-url", r.up, "-crates-base-url", r.server.BaseURL, "-listen", ""}, r.flags...), args...)...)
}

// on starts another command on the mirror.
func (r *replay) on(command string, args ...string) *child {
	r.t.Helper()
	return r.tell(command, append([]string{"-mirror", r.dir, "-out", filepath.Join(r.dir, "out")}, args...)...)
}

// begin mirrors the first day.
func (r *replay) begin(cloned bool) {
	r.t.Helper()
	r.publish(0)
	if cloned {
		must(r.t, exec.Command("git", "clone", "--quiet", "--bare", r.up, filepath.Join(r.dir, "crates.io-index")).Run())
	}
	r.start().want(program.ExitOK)
	r.seen = append(r.seen, 0)
	r.reg.Inject(simreg.All, simreg.Fault{Kind: simreg.Latency, Delay: 10 * time.Millisecond, Times: -1})
}

// publish moves upstream to a step. At one step the index loses its history.
func (r *replay) publish(step int) {
	r.t.Helper()
	r.way.Play(r.reg, step)
	_, err := r.reg.CommitIndex(r.t.Context(), r.up, "Update")
	must(r.t, err)
	if step == r.squash {
		_, err := r.reg.Squash(r.t.Context(), r.up)
		must(r.t, err)
	}
}

// sync mirrors some of the steps, some of them to the end.
func (r *replay) sync() {
	r.t.Helper()
	for step := 1; step <= r.way.Steps(); step++ {
		r.publish(step)
		switch r.rnd.IntN(4) {
		case 0:
			r.complete(step)
		case 1:
			c := r.start("-accept-shrink")
			time.Sleep(r.some(400 * time.Millisecond))
			c.kill()
		}
	}
}

// follow starts runs that follow upstream, one after another, because each is killed.
func (r *replay) follow() {
	r.t.Helper()
	var c *child
	for step := 1; step <= r.way.Steps(); step++ {
		r.publish(step)
		if c == nil {
			c = r.start("-accept-shrink", "-every", "1s")
		}
		switch r.rnd.IntN(8) {
		case 0:
			c.kill()
			c = nil
		case 1:
			time.Sleep(1300 * time.Millisecond)
		default:
			time.Sleep(r.some(100 * time.Millisecond))
		}
	}
	if c != nil {
		c.kill()
	}
}

func (r *replay) some(most time.Duration) time.Duration {
	return time.Duration(r.rnd.Int64N(int64(most)))
}

// complete mirrors a step completely. It returns the versions that the program refuses until
// a user accepts them: those whose removal no run can have seen.
func (r *replay) complete(step int) []crate.ID {
	r.t.Helper()
	c := r.start("-accept-shrink")
	code, refused := c.code(patience), c.refused()
	if want := map[bool]int{true: program.ExitOK, false: program.ExitIntegrity}[len(refused) == 0]; code != want {
		r.t.Fatalf("step %d: exit code %d, want %d with these versions to be accepted by hand: %v\n%s", step, code, want, refused, c.said())
	}
	r.seen = append(r.seen, step)
	for _, id := range refused {
		if r.isSettled(id) {
			old, now := r.republished(id)
			r.t.Errorf("step %d: %v is refused, although it was away from step %d until step %d; the steps %v were mirrored, at step %d history was dropped\n%s",
				step, id, old.To, now.From, r.seen, r.squash, c.said())
		}
	}
	return refused
}

// isSettled reports whether the new bytes of id are accepted without a user.
func (r *replay) isSettled(id crate.ID) bool {
	if r.accepted[id] {
		return true
	}
	old, now := r.republished(id)
	return now == nil || !slices.Contains(r.flags, never) && r.sawNone(old.To, now.From)
}

// republished returns the first and the last bytes of a version that was deleted
// and published again, or nil.
func (r *replay) republished(id crate.ID) (old, now *history.Span) {
	for _, s := range r.way.Spans()[id.Name] {
		switch {
		case s.ID != id:
		case old == nil || old.Sum == s.Sum:
			old = &s
		default:
			now = &s
		}
	}
	return old, now
}

// sawNone reports whether the mirror knows that a version was missing from one step until
// before another: a run saw that, or the first run after it saw that in the history of its
// index.
func (r *replay) sawNone(from, to int) bool {
	if slices.ContainsFunc(r.seen, func(step int) bool { return from <= step && step < to }) {
		return true
	}
	next := slices.IndexFunc(r.seen, func(step int) bool { return to <= step })
	return next >= 0 && (r.squash < to || r.seen[next] < r.squash)
}

// settle completes the mirror, and checks that another run has nothing to do.
func (r *replay) settle() {
	r.t.Helper()
	r.reg.Heal()
	last := r.way.Steps()
	refused := r.complete(last)
	if slices.Contains(r.flags, never) && len(refused) != r.comebacks() {
		r.t.Errorf("%v are refused, want all %d that came back", refused, r.comebacks())
	}
	for _, id := range refused {
		r.accepted[id] = true
		r.on("accept", id.Name, id.Version).want(program.ExitOK)
	}
	for range 2 {
		if refused := r.complete(last); len(refused) > 0 {
			r.t.Fatalf("%v were accepted, and are refused", refused)
		}
	}
	before := r.reg.TotalRequests()
	r.start().want(program.ExitOK)
	if n := r.reg.TotalRequests() - before; n > 0 {
		r.t.Errorf("the mirror is complete, and yet %d requests were made", n)
	}
	r.on("verify", "-restart").want(program.ExitOK)
}

// comebacks returns the number of versions of the first day that have other bytes now.
func (r *replay) comebacks() (n int) {
	for _, spans := range r.way.Spans() {
		for _, s := range spans {
			if _, now := r.republished(s.ID); s.From == 0 && now != nil && now.Sum != s.Sum {
				n++
			}
		}
	}
	return n
}

// fresh makes a mirror on the last day.
func (r *replay) fresh() *replay {
	r.t.Helper()
	there := *r.mirrored
	there.dir = r.t.TempDir()
	fresh := &replay{mirrored: &there, way: r.way, up: r.up}
	fresh.start().want(program.ExitOK)
	fresh.on("verify", "-restart").want(program.ExitOK)
	return fresh
}

// everyCrate returns the names of all crates that upstream ever had.
func (r *replay) everyCrate() []string {
	names := maps.Clone(r.way.Spans())
	for _, id := range r.reg.IDs() {
		names[id.Name] = nil
	}
	return slices.Sorted(maps.Keys(names))
}

// TestReplayNotices: the checks of TestReplay fail for a mirror that has lost bytes, or
// serves what it should not.
func TestReplayNotices(t *testing.T) {
	durabletest.Seldom(t, 3)
	indextest.NeedGit(t)
	r := newReplay(t, []string{"-accept-republished=always"})
	r.begin(false)
	for step := 1; step <= r.way.Steps(); step++ {
		r.publish(step)
	}
	r.settle()
	if err := errors.Join(r.asUpstream(), r.kept()); err != nil {
		t.Fatal(err)
	}
	id := crate.ID{Name: "apple", Version: "0.1.0"}
	old, now := r.republished(id)
	file := func(path string) string { return filepath.Join(r.dir, "out", filepath.FromSlash(path)) }
	current, superseded := file(id.LoosePath()), file(id.RepublishedPath(old.Sum.FileKey()))
	for _, tt := range []struct {
		name, file string
		content    []byte // nil: removed
		ask        func() error
	}{
		{"superseded bytes are removed", superseded, nil, r.kept},
		{"superseded bytes are others", superseded, now.CrateBytes(), r.kept},
		{"the old bytes have the place of the new", current, old.CrateBytes(), r.asUpstream},
		{"the new bytes are removed", current, nil, r.kept},
	} {
		t.Run(tt.name, func(t *testing.T) {
			was, err := os.ReadFile(tt.file)
			must(t, err)
			must(t, os.Remove(tt.file))
			if tt.content != nil {
				must(t, os.WriteFile(tt.file, tt.content, 0o644))
			}
			if err := tt.ask(); err == nil {
				t.Error("nothing is noticed")
			}
			must(t, os.WriteFile(tt.file, was, 0o644))
		})
	}
	r.reg.SetCrate(id.Name, old.Line)
	if err := r.asUpstream(); err == nil {
		t.Error("a line that upstream does not have is served, and nothing is noticed")
	}
}
