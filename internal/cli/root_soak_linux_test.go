package cli

import (
	"errors"
	"flag"
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
	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/simreg"
)

var soakFor = flag.Duration("soak", 0, "how long TestRootSoak lasts; 0 skips it")

// TestRootSoak is everything at random, one thing after the other, on mirrors
// that live on: runs are killed, the power is cut, the disk is filled, upstream
// vanishes or misbehaves, bits flip, the catalog is lost, the registry grows, a
// loose mirror becomes one of bundles. Whatever happens, nothing that was
// acknowledged is ever fetched again unless it was damaged on purpose, and every
// few rounds an undisturbed run completes the mirror and everything in it is
// hashed. "make soak" does it for half an hour.
func TestRootSoak(t *testing.T) {
	needRoot(t)
	if *soakFor == 0 {
		t.Skip("takes as long as -soak says")
	}
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	var sum tally
	end := time.Now().Add(*soakFor)
	for life := 0; time.Now().Before(end) && !t.Failed(); life++ {
		t.Run(fmt.Sprint(life), func(t *testing.T) {
			s := newSoak(t, rand.New(rand.NewPCG(seed, uint64(life))), journaled[life%2], &sum)
			for round := 0; round < 12 && time.Now().Before(end) && !t.Failed(); round++ {
				s.round()
			}
			s.settle()
		})
	}
	t.Logf("%d power cuts, %d kills, %d full disks, %d outages, %d flips, %d lost catalogs, %d requests that went wrong; %d runs, %d versions checked, lost: %d",
		sum.cuts, sum.kills, sum.fills, sum.outages, sum.flips, sum.forgotten, sum.faults, sum.runs, sum.checked, sum.lost)
	if sum.lost > 0 || sum.checked == 0 {
		t.Error("see above")
	}
}

// tally is what a soak has done.
type tally struct{ cuts, kills, fills, outages, flips, forgotten, faults, runs, checked, lost int }

// soak is one mirror and what is known of it.
type soak struct {
	*mirrored
	rnd     *rand.Rand
	disk    *disk
	sum     *tally
	index   string
	held    map[crate.ID]int // acknowledged, and the requests that were made for it until then
	bundles bool             // it makes bundles by now
	next    int              // number of the next crate
	brief   []simreg.Kind
	faults  int // injected by now
}

func newSoak(t *testing.T, rnd *rand.Rand, kind string, sum *tally) *soak {
	d := newImage(t, t.TempDir(), kind, "")
	s := &soak{mirrored: newMirroredOn(t, simreg.Demo(), d.dir), rnd: rnd, disk: d, sum: sum, held: map[crate.ID]int{}, brief: simreg.Brief()}
	s.slow(time.Duration(1+rnd.IntN(8)) * time.Millisecond)
	s.flags = []string{"-bundles-out", filepath.Join(s.dir, "bundles")}
	var err error
	s.index, err = filepath.EvalSymlinks(filepath.Join(s.dir, "index"))
	must(t, err)
	return s
}

// round is one run and something that happens to it.
func (s *soak) round() {
	s.t.Helper()
	s.grow()
	if !s.bundles && s.rnd.IntN(4) == 0 {
		s.bundles = true
		s.flags = append(s.flags, "-bundle")
	}
	if s.rnd.IntN(2) == 0 {
		s.reg.Chaos(s.rnd.Uint64(), 0.3, s.brief...)
	}
	[]func(){s.killed, s.killed, s.cutOff, s.cutOff, s.full, s.outage, s.flip, s.forget, s.settle}[s.rnd.IntN(9)]()
}

// grow publishes some versions, and yanks one.
func (s *soak) grow() {
	var text strings.Builder
	for range s.rnd.IntN(20) {
		fmt.Fprintf(&text, "soaked-%d 1.0.%d\n", s.next%40, s.next/40)
		s.next++
	}
	if text.Len() == 0 {
		return
	}
	s.reg.Add(simreg.MustParse(text.String())...)
	ids := s.reg.IDs()
	s.reg.Yank(ids[s.rnd.IntN(len(ids))], s.rnd.IntN(2) == 0)
	must(s.t, s.reg.WriteIndex(s.index))
}

// run starts the program, with bundles of which there are many.
func (s *soak) run() *child {
	s.t.Helper()
	s.sum.runs++
	cmd, out := s.command(smallBundles)
	return begin(s.t, cmd, out)
}

// tell starts another command of the program on the mirror.
func (s *soak) tell(command string, args ...string) *child {
	s.t.Helper()
	s.sum.runs++
	cmd := exec.Command("clonecratesio", append([]string{command, "-mirror", s.dir, "-out", filepath.Join(s.dir, "out"), "-index-dir", s.index}, args...)...)
	cmd.Env = append(os.Environ(), smallBundles)
	out := new(strings.Builder)
	cmd.Stdout, cmd.Stderr = out, out
	return begin(s.t, cmd, out)
}

func (s *soak) somewhere() { time.Sleep(time.Duration(s.rnd.Int64N(int64(700 * time.Millisecond)))) }

