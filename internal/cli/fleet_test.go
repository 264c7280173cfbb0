//go:build unix

package cli

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/bucket"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/bucket/address"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/bucket/buckettest"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable/durabletest"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/fleet"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/index/indextest"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/simreg"
)

// slow skips a test that starts many processes, and takes ten seconds or more of both
// cores.
func slow(t *testing.T) {
	t.Helper()
	durabletest.Asked(t)
}

// A fleetOf has a registry, its index, and a bucket into which processes mirror it.
type fleetOf struct {
	*testing.T
	dir, up, store string
	in             bucket.Bucket
	server         *simreg.Server
}

func newFleet(t *testing.T, reg *simreg.Registry, store string) *fleetOf {
	t.Helper()
	u := indextest.NewUpstream(t, "")
	u.Reg = reg
	u.Commit()
	f := &fleetOf{T: t, dir: t.TempDir(), up: u.Git, store: store}
	var err error
	f.in, err = address.Open(t.Context(), store, address.Options{})
	must(t, err)
	server, err := reg.Start(simreg.Options{})
	must(t, err)
	t.Cleanup(server.Close)
	f.server = server
	return f
}

// A process is a run of the real program.
type process struct {
	*exec.Cmd
	out, err bytes.Buffer
}

func (f *fleetOf) start(args ...string) *process {
	f.Helper()
	p := &process{Cmd: exec.Command("clonecratesio", args...)}
	p.Stdout, p.Stderr = &p.out, &p.err
	must(f.T, p.Start())
	f.Cleanup(func() { p.Process.Kill(); p.Wait() })
	return p
}

func (f *fleetOf) sync(folder, shard string, more ...string) *process {
	return f.start(append([]string{"sync", "-mirror", filepath.Join(f.dir, folder), "-store", f.store, "-shard", shard, "-lease", "3s",
		"-index-url", f.up, "-crates-base-url", f.server.BaseURL, "-listen", ""}, more...)...)
}

// ends waits for a process, and fails the test if it fails.
func (f *fleetOf) ends(p *process) {
	f.Helper()
	if err := p.Wait(); err != nil {
		f.Fatalf("%q: %v\n%s%s", p.Args[1:], err, &p.out, &p.err)
	}
}

// census returns the output of status -store, and its exit code.
func (f *fleetOf) census() (c fleet.Counted, code int) {
	f.Helper()
	p := f.start("status", "-store", f.store, "-json")
	err := p.Wait()
	if exit := new(exec.ExitError); err != nil && !errors.As(err, &exit) {
		f.Fatal(err)
	}
	if err := json.Unmarshal(p.out.Bytes(), &c); err != nil {
		f.Fatalf("%v: %s%s", err, &p.out, &p.err)
	}
	return c, p.ProcessState.ExitCode()
}

// Eight machines mirror a registry into one bucket, one shard each. One machine is stopped
// until its lease expires, and another takes over its shard; then the first one continues,
// and must change nothing. At the end the root names each version once.
func TestShardsIntoOneBucket(t *testing.T) {
	slow(t)
	const of, versions = 8, 160
	reg := simreg.Generate(versions, 2000, 5)
	asleep := mostOf(reg, of)
	_, store := folderBucket(t)
	f := newFleet(t, reg, store)
	reg.Inject(simreg.All, simreg.Fault{Kind: simreg.Latency, Delay: 200 * time.Millisecond, Times: -1})
	sleeper := f.sync("sleeper", fmt.Sprintf("%d/%d", asleep, of), "-concurrency", "1")
	for deadline := time.Now().Add(time.Minute); ; { // until it has some of its crates
		if time.Now().After(deadline) {
			t.Fatalf("the sleeper had ended before it was stopped:\n%s", &sleeper.err)
		}
		parts, err := filepath.Glob(filepath.Join(f.dir, "sleeper", "bundles", "*.part"))
		must(t, err)
		if len(parts) == 1 {
			if info, err := os.Stat(parts[0]); err == nil && info.Size() > 4000 {
				break
			}
		}
		time.Sleep(2 * time.Millisecond)
	}
	must(t, sleeper.Process.Signal(syscall.SIGSTOP))
	var all sync.WaitGroup
	for n := range of {
		if n == asleep {
			continue
		}
		p := f.sync(fmt.Sprint("m", n), fmt.Sprintf("%d/%d", n, of))
		all.Go(func() { f.ends(p) })
	}
	all.Wait()
	c, code := f.census()
	if code != 3 || c.Counts[fleet.Missing] == 0 || c.Counts[fleet.Doubled]+c.Counts[fleet.Foreign] > 0 {
		t.Errorf("exit %d: %+v", code, c.Counts)
	}
	time.Sleep(3 * time.Second) // its lease ends
	f.ends(f.sync("heir", fmt.Sprintf("%d/%d", asleep, of)))
	must(t, sleeper.Process.Signal(syscall.SIGCONT))
	err := sleeper.Wait()
	if err == nil || !strings.Contains(sleeper.err.String(), "another writer has taken over") && !strings.Contains(sleeper.err.String(), "writes the mirror in the bucket now") {
		t.Errorf("the sleeper ended with %v:\n%s", err, &sleeper.err)
	}
	c, code = f.census()
	if code != 0 || c.Held != versions || c.Named != versions || len(c.Findings) > 0 || len(c.Shards) != of {
		t.Errorf("exit %d: %+v", code, c)
	}
	// Its folder may continue; what it had fetched by then is stored twice, and reported.
	f.ends(f.sync("sleeper", fmt.Sprintf("%d/%d", asleep, of)))
	c, _ = f.census()
	if c.Held != versions || c.Counts[fleet.Missing]+c.Counts[fleet.Foreign] > 0 || c.Bundled != versions+c.Counts[fleet.Doubled] {
		t.Errorf("after the sleeper went on: %+v", c)
	}
}

