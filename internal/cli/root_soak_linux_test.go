package cli

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/bundle"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/catalog"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/program"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/simreg"
)

var (
	soakFor  = flag.Duration("soak", 0, "how long TestRootSoak lasts; 0 skips it")
	soakSeed = flag.Uint64("soak-seed", 0, "of an earlier TestRootSoak, to have much of it again; 0: another each time")
	soakLife = flag.Int("soak-life", 0, "first mirror of TestRootSoak")
)

// TestRootSoak is everything at random, one thing after the other, on mirrors
// that live on: runs, verifications, repairs and extractions are killed, the power
// is cut, the disk is filled, upstream vanishes or misbehaves, bits flip, the
// catalog is lost, the registry grows, versions and crates are removed, restored and
// published again with other bytes, loose files become bundles. Whatever
// happens, nothing that was acknowledged is ever lost or fetched again unless it
// was damaged on purpose; a server beside it all answers 200 with nothing but the
// crates that its index names; and every few rounds an undisturbed run completes the
// mirror and everything in it is hashed. "make soak" does it for half an hour.
func TestRootSoak(t *testing.T) {
	needRoot(t)
	if *soakFor == 0 {
		t.Skip("takes as long as -soak says")
	}
	seed := cmp.Or(*soakSeed, rand.Uint64())
	t.Logf("seed %d", seed)
	var sum tally
	end := time.Now().Add(*soakFor)
	for life := *soakLife; time.Now().Before(end) && !t.Failed(); life++ {
		t.Run(fmt.Sprint(life), func(t *testing.T) {
			s := newSoak(t, rand.New(rand.NewPCG(seed, uint64(life))), journaled[life%2], &sum)
			for round := 0; round < 12 && time.Now().Before(end) && !t.Failed(); round++ {
				s.round()
			}
			s.settle()
		})
	}
	t.Logf("%d power cuts, %d kills, %d full disks, %d outages, %d flips, %d lost catalogs, %d requests that went wrong, %d versions removed, %d restored, %d republished; %d runs, %d crates served, %d extracted, %d versions checked, lost: %d",
		sum.cuts, sum.kills, sum.fills, sum.outages, sum.flips, sum.forgotten, sum.faults, sum.removed, sum.restored, sum.republished, sum.runs, sum.served, sum.extracted, sum.checked, sum.lost)
	if sum.lost > 0 || sum.checked == 0 {
		t.Error("see above")
	}
}

// A tally counts what a soak has done.
type tally struct {
	cuts, kills, fills, outages, flips, forgotten, faults, removed, restored, republished, runs, served, extracted, checked, lost int
}

// A soak has a mirror, and what the test knows about it.
type soak struct {
	*mirrored
	rnd     *rand.Rand
	disk    *disk
	sum     *tally
	index   string
	held    map[crate.ID]int              // acknowledged, and the requests that were made for it until then
	bundles bool                          // it makes bundles by now
	kept    map[crate.Key]catalog.Version // bytes that a complete mirror had
	coming  map[crate.ID]bool             // published again with bytes that may not be held yet
	unseen  map[crate.ID]bool             // removed, and no run has seen it
	next    int                           // number of the next crate
	brief   []simreg.Kind
	faults  int  // injected by now
	flipped bool // a bundle has a bit that is not what it was

	uncatalogued bool // the catalog is lost
	forgot       bool // it was lost once
}

func newSoak(t *testing.T, rnd *rand.Rand, kind string, sum *tally) *soak {
	d := newImage(t, t.TempDir(), kind, "")
	s := &soak{mirrored: newMirroredOn(t, simreg.Demo(), d.dir), rnd: rnd, disk: d, sum: sum, brief: simreg.Brief()}
	s.held, s.kept = map[crate.ID]int{}, map[crate.Key]catalog.Version{}
	s.coming, s.unseen = map[crate.ID]bool{}, map[crate.ID]bool{}
	s.slow(time.Duration(1+rnd.IntN(8)) * time.Millisecond)
	s.flags = []string{"-accept-shrink", "-bundles-out", filepath.Join(s.dir, "bundles")}
	var err error
	s.index, err = filepath.EvalSymlinks(filepath.Join(s.dir, "index"))
	must(t, err)
	return s
}

