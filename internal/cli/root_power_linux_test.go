package cli

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/catalog"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/simreg"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/store/loose"
)

var cuts = flag.Int("cuts", 36, "power cuts of TestRootC3PowerCuts, for each file system")

// Of the file systems that can be cut off: both, for they order what they
// write differently.
var journaled = []string{"ext4", "xfs"}

// C4: exit 0 means durable.
func TestRootC4PowerCutAfterExit0(t *testing.T) {
	needRoot(t)
	for _, kind := range journaled {
		for _, how := range []uint32{flushedLog, unwritten} {
			t.Run(fmt.Sprintf("%s-%d", kind, how), func(t *testing.T) {
				d := newImage(t, t.TempDir(), kind, "")
				m := newMirroredOn(t, simreg.Demo(), d.dir)
				m.want(exitOK, "", nil)
				d.cut(how)
				d.cycle()
				must(t, m.check(true))
				if n := len(m.acknowledged()); n != m.reg.Len() {
					t.Errorf("%d of %d records are left", n, m.reg.Len())
				}
				before := m.reg.TotalRequests()
				m.complete()
				if n := m.reg.TotalRequests() - before; n > 0 {
					t.Errorf("after the power cut %d requests were made again", n)
				}
			})
		}
	}
}

// ordeal is a mirror to which the same thing happens again and again.
type ordeal struct {
	*mirrored
	disk   *disk
	rnd    *rand.Rand
	length time.Duration // of an undisturbed run
	strike func()        // what happens
	args   []string
}

// anywhere is a round at any instant of a run that goes on where the one before
// was struck.
func (o *ordeal) anywhere() {
	o.t.Helper()
	c := o.start("", o.args...)
	time.Sleep(o.some(o.length))
	o.round(c)
}

// aimed is a round at the instant at which the first crates of a new mirror get
// their names. It takes some milliseconds to name them all, and most of what can
// go wrong would go wrong then: the instants of anywhere seldom lie there.
func (o *ordeal) aimed() {
	o.t.Helper()
	must(o.t, errors.Join(os.RemoveAll(filepath.Join(o.dir, "out")), os.RemoveAll(filepath.Join(o.dir, "manifest.jsonl"))))
	c := o.start("", o.args...)
	o.waitForFirstName(c)
	if o.rnd.IntN(2) == 0 {
		time.Sleep(o.some(20 * time.Millisecond))
	}
	o.round(c)
}

func (o *ordeal) some(most time.Duration) time.Duration {
	return time.Duration(o.rnd.Int64N(int64(most)))
}

// round lets strike happen now, and looks at what it has left.
func (o *ordeal) round(c *child) {
	o.t.Helper()
	before := o.acknowledged()
	o.strike()
	select {
	case <-c.ended:
	case <-time.After(10 * time.Millisecond): // does it claim something yet?
	}
	c.kill()
	o.disk.cycle()
	o.sound()
	o.holds("before it happened, the manifest", before)
	o.holds("the manifest", o.acknowledged())
	o.holds("the catalog", o.catalogued())
	if c.cmd.ProcessState.Success() {
		if err := o.check(true); err != nil {
			o.t.Errorf("the run ended with exit code 0: %v", err)
		}
	}
	if o.t.Failed() {
		o.t.FailNow() // with the mirror as it is
	}
}

// waitForFirstName waits until there is a folder of crates in the mirror, or the
// run has ended.
func (o *ordeal) waitForFirstName(c *child) {
	for {
		entries, _ := os.ReadDir(filepath.Join(o.dir, "out"))
		for _, e := range entries {
			if e.Name() != loose.StateDir {
				return
			}
		}
		select {
		case <-c.ended:
			return
		case <-time.After(100 * time.Microsecond):
		}
	}
}

// catalogued returns the versions that the catalog has as loose files.
func (o *ordeal) catalogued() []crate.ID {
	o.t.Helper()
	cat, err := catalog.OpenReadOnly(catalogPath(filepath.Join(o.dir, "out")))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	must(o.t, err)
	defer cat.Close()
	var ids []crate.ID
	seen := map[string]bool{}
	for _, id := range o.reg.IDs() {
		if seen[id.Name] {
			continue
		}
		seen[id.Name] = true
		rows, err := cat.Versions(context.Background(), id.Name)
		must(o.t, err)
		for _, v := range rows {
			ids = append(ids, v.ID)
		}
	}
	return ids
}

// suffer is rounds of an ordeal, on a new disk after every few: half of them
// aimed. Some of the disks see runs long enough for a commit in the middle.
func suffer(t *testing.T, kind string, rounds int, strike func(d *disk, rnd *rand.Rand)) {
	const perDisk = 6
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewPCG(seed, 3))
	for done := 0; done < rounds; done += perDisk {
		t.Run(fmt.Sprint(done), func(t *testing.T) {
			d := newImage(t, t.TempDir(), kind, "")
			m := newMirroredOn(t, simreg.Demo(), d.dir)
			o := &ordeal{mirrored: m, disk: d, rnd: rnd, length: 400 * time.Millisecond, strike: func() { strike(d, rnd) }}
			m.slow(5 * time.Millisecond)
			switch done / perDisk % 4 {
			case 1:
				o.args = []string{"-durability", "file"}
			case 3:
				m.reg.Heal()
				m.slow(60 * time.Millisecond)
				o.args, o.length = []string{"-concurrency", "8"}, 2*time.Second
			}
			for round := range min(perDisk, rounds-done) {
				if round < perDisk/2 {
					o.aimed()
				} else {
					o.anywhere()
				}
			}
			m.reg.Heal()
			m.complete()
		})
	}
}

// C3, C5, C6: a power cut at any instant, also while the run after a power cut
// is at work.
func TestRootC3PowerCuts(t *testing.T) {
	needRoot(t)
	for _, kind := range journaled {
		t.Run(kind, func(t *testing.T) {
			suffer(t, kind, *cuts, func(d *disk, rnd *rand.Rand) {
				d.cut(flushedLog + uint32(rnd.IntN(2)))
			})
		})
	}
}

// C1 on a real disk instead of what the temporary files are on.
func TestRootC1RandomKillsOnExt4(t *testing.T) {
	needRoot(t)
	suffer(t, "ext4", 30, func(*disk, *rand.Rand) {}) // a round ends with a kill
}

// C12: the mirror's disk fails for good before the first crate is written to
// it, while what is written elsewhere goes well. The run must not fetch the
// registry for nothing.
func TestRootC12DeadDisk(t *testing.T) {
	d := newImage(t, t.TempDir(), "ext4", "")
	m := newMirroredOn(t, simreg.Demo(), d.dir)
	m.slow(200 * time.Millisecond)
	elsewhere := filepath.Join(t.TempDir(), "manifest.jsonl")
	c := m.start("", "-concurrency", "4", "-manifest", elsewhere)
	m.waitForRequests(1)
	d.cut(unwritten)
	c.want(exitFailure, "input/output error")
	if n := m.reg.TotalRequests(); n > 50 {
		t.Errorf("the disk was dead after the first request, and yet %d were made", n)
	}
	d.cycle()
	m.reg.Heal()
	m.sound()
	m.complete()
}