// mostOf returns the shard with most versions: a process that is stopped in the middle of its
// work needs some.
func mostOf(reg *simreg.Registry, of int) (most int) {
	versions := make([]int, of)
	for _, id := range reg.IDs() {
		shard := crate.ShardOf(id.Name, of)
		if versions[shard]++; versions[shard] > versions[most] {
			most = shard
		}
	}
	return most
}

// Four workers pack a mirror; one is killed, and one is stopped for longer than the queue
// waits. No version is lost or named twice, and all can be rebuilt from the bucket.
func TestWorkersAreKilled(t *testing.T) {
	slow(t)
	t.Run("folder", func(t *testing.T) {
		_, store := folderBucket(t)
		workersAreKilled(t, store, 200)
	})
	t.Run("versitygw", func(t *testing.T) { workersAreKilled(t, buckettest.StartVersity(t).Address("mirror"), 80) })
}

func workersAreKilled(t *testing.T, store string, versions int64) {
	f := newFleet(t, simreg.Generate(int(versions), 20_000, 7), store)
	f.ends(f.sync("m", "0/1"))
	queue, err := server.NewServer(&server.Options{Host: "127.0.0.1", Port: server.RANDOM_PORT, JetStream: true, StoreDir: t.TempDir(), NoLog: true, NoSigs: true})
	must(t, err)
	queue.Start()
	t.Cleanup(func() { queue.Shutdown(); queue.WaitForShutdown() })
	if !queue.ReadyForConnections(10 * time.Second) {
		t.Fatal("nats-server does not start")
	}
	common := []string{"-store", f.store, "-nats", queue.ClientURL()}
	var workers []*process
	for range 4 {
		workers = append(workers, f.start(append([]string{"worker", "-admin-listen", "", "-scratch", t.TempDir()}, common...)...))
	}
	job := f.start(append([]string{"work", "-job", "repack", "-task-mb", "1", "-ack-wait", "1s", "-json"}, common...)...)
	for {
		results := 0
		for o, err := range f.in.List(t.Context(), "work/repack-") {
			if err == nil && strings.Contains(o.Key, "/results/") {
				results++
			}
		}
		if results >= 2 {
			break
		}
		time.Sleep(5 * time.Millisecond)
	}
	must(t, workers[0].Process.Kill())
	must(t, workers[1].Process.Signal(syscall.SIGSTOP))
	time.Sleep(1500 * time.Millisecond)
	must(t, workers[1].Process.Signal(syscall.SIGCONT))
	f.ends(job)
	var sum fleet.Summary
	must(t, json.Unmarshal(job.out.Bytes(), &sum))
	c, code := f.census()
	if code != 0 || c.Held != versions || c.Packed != versions || c.Bundled != versions || sum.Versions != versions || sum.Count != 0 || len(sum.Aside) > 0 {
		t.Errorf("exit %d: %+v\n%+v", code, c, sum)
	}
	verify := f.start(append([]string{"work", "-job", "verify"}, common...)...)
	f.ends(verify)
	if want := fmt.Sprintf("%d versions hashed in ", 2*versions); !strings.Contains(verify.out.String(), want) {
		t.Errorf("%s, want %s", &verify.out, want)
	}
	must(t, workers[2].Process.Signal(syscall.SIGTERM))
	if workers[2].Wait(); workers[2].ProcessState.ExitCode() != 143 {
		t.Errorf("a worker that is stopped ends with %d:\n%s", workers[2].ProcessState.ExitCode(), &workers[2].err)
	}
	t.Logf("%d tasks, %d segments; %d of %d bytes", sum.Tasks, sum.Segments, sum.Packed, sum.Bytes)
	for o, err := range f.in.List(t.Context(), "work/") {
		if err != nil || !strings.HasSuffix(o.Key, "/done.json") {
			t.Errorf("left over: %s, %v", o.Key, err)
		}
	}
}