// round is one run and something that happens to it.
func (s *soak) round() {
	s.t.Helper()
	s.grow()
	s.shrink()
	s.comeBack()
	s.writeIndex()
	if s.rnd.IntN(3) == 0 { // what came loose meanwhile moves into bundles
		s.bundles = !s.bundles
		s.flags = s.flags[:3]
		if s.bundles {
			s.flags = append(s.flags, "-bundle")
		}
	}
	if s.rnd.IntN(2) == 0 {
		s.reg.Chaos(s.rnd.Uint64(), 0.3, s.brief...)
	}
	rounds := []struct {
		name string
		play func()
	}{
		{"killed", s.killed}, {"killed", s.killed}, {"cut off", s.cutOff}, {"cut off", s.cutOff}, {"cut off", s.cutOff},
		{"full", s.full}, {"outage", s.outage}, {"verifying", s.verifying}, {"extract", s.extract},
		{"flip", s.flip}, {"flip", s.flip}, {"forget", s.forget}, {"settle", s.settle},
	}
	next := rounds[s.rnd.IntN(len(rounds))]
	s.t.Logf("%s, flags %q", next.name, s.flags)
	next.play()
}

// run starts the program, with bundles so small that there are many.
func (s *soak) run() *child {
	s.t.Helper()
	s.sum.runs++
	cmd, out := s.command(smallBundles)
	return begin(s.t, cmd, out)
}

// ask starts another command of the program on the mirror.
func (s *soak) ask(command string, args ...string) *child {
	s.t.Helper()
	s.sum.runs++
	return s.tell(command, append([]string{"-mirror", s.dir, "-out", filepath.Join(s.dir, "out"), "-index-dir", s.index}, args...)...)
}

// strike kills programs, or cuts the power first.
func (s *soak) strike(children ...*child) {
	s.t.Helper()
	cut := s.rnd.IntN(2) == 0
	if cut {
		s.disk.cut(flushedLog + uint32(s.rnd.IntN(2)))
		s.sum.cuts++
	} else {
		s.sum.kills++
	}
	for _, c := range children {
		c.kill()
	}
	if cut {
		s.disk.cycle()
	}
}

func (s *soak) somewhere() { time.Sleep(time.Duration(s.rnd.Int64N(int64(700 * time.Millisecond)))) }

// after notes which versions are acknowledged by now, and checks that none that were
// acknowledged earlier were downloaded again.
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
		if s.coming[id] {
			continue // what was acknowledged may be what it had before
		}
		s.held[id] = s.reg.Requests(id)
	}
	held := s.look(nil)
	for id := range s.held {
		if !held[id] && !s.uncatalogued {
			s.sum.lost++
			s.t.Errorf("%v was held and is nowhere", id)
		}
	}
	if s.uncatalogued {
		return
	}
	rows := s.catalogued()
	for key := range s.kept {
		if _, found := rows[key]; !found {
			s.sum.lost++
			s.t.Errorf("%v with the checksum %v was held, and the catalog has nothing of it", key.ID, key.Checksum)
		}
	}
}

// catalogued returns all bytes in the catalog, and where they are. look has checked that they
// exist.
func (s *soak) catalogued() map[crate.Key]catalog.Version {
	s.t.Helper()
	rows := map[crate.Key]catalog.Version{}
	cat, err := openCatalogToRead(s.home().Catalog())
	if errors.Is(err, fs.ErrNotExist) {
		return rows
	}
	must(s.t, err)
	defer cat.Close()
	for _, id := range s.everPublished() {
		held, err := cat.Versions(context.Background(), id.Name)
		must(s.t, err)
		for _, v := range held {
			rows[crate.Key{ID: v.ID, Checksum: v.Checksum}] = v
		}
	}
	return rows
}

func (s *soak) killed() {
	s.t.Helper()
	stop := s.served()
	c := s.run()
	s.somewhere()
	c.kill()
	stop()
	s.sum.kills++
	s.after()
}

func (s *soak) cutOff() {
	s.t.Helper()
	stop := s.served()
	c := s.run()
	s.somewhere()
	s.disk.cut(flushedLog + uint32(s.rnd.IntN(2)))
	c.kill()
	stop()
	s.disk.cycle()
	s.sum.cuts++
	s.after()
}

// verifying is a verification beside a run; both are struck.
func (s *soak) verifying() {
	s.t.Helper()
	run, sweep := s.run(), s.ask("verify", "-restart")
	s.somewhere()
	s.strike(run, sweep)
	s.after()
}

