package cli

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable/durabletest"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/home"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/jsonl"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/runlog"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/simreg"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/store"
)

var kills = flag.Int("kills", 10, "SIGKILLs of TestC1RandomKills")

// mirrored has a registry, and a folder into which the real program mirrors it, in a process
// of its own.
type mirrored struct {
	t      *testing.T
	reg    *simreg.Registry
	server *simreg.Server
	dir    string
	flags  []string // of the program, beside the usual ones
}

func newMirrored(t *testing.T, reg *simreg.Registry) *mirrored {
	t.Helper()
	server, err := reg.Start(simreg.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Close)
	m := &mirrored{t: t, reg: reg, server: server, dir: t.TempDir()}
	if err := reg.WriteIndex(filepath.Join(m.dir, "index")); err != nil {
		t.Fatal(err)
	}
	return m
}

func (m *mirrored) command(env ...string) (*exec.Cmd, *bytes.Buffer) {
	cmd := exec.Command("download-crates", "-index-dir", filepath.Join(m.dir, "index"), "-out", filepath.Join(m.dir, "out"),
		"-manifest", filepath.Join(m.dir, "manifest.jsonl"), "-crates-base-url", m.server.BaseURL, "-include-yanked", "-listen", "")
	cmd.Args = append(cmd.Args, m.flags...)
	cmd.Env = append(os.Environ(), env...)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	return cmd, &out
}

// home returns the folders of the mirror.
func (m *mirrored) home() *home.Dirs {
	return &home.Dirs{Crates: filepath.Join(m.dir, "out"), Bundles: filepath.Join(m.dir, "bundles")}
}

// openStore opens the store in which the catalog's rows place crates.
func (m *mirrored) openStore() (_ store.Reader, closeAll func()) {
	m.t.Helper()
	st, err := home.OpenStores(m.home(), home.Limits{})
	must(m.t, err)
	return st, func() { must(m.t, st.Close()) }
}

// check is oracle O1: every file with a final name is the crate. With all, it is O4 as well:
// no crate is missing.
func (m *mirrored) check(all bool) error {
	for _, id := range m.reg.IDs() {
		data, err := os.ReadFile(filepath.Join(m.dir, "out", filepath.FromSlash(id.LoosePath())))
		if errors.Is(err, fs.ErrNotExist) && !all {
			continue
		}
		if err != nil {
			return err
		}
		want, err := m.reg.Checksum(id)
		if err != nil {
			return err
		}
		if crate.Checksum(sha256.Sum256(data)) != want {
			return fmt.Errorf("%v: %d bytes under the final name are not the crate", id, len(data))
		}
	}
	return nil
}

// complete runs the program twice, undisturbed. The first run must complete the mirror, and
// the second must do nothing.
func (m *mirrored) complete() {
	m.t.Helper()
	for run := 1; run <= 2; run++ {
		before := m.reg.TotalRequests()
		cmd, out := m.command()
		if err := cmd.Run(); err != nil {
			m.t.Fatalf("run %d after the kill: %v\n%s", run, err, out)
		}
		if n := m.reg.TotalRequests() - before; run == 2 && n > 0 {
			m.t.Errorf("the second run after the kill made %d requests", n)
		}
	}
	if err := m.check(true); err != nil {
		m.t.Error(err)
	}
	left, err := filepath.Glob(filepath.Join(m.dir, "out", ".clonecratesio", "tmp", "*", "*"))
	if err != nil || len(left) > 0 {
		m.t.Errorf("temporary files left: %v, %v", left, err)
	}
}

// TestC1RandomKills kills the real program at random instants and runs it again, many times.
// At any time, files with final names are complete, and one undisturbed run at the end
// completes the mirror. "make slow" does it with -kills 200.
func TestC1RandomKills(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewPCG(seed, 1))
	const perMirror = 10
	for done := 0; done < *kills; done += perMirror {
		m := newMirrored(t, simreg.Demo())
		m.reg.Inject(simreg.All, simreg.Fault{Kind: simreg.Latency, Delay: 5 * time.Millisecond, Times: -1})
		for range min(perMirror, *kills-done) {
			cmd, out := m.command()
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			killed := time.AfterFunc(time.Duration(rnd.Int64N(int64(150*time.Millisecond))), func() { cmd.Process.Kill() })
			err := cmd.Wait()
			killed.Stop()
			if err != nil && cmd.ProcessState.Exited() {
				t.Fatalf("not killed, and yet: %v\n%s", err, out)
			}
			if err := m.check(false); err != nil {
				t.Fatal(err)
			}
		}
		m.reg.Heal()
		m.complete()
	}
}

