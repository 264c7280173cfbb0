package cli

import (
	"errors"
	"math/rand/v2"
	"runtime"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/program"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/simreg"
)

// network is a network namespace: a machine with nothing but a loopback
// interface, which goes down and up again.
type network struct {
	t    *testing.T
	work chan func() // for the thread that is in it
}

func newNetwork(t *testing.T) *network {
	t.Helper()
	needRoot(t)
	n := &network{t, make(chan func())}
	entered := make(chan error)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends with the goroutine, and the namespace with it
		err := unix.Unshare(unix.CLONE_NEWNET)
		entered <- err
		if err != nil {
			return
		}
		for f := range n.work {
			f()
		}
	}()
	if err := <-entered; err != nil {
		t.Skip("no network namespace can be made here: ", err)
	}
	t.Cleanup(func() { close(n.work) })
	n.link(true)
	return n
}

// within does something in the namespace: sockets that it opens, and programs
// that it starts, belong there.
func (n *network) within(f func()) {
	n.t.Helper()
	done := make(chan struct{})
	n.work <- func() {
		defer close(done)
		f()
	}
	<-done
	if n.t.Failed() {
		n.t.FailNow()
	}
}

// link takes the interface up or down. Down, connections go silent and new ones are
// refused by the kernel; up, those that had patience continue.
func (n *network) link(up bool) {
	n.t.Helper()
	var err error
	n.within(func() { err = setLoopback(up) })
	must(n.t, err)
}

func setLoopback(up bool) error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	lo, err := unix.NewIfreq("lo")
	if err == nil {
		if up {
			lo.SetUint16(unix.IFF_UP | unix.IFF_LOOPBACK)
		}
		err = unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, lo)
	}
	return errors.Join(err, unix.Close(fd))
}

// newMirroredIn is a mirror whose registry is in the namespace.
func newMirroredIn(n *network) *mirrored {
	n.t.Helper()
	reg := simreg.Demo()
	var server *simreg.Server
	var err error
	n.within(func() { server, err = reg.Start(simreg.Options{}) })
	must(n.t, err)
	return newMirroredFrom(n.t, reg, server, n.t.TempDir())
}

// downloadIn starts a run in the namespace.
func (m *mirrored) downloadIn(n *network) (c *child) {
	m.t.Helper()
	n.within(func() { c = m.start("", "-concurrency", "8", "-retry-base", "10ms", "-retry-max", "200ms") })
	return c
}

// B12, B13, B25: the network fails and returns while the real program runs. Runs continue, or
// end and keep what they have. No wrong bytes get a final name, and recorded crates are not
// downloaded again. The cuts are short, because TCP doubles its waits; tests with simulated
// time cover runs that wait for too long (B13).
func TestRootB25NetworkCuts(t *testing.T) {
	const mirrors, cutsOfRun = 4, 4
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewPCG(seed, 25))
	some := func(most time.Duration) { time.Sleep(time.Duration(rnd.Int64N(int64(most)))) }
	n := newNetwork(t)
	for range mirrors {
		m := newMirroredIn(n)
		m.slow(20 * time.Millisecond)
		for run, code := 0, -1; code != program.ExitOK; run++ {
			held := m.acknowledged()
			before := m.requests(held)
			c := m.downloadIn(n)
			for range cutsOfRun {
				some(300 * time.Millisecond)
				n.link(false)
				some(300 * time.Millisecond)
				n.link(true)
			}
			if code = c.code(patience); code != program.ExitOK && code != program.ExitIncomplete || run == 10 {
				t.Fatalf("run %d ended with exit code %d\n%s", run, code, c.said())
			}
			m.sound()
			m.holds("the manifest", m.acknowledged())
			if now := m.requests(held); now != before {
				t.Errorf("%d requests were made for what was held", now-before)
			}
		}
		m.reg.Heal()
		n.within(m.complete)
	}
}

// requests counts the requests for some versions.
func (m *mirrored) requests(ids []crate.ID) (sum int) {
	for _, id := range ids {
		sum += m.reg.Requests(id)
	}
	return sum
}
