package cli

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/bundle"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/simreg"
)

func newBundling(t *testing.T, reg *simreg.Registry) *mirrored {
	m := newMirrored(t, reg)
	m.flags = []string{"-bundle", "-bundles-out", filepath.Join(m.dir, "bundles")}
	return m
}

// smallBundles is the environment that makes a run have several bundles.
var smallBundles = fmt.Sprintf("%s=%d", bundleSize, 20_000)

// completeBundles runs the program undisturbed, which must complete the mirror,
// and again, which must do nothing; every crate is in one bundle then.
func (m *mirrored) completeBundles() {
	m.t.Helper()
	for run := 1; run <= 2; run++ {
		before := m.reg.TotalRequests()
		cmd, out := m.command(smallBundles)
		if err := cmd.Run(); err != nil {
			m.t.Fatalf("run %d after the kill: %v\n%s", run, err, out)
		}
		if n := m.reg.TotalRequests() - before; run == 2 && n > 0 {
			m.t.Errorf("the second run after the kill made %d requests", n)
		}
	}
	count := map[crate.ID]int{}
	entries, err := os.ReadDir(filepath.Join(m.dir, "bundles"))
	if err != nil {
		m.t.Fatal(err)
	}
	for _, e := range entries {
		if strings.HasSuffix(e.Name(), bundle.PartExt) || strings.HasPrefix(e.Name(), ".tmp-") {
			m.t.Errorf("%s is left", e.Name())
		}
		if strings.HasSuffix(e.Name(), bundle.Ext) {
			m.countMembers(filepath.Join(m.dir, "bundles", e.Name()), count)
		}
	}
	for _, id := range m.reg.IDs() {
		if count[id] != 1 {
			m.t.Errorf("%v is in bundles %d times", id, count[id])
		}
	}
	if err := m.check(false); err != nil {
		m.t.Error(err)
	}
}

// countMembers wants every member to be the registry's crate.
func (m *mirrored) countMembers(name string, count map[crate.ID]int) {
	m.t.Helper()
	f, err := os.Open(name)
	if err != nil {
		m.t.Fatal(err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		m.t.Fatal(err)
	}
	r, err := bundle.Open(f, info.Size())
	if err != nil {
		m.t.Fatalf("%s: %v", name, err)
	}
	for member, err := range r.Members() {
		if err != nil {
			m.t.Errorf("%s: %v", name, err)
			continue
		}
		if want, err := m.reg.Checksum(member.ID); err != nil || member.Checksum != want {
			m.t.Errorf("%s: %v is not the crate: %v", name, member.ID, err)
		}
		count[member.ID]++
	}
}

// TestE9KillAtOperations kills the real program while it makes bundles, before
// the n-th operation on its disk, for a sweep of n.
func TestE9KillAtOperations(t *testing.T) {
	step := 30
	if testing.Short() {
		step = 150
	}
	for n := 1; ; n += step {
		m := newBundling(t, parseRegistry(t))
		cmd, out := m.command(smallBundles, fmt.Sprintf("%s=%d", killAt, n))
		err := cmd.Run()
		if err == nil {
			if n < 100 {
				t.Fatalf("a whole run has only %d operations", n)
			}
			return
		}
		if cmd.ProcessState.Exited() {
			t.Fatalf("operation %d: not killed, and yet: %v\n%s", n, err, out)
		}
		m.completeBundles()
	}
}

// TestE9RandomKills is TestC1RandomKills for a run that makes bundles of what
// was a mirror of loose files.
func TestE9RandomKills(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewPCG(seed, 1))
	const perMirror = 10
	for done := 0; done < *kills; done += perMirror {
		m := newBundling(t, simreg.Demo())
		bundles := m.flags
		if done%(2*perMirror) == 0 {
			m.flags = nil
			cmd, out := m.command()
			if err := cmd.Run(); err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			m.flags = bundles
		}
		m.reg.Inject(simreg.All, simreg.Fault{Kind: simreg.Latency, Delay: 5 * time.Millisecond, Times: -1})
		for range min(perMirror, *kills-done) {
			cmd, out := m.command(smallBundles)
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			killed := time.AfterFunc(time.Duration(rnd.Int64N(int64(150*time.Millisecond))), func() { cmd.Process.Kill() })
			err := cmd.Wait()
			killed.Stop()
			if err != nil && cmd.ProcessState.Exited() {
				t.Fatalf("not killed, and yet: %v\n%s", err, out)
			}
		}
		m.reg.Heal()
		m.completeBundles()
	}
}
