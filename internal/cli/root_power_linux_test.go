package cli

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"testing"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/program"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/simreg"
)

var cuts = flag.Int("cuts", 160, "power cuts of TestRootC3PowerCuts, for each file system")

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
				m.want(program.ExitOK, "", nil)
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

// suffer is rounds of every life, on a new disk after every few.
func suffer(t *testing.T, kind string, rounds int, strike func(d *disk, rnd *rand.Rand)) {
	const perDisk = 10
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	list := lives()
	for n, done := 0, 0; done < rounds; n, done = n+1, done+perDisk {
		l, rnd := list[n%len(list)], rand.New(rand.NewPCG(seed, uint64(n)))
		t.Run(fmt.Sprintf("%s/%d", l.name, n/len(list)), func(t *testing.T) {
			t.Parallel()
			d := newImage(t, t.TempDir(), kind, "")
			m := newMirroredOn(t, simreg.Demo(), d.dir)
			o := &ordeal{mirrored: m, life: l, disk: d, rnd: rnd, strike: func() { strike(d, rnd) }}
			for round := range min(perDisk, rounds-done) {
				if round%2 == 0 {
					o.aimed()
				} else {
					o.anywhere()
				}
			}
			o.reg.Heal()
			l.end(o)
		})
	}
}

// C3, C5, C6, E9, F12: a power cut at any instant of any life, also while the run
// after a power cut is at work.
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
	suffer(t, "ext4", 70, func(*disk, *rand.Rand) {}) // a round ends with a kill
}

// C12: the mirror's disk fails permanently before the first crate is written to it, while
// writes elsewhere succeed. The run must not fetch the registry for nothing.
func TestRootC12DeadDisk(t *testing.T) {
	d := newImage(t, t.TempDir(), "ext4", "")
	m := newMirroredOn(t, simreg.Demo(), d.dir)
	m.slow(200 * time.Millisecond)
	elsewhere := filepath.Join(t.TempDir(), "manifest.jsonl")
	c := m.start("", "-concurrency", "4", "-manifest", elsewhere)
	m.waitForRequests(1)
	d.cut(unwritten)
	c.want(program.ExitFailure, "input/output error")
	if n := m.reg.TotalRequests(); n > 50 {
		t.Errorf("the disk was dead after the first request, and yet %d were made", n)
	}
	d.cycle()
	m.reg.Heal()
	m.sound()
	m.complete()
}