// TestC1KillAtOperations kills the real program before the n-th operation on
// its disk, for a sweep of n.
func TestC1KillAtOperations(t *testing.T) {
	durabletest.Seldom(t, 3)
	step := 40
	if testing.Short() {
		step = 200
	}
	for n := 1; ; n += step {
		m := newMirrored(t, parseRegistry(t))
		cmd, out := m.command(fmt.Sprintf("%s=%d", killAt, n))
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
		if err := m.check(false); err != nil {
			t.Fatalf("killed at operation %d: %v", n, err)
		}
		m.complete()
	}
}

func parseRegistry(t *testing.T) *simreg.Registry {
	t.Helper()
	var text strings.Builder
	for i := range 40 {
		fmt.Fprintf(&text, "crate-%c%d 1.0.0\n", 'a'+i%20, i)
	}
	versions, err := simreg.Parse(text.String())
	if err != nil {
		t.Fatal(err)
	}
	return simreg.New(versions...)
}

// TestC2Signals: after the first signal the program stops in order: it records everything
// that is done, and its exit code says why it stopped. A second signal stops it at once.
func TestC2Signals(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("signals cannot be sent on Windows")
	}
	t.Parallel() // it waits most of its time
	for _, tt := range []struct {
		signal syscall.Signal
		twice  bool
		code   int
	}{{syscall.SIGINT, false, 130}, {syscall.SIGTERM, false, 143}, {syscall.SIGTERM, true, 143}} {
		t.Run(fmt.Sprintf("%v twice=%t", tt.signal, tt.twice), func(t *testing.T) {
			t.Parallel()
			m := newMirrored(t, simreg.Demo())
			// The last ones never end by themselves within the grace.
			m.reg.Inject(crate.ID{Name: "ox", Version: "0.3.0"}, simreg.Fault{Kind: simreg.StallBody, Times: -1})
			cmd, out := m.command()
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			m.waitForRecords(300)
			start := time.Now()
			cmd.Process.Signal(tt.signal)
			ended, sent := make(chan struct{}), make(chan struct{})
			go func() { // the second one, again: two that wait at the same time are one
				defer close(sent)
				for tt.twice {
					select {
					case <-ended:
						return
					case <-time.After(100 * time.Millisecond):
						cmd.Process.Signal(tt.signal)
					}
				}
			}()
			cmd.Wait()
			close(ended)
			<-sent
			if got := cmd.ProcessState.ExitCode(); got != tt.code {
				t.Errorf("exit code %d, want %d\n%s", got, tt.code, out)
			}
			took := time.Since(start)
			if limit := 12 * time.Second; took > limit || tt.twice && took > 6*time.Second {
				t.Errorf("stopping took %v", took)
			}
			done := m.done()
			if done < 300 {
				t.Errorf("%d records of what was done", done)
			}
			m.reg.Heal()
			before := m.reg.TotalRequests()
			m.complete()
			if n, left := m.reg.TotalRequests()-before, m.reg.Len()-done; n > left {
				t.Errorf("the next run made %d requests for the %d versions that were left", n, left)
			}
		})
	}
}

// records returns the records of the manifest, without the incomplete last line that a crash
// may leave.
func (m *mirrored) records() []runlog.Record {
	m.t.Helper()
	data, err := os.ReadFile(filepath.Join(m.dir, "manifest.jsonl"))
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	must(m.t, err)
	var recs []runlog.Record
	for rec, err := range runlog.Read(bytes.NewReader(data)) {
		if errors.Is(err, jsonl.ErrTorn) {
			break
		}
		must(m.t, err)
		recs = append(recs, rec)
	}
	return recs
}

// done counts the records of stored versions.
func (m *mirrored) done() (n int) {
	for _, rec := range m.records() {
		if rec.OK {
			n++
		}
	}
	return n
}

func (m *mirrored) waitForRecords(n int) {
	m.t.Helper()
	for range 3000 {
		if m.done() >= n {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	m.t.Fatalf("only %d records were made", m.done())
}

func (m *mirrored) waitForRequests(n int) {
	m.t.Helper()
	for range 1000 {
		if m.reg.TotalRequests() >= n {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	m.t.Fatalf("only %d requests were made", m.reg.TotalRequests())
}
