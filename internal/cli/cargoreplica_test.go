package cli

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/bucket/buckettest"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable/durabletest"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/simreg"
)

// The real cargo builds from two replicas while a third process syncs new versions into
// the bucket; one replica is killed meanwhile, and begins again.
func TestCargoBuildsFromReplicas(t *testing.T) {
	durabletest.Seldom(t, 3)
	buckets := map[string]func(t *testing.T) string{
		"folder": func(t *testing.T) string { _, address := folderBucket(t); return address },
		"S3":     func(t *testing.T) string { return buckettest.StartVersity(t).Address("mirror") },
	}
	for _, name := range durabletest.Sample(1, []string{"folder", "S3"}) {
		open := buckets[name]
		t.Run(name, func(t *testing.T) {
			needCargo(t)
			w := newWriter(t, open(t))
			if w.sync(); t.Failed() {
				return
			}
			first, second := newReplicaProcess(t, w.address), newReplicaProcess(t, w.address)
			ctx, stop := context.WithCancel(t.Context())
			var syncing sync.WaitGroup
			syncing.Go(func() { w.syncUntil(ctx) })
			first.fetch("")
			second.fetch("")
			first.kill()
			second.fetch(w.published())
			stop()
			syncing.Wait()
			first.start()
			for _, r := range []*replicaProcess{first, second} {
				r.fetch(w.published())
				if said := r.cargo.run("app", "run", "--quiet", "--offline"); !strings.Contains(said, "birch-core") {
					t.Errorf("the program says %q", said)
				}
			}
		})
	}
}

// writer is the process that syncs a registry into a bucket.
type writer struct {
	t       *testing.T
	address string
	reg     *simreg.Registry
	dir     string
	args    []string

	mu   sync.Mutex // guards what follows
	last int        // version of alder-new that was synced last
}

func newWriter(t *testing.T, address string) *writer {
	t.Helper()
	w := &writer{t: t, address: address, reg: simreg.Demo(), dir: t.TempDir()}
	server, err := w.reg.Start(simreg.Options{})
	must(t, err)
	t.Cleanup(server.Close)
	w.args = []string{"sync", "-mirror", filepath.Join(w.dir, "mirror"), "-store", address,
		"-index-url", filepath.Join(w.dir, "up.git"), "-crates-base-url", server.BaseURL, "-listen", ""}
	return w
}

// sync publishes one more version of a crate, and syncs it into the bucket.
func (w *writer) sync() {
	n := w.last + 1
	w.reg.Add(simreg.MustParse(fmt.Sprintf("alder-new 1.%d.0", n))...)
	if _, err := w.reg.CommitIndex(context.Background(), filepath.Join(w.dir, "up.git"), "Update"); err != nil {
		w.t.Error(err)
		return
	}
	cmd := exec.Command("clonecratesio", w.args...)
	if out, err := cmd.CombinedOutput(); err != nil {
		w.t.Errorf("sync: %v\n%s", err, out)
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.last = n
}

func (w *writer) syncUntil(ctx context.Context) {
	for ctx.Err() == nil {
		w.sync()
		time.Sleep(200 * time.Millisecond) // the others need the processor too
	}
}

// published returns the version that was synced last.
func (w *writer) published() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return fmt.Sprintf("1.%d.0", w.last)
}

// replicaProcess is serve -store, and a cargo that builds from it.
type replicaProcess struct {
	*child
	t     *testing.T
	args  []string
	out   *output
	cargo *cargo
}

// output returns what a process has printed so far.
type output struct {
	mu   sync.Mutex
	text strings.Builder
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

func newReplicaProcess(t *testing.T, address string) *replicaProcess {
	t.Helper()
	r := &replicaProcess{t: t, cargo: &cargo{t: t, dir: t.TempDir()}, args: []string{
		"serve", "-mirror", filepath.Join(t.TempDir(), "replica"), "-store", address, "-listen", "127.0.0.1:0", "-admin-listen", ""}}
	r.start()
	return r
}

func (r *replicaProcess) start() {
	r.t.Helper()
	cmd := exec.Command("clonecratesio", r.args...)
	cmd.Env = os.Environ()
	r.out = new(output)
	log := new(output)
	cmd.Stdout, cmd.Stderr = r.out, log
	r.child = begin(r.t, cmd, log)
	deadline := time.Now().Add(20*time.Second + time.Duration(*replicaRows)*100*time.Microsecond)
	for !strings.Contains(r.out.String(), "index/") {
		if time.Now().After(deadline) {
			r.t.Fatalf("the replica does not serve:\n%s", log)
		}
		time.Sleep(20 * time.Millisecond)
	}
	time.Sleep(20 * time.Millisecond) // the lines are one write
	r.cargo.write("home/config.toml", r.out.String())
}

// fetch has cargo resolve and fetch a dependency on at least a version, which may still
// be on its way.
func (r *replicaProcess) fetch(atLeast string) {
	r.t.Helper()
	c := r.cargo
	need := `birch-core = "0.1"`
	if atLeast != "" {
		need += fmt.Sprintf("\nalder-new = %q", ">="+atLeast)
	}
	c.write("app/Cargo.toml", "[package]\nname = \"app\"\nversion = \"0.0.0\"\nedition = \"2021\"\n[dependencies]\n"+need+"\n")
	c.write("app/src/main.rs", `fn main() { println!("{}", birch_core::describe()); }`)
	deadline := time.Now().Add(20 * time.Second)
	for {
		out, err := c.try("app", "fetch")
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			r.t.Fatalf("cargo fetch: %v\n%s\n%s", err, out, r.said())
		}
		time.Sleep(100 * time.Millisecond)
	}
}