// after notes what was acknowledged by now, and wants nothing of what was
// acknowledged earlier to have been fetched again.
func (s *soak) after() {
	s.t.Helper()
	for id, requests := range s.held {
		if n := s.reg.Requests(id); n > requests {
			s.sum.lost++
			s.t.Errorf("%v was held and is fetched again", id)
			s.held[id] = n
		}
	}
	for _, id := range s.acknowledged() {
		s.held[id] = s.reg.Requests(id)
	}
	s.sound()
}

func (s *soak) killed() {
	s.t.Helper()
	c := s.run()
	s.somewhere()
	c.kill()
	s.sum.kills++
	s.after()
}

func (s *soak) cutOff() {
	s.t.Helper()
	c := s.run()
	s.somewhere()
	s.disk.cut(flushedLog + uint32(s.rnd.IntN(2)))
	c.kill()
	s.disk.cycle()
	s.sum.cuts++
	s.after()
}

func (s *soak) full() {
	s.t.Helper()
	c := s.run()
	s.somewhere()
	rest := filepath.Join(s.dir, "rest")
	must(s.t, fill(rest))
	if code := c.code(patience); code != exitNoSpace && code != exitOK {
		s.t.Errorf("exit code %d on a full disk\n%s", code, c.said())
	}
	must(s.t, os.Remove(rest))
	s.sum.fills++
	s.after()
}

func (s *soak) outage() {
	s.t.Helper()
	c := s.run()
	s.somewhere()
	s.server.Down()
	s.somewhere()
	c.kill()
	must(s.t, s.server.Up())
	s.sum.outages++
	s.after()
}

// forget loses the catalog: everything is found again by hashing.
func (s *soak) forget() {
	s.t.Helper()
	s.settle()
	for _, ext := range []string{"", "-wal", "-shm"} {
		if err := os.Remove(catalogPath(filepath.Join(s.dir, "out")) + ext); err != nil && !errors.Is(err, fs.ErrNotExist) {
			s.t.Fatal(err)
		}
	}
	s.sum.forgotten++
	s.killed()
	s.settle()
}

// flip changes a bit of a file of the mirror. It is found, and repaired.
func (s *soak) flip() {
	s.t.Helper()
	s.settle()
	file, loose := s.anyFile()
	f, err := os.OpenFile(file, os.O_RDWR, 0)
	must(s.t, err)
	info, err := f.Stat()
	must(s.t, err)
	var b [1]byte
	at := s.rnd.Int64N(info.Size())
	_, err = f.ReadAt(b[:], at)
	must(s.t, err)
	b[0] ^= 1 << s.rnd.IntN(8)
	_, err = f.WriteAt(b[:], at)
	must(s.t, errors.Join(err, f.Close()))
	s.sum.flips++

	c := s.tell("verify", "-restart")
	code := c.code(patience)
	if code != exitIntegrity && (loose || code != exitOK) {
		s.t.Errorf("a bit of %s was flipped at %d, and verify exits %d\n%s", file, at, code, c.said())
	}
	if code == exitIntegrity {
		s.held = map[crate.ID]int{} // what was damaged is fetched
		c := s.tell("verify", "-repair", "-crates-base-url", s.server.BaseURL)
		c.code(patience)
		must(s.t, os.RemoveAll(filepath.Join(s.dir, "out", "quarantine")))
	}
	s.settle()
}

// anyFile returns one of the mirror's crates or bundles.
func (s *soak) anyFile() (name string, loose bool) {
	s.t.Helper()
	var files []string
	err := filepath.WalkDir(s.dir, func(name string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() && (strings.HasSuffix(name, crate.Ext) || strings.HasSuffix(name, bundle.Ext)) {
			files = append(files, name)
		}
		return err
	})
	must(s.t, err)
	if len(files) == 0 {
		s.t.Fatal("the mirror is empty")
	}
	name = files[s.rnd.IntN(len(files))]
	return name, strings.HasSuffix(name, crate.Ext)
}

// settle lets upstream be well: one run completes the mirror, the next has
// nothing to do, and all that is held is hashed.
func (s *soak) settle() {
	s.t.Helper()
	s.sum.faults -= s.faults
	s.faults = 0
	for _, k := range s.brief {
		s.faults += s.reg.Injected(k)
	}
	s.sum.faults += s.faults
	s.reg.Heal()
	s.run().want(exitOK)
	s.after()
	before := s.reg.TotalRequests()
	s.run().want(exitOK)
	if n := s.reg.TotalRequests() - before; n > 0 {
		s.t.Errorf("the mirror is complete, and yet %d requests were made", n)
	}
	c := s.tell("verify", "-restart")
	c.want(exitOK, count(int64(s.reg.Len()))+" versions hashed")
	s.after()
	if len(s.held) != s.reg.Len() {
		s.t.Errorf("%d versions are recorded, want %d", len(s.held), s.reg.Len())
	}
	s.sum.checked += s.reg.Len()
}
