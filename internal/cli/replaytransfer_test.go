package cli

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable/durabletest"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/index/indextest"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/program"
)

// TestReplayTransfers lets a mirror live through what TestReplay does, and carries it
// across an air gap in three steps, or six; then what is behind the gap serves byte for byte what
// upstream has, as a mirror does that is made on that day, and keeps the same days.
func TestReplayTransfers(t *testing.T) {
	durabletest.Seldom(t, 3)
	indextest.NeedGit(t)
	if testing.Short() {
		t.Skip("lives for some seconds")
	}
	r := newReplay(t, nil)
	r.begin(false)
	r.reg.Heal()
	there := *r.mirrored
	there.dir = t.TempDir()
	far := &replay{mirrored: &there, way: r.way, up: r.up}
	steps := 6
	if !*durabletest.Thorough {
		steps = 3
	}
	since := "-full"
	for i, step := 0, 0; i < steps; i++ {
		for ; step < i*r.way.Steps()/(steps-1); step++ {
			r.publish(step + 1)
		}
		if i > 0 {
			r.flags = [][]string{{always}, {always, "-bundle"}}[i%2]
			r.complete(step)
		}
		medium := filepath.Join(t.TempDir(), fmt.Sprint(i))
		r.on("export", "-to", medium, since).want(program.ExitOK)
		since = "-since=last"
		far.on("import", "-from", medium, "-unsigned", "-accept-shrink").want(program.ExitOK)
		if err := far.asUpstream(); err != nil {
			t.Errorf("step %d: %v", step, err)
		}
		if near, now := r.days(), far.days(); near != now {
			t.Errorf("step %d: the days are\n%s, want\n%s", step, now, near)
		}
	}
	far.on("verify", "-restart").want(program.ExitOK)
}

// always takes a version that comes back with other bytes.
const always = "-accept-republished=always"

// days are the days that the index keeps.
func (r *replay) days() string {
	out, err := exec.Command("git", "--git-dir", filepath.Join(r.dir, "crates.io-index"), "for-each-ref", "refs/clonecratesio/days").Output()
	must(r.t, err)
	return string(out)
}

// TestC1KillTransfers kills the real programs on both sides of a gap before the n-th
// operation on their disks, for a sweep of n; each run finds what the ones before it left.
// At the end all is there.
func TestC1KillTransfers(t *testing.T) {
	durabletest.Seldom(t, 3)
	indextest.NeedGit(t)
	r := newReplay(t, []string{"-bundle"})
	r.begin(false)
	r.reg.Heal()
	there := *r.mirrored
	there.dir = t.TempDir()
	far := &replay{mirrored: &there, way: r.way, up: r.up}
	medium := t.TempDir()
	step := 29
	if testing.Short() {
		step = 97
	}
	for _, args := range [][]string{
		{"export", "-to", medium, "-full", "-parity", "5%", "-mirror", r.dir, "-out", filepath.Join(r.dir, "out")},
		{"import", "-from", medium, "-unsigned", "-mirror", far.dir, "-out", filepath.Join(far.dir, "out")},
	} {
		for n := 2; ; n += step {
			cmd := exec.Command("clonecratesio", args...)
			cmd.Env = append(os.Environ(), fmt.Sprintf("%s=%d", killAt, n))
			out, err := cmd.CombinedOutput()
			if err == nil {
				break
			}
			if cmd.ProcessState.Exited() {
				t.Fatalf("%s, operation %d: not killed, and yet: %v\n%s", args[0], n, err, out)
			}
		}
	}
	if err := far.asUpstream(); err != nil {
		t.Error(err)
	}
	far.on("import", "-from", medium, "-unsigned").want(program.ExitOK)
	far.on("verify", "-restart").want(program.ExitOK)
}