// extract takes the crates out of the bundles, and is struck.
func (s *soak) extract() {
	s.t.Helper()
	s.settle()
	there := *s.mirrored
	there.dir = filepath.Join(s.dir, "extracted")
	extract := func() *child {
		s.sum.runs++
		return s.tell("extract", "-bundles-dir", filepath.Join(s.dir, "bundles"), "-index-dir", s.index, "-out", filepath.Join(there.dir, "out"))
	}
	if bundles, _ := filepath.Glob(filepath.Join(s.dir, "bundles", "*"+bundle.Ext)); len(bundles) == 0 {
		return
	}
	c := extract()
	time.Sleep(time.Duration(s.rnd.Int64N(int64(200 * time.Millisecond))))
	s.strike(c)
	there.look(nil)
	c = extract()
	// The index does not name what upstream removed: a verification that asks the index
	// reports it.
	if code := c.code(patience); code != program.ExitOK && !s.flipped && len(s.irreplaceable()) == 0 {
		s.t.Errorf("extraction ends with exit code %d\n%s", code, c.said())
	}
	s.sum.extracted += len(there.look(nil))
	must(s.t, os.RemoveAll(there.dir))
}

// served lets a server answer for the mirror, and asks it for crates until it is
// stopped: oracle O7.
func (s *soak) served() (stop func()) {
	s.t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(s.t, err)
	addr := l.Addr().String()
	must(s.t, l.Close())
	c := s.ask("serve", "-listen", addr, "-admin-listen", "")
	c.listens(addr)
	ids, quit := s.reg.IDs(), make(chan struct{})
	s.rnd.Shuffle(len(ids), func(i, j int) { ids[i], ids[j] = ids[j], ids[i] })
	var asking sync.WaitGroup
	asking.Go(func() {
		client := &http.Client{Timeout: 5 * time.Second}
		defer client.CloseIdleConnections()
		for n := 0; ; n++ {
			select {
			case <-quit:
				return
			case <-time.After(time.Millisecond):
				s.fetch(client, addr, ids[n%len(ids)])
			}
		}
	})
	return func() {
		close(quit)
		asking.Wait()
		c.kill()
	}
}

// listens waits until a server does, or has ended: where nothing was mirrored yet
// there is nothing to serve.
func (c *child) listens(addr string) {
	for {
		conn, err := net.Dial("tcp", addr)
		if err == nil {
			conn.Close()
			return
		}
		select {
		case <-c.ended:
			return
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// fetch requests a crate from a server. If the response is complete and has status 200, its
// body must be the crate that the server's own index names just before the request or, if a
// run has replaced the version's bytes meanwhile, just after it.
func (s *soak) fetch(client *http.Client, addr string, id crate.ID) {
	before := servedLine(client, addr, id)
	body, ok := whole(client, "http://"+addr+"/crates/"+id.URLPath())
	if !ok {
		return // it starts, or the disk is gone
	}
	s.sum.served++
	if !s.proves(id, bytes.NewReader(body), nil) {
		s.t.Errorf("%v: the server answers 200 with %d bytes that are not the crate", id, len(body))
	}
	sum := crate.Checksum(sha256.Sum256(body)).String()
	if before == "" || strings.Contains(before, sum) {
		return
	}
	if after := servedLine(client, addr, id); after != "" && !strings.Contains(after, sum) {
		s.t.Errorf("%v: the server's index names other bytes than those with the checksum %s that it answers with: %s", id, sum, after)
	}
}

// servedLine returns the line of a version in a server's index; "" if there is none.
func servedLine(client *http.Client, addr string, id crate.ID) string {
	lines, _ := whole(client, "http://"+addr+"/index/"+crate.IndexPath(id.Name))
	for line := range strings.Lines(string(lines)) {
		if strings.Contains(line, fmt.Sprintf(`"vers":%q,`, id.Version)) {
			return line
		}
	}
	return ""
}

// whole returns the body of a whole answer of 200.
func whole(client *http.Client, url string) (body []byte, ok bool) {
	resp, err := client.Get(url)
	if err != nil {
		return nil, false
	}
	defer resp.Body.Close()
	body, err = io.ReadAll(resp.Body)
	return body, err == nil && resp.StatusCode == http.StatusOK
}
