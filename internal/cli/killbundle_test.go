package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/bundle"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/catalog"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable/durabletest"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/simreg"
)

func newBundling(t *testing.T, reg *simreg.Registry) *mirrored {
	m := newMirrored(t, reg)
	m.flags = []string{"-bundle", "-bundles-out", filepath.Join(m.dir, "bundles")}
	return m
}

// smallBundles is the environment that makes a run have several bundles.
var smallBundles = fmt.Sprintf("%s=%d", bundleSize, 20_000)

// completeBundles runs the program twice, undisturbed. The first run must complete the
// mirror, and the second must do nothing. Then every crate must be in exactly one bundle.
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
			checkStockTools(m.t, filepath.Join(m.dir, "bundles", e.Name()))
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

// checkStockTools checks that the installed standard tools can read a bundle.
func checkStockTools(t *testing.T, name string) {
	t.Helper()
	for _, args := range [][]string{{"zstd", "-qt", name}, {"tar", "--zstd", "-tf", name}, {"bsdtar", "-tf", name}} {
		if _, err := exec.LookPath("zstd"); err != nil { // tar needs it too
			t.Log("zstd is not installed")
			return
		}
		if _, err := exec.LookPath(args[0]); err != nil {
			continue
		}
		if out, err := exec.Command(args[0], args[1:]...).CombinedOutput(); err != nil {
			t.Errorf("%s: %v\n%s", strings.Join(args, " "), err, out)
		}
	}
}

// countMembers checks that every member is the registry's crate.
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
	durabletest.Seldom(t, 3)
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
	durabletest.Seldom(t, 3)
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

// openCatalogToRead opens a catalog as every reader does. Errors: fs.ErrNotExist.
func openCatalogToRead(path string) (catalog.Live, error) {
	follower, err := catalog.Follow(context.Background(), path)
	if err != nil {
		return catalog.Live{}, err
	}
	live := catalog.Live{Follower: follower}
	_, err = live.Revision(context.Background())
	return live, err
}

// recorded returns how often each crate that the catalog has was requested.
func (m *mirrored) recorded() map[crate.ID]int {
	m.t.Helper()
	requests := map[crate.ID]int{}
	cat, err := openCatalogToRead(m.home().Catalog())
	if errors.Is(err, fs.ErrNotExist) {
		return requests
	}
	if err != nil {
		m.t.Fatal(err)
	}
	defer cat.Close()
	for _, id := range m.reg.IDs() {
		held, err := cat.Versions(context.Background(), id.Name)
		if err != nil {
			m.t.Fatal(err)
		}
		for _, v := range held {
			if v.ID == id {
				requests[id] = m.reg.Requests(id)
			}
		}
	}
	return requests
}

// TestThreeKillsAndAnUpdate kills the real program three times while it makes bundles, with
// an update of the index in between. At the end every crate is in exactly one bundle, and no
// crate was requested again after it was recorded.
func TestThreeKillsAndAnUpdate(t *testing.T) {
	durabletest.Seldom(t, 3)
	if testing.Short() {
		t.Skip("runs for some seconds, so that there are commits between the kills")
	}
	m := newBundling(t, simreg.Demo())
	m.flags = append(m.flags, "-concurrency", "4")
	slow := simreg.Fault{Kind: simreg.Latency, Delay: 40 * time.Millisecond, Times: -1} // 3 s in all
	m.reg.Inject(simreg.All, slow)
	for kill := 1; kill <= 3; kill++ {
		before := m.recorded()
		cmd, out := m.command(smallBundles)
		if err := os.Remove(filepath.Join(m.dir, "manifest.jsonl")); err != nil && !errors.Is(err, fs.ErrNotExist) {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		go m.killOnceRecorded(cmd.Process)
		if err := cmd.Wait(); err != nil && cmd.ProcessState.Exited() {
			t.Fatalf("not killed, and yet: %v\n%s", err, out)
		}
		m.wantNoMoreRequests(before)
		if n := len(m.recorded()); n <= len(before) && n < m.reg.Len() {
			t.Errorf("kill %d came before anything was recorded, %d were before", kill, n)
		}
		if kill == 2 {
			m.reg.Add(simreg.MustParse("zz-new 0.1.0\nzz-new 0.2.0")...)
			if err := m.reg.WriteIndex(filepath.Join(m.dir, "index")); err != nil {
				t.Fatal(err)
			}
		}
	}
	before := m.recorded()
	m.reg.Heal()
	m.completeBundles()
	m.wantNoMoreRequests(before)
}

// killOnceRecorded kills a run as soon as its manifest records a download. The catalog
// records it earlier.
func (m *mirrored) killOnceRecorded(p *os.Process) {
	for range 6000 {
		data, err := os.ReadFile(filepath.Join(m.dir, "manifest.jsonl"))
		if err == nil && bytes.Contains(data, []byte(`"status":"downloaded"`)) {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	p.Kill()
}

func (m *mirrored) wantNoMoreRequests(before map[crate.ID]int) {
	m.t.Helper()
	for id, n := range before {
		if now := m.reg.Requests(id); now != n {
			m.t.Errorf("%v was recorded, and was requested %d times more", id, now-n)
		}
	}
}
