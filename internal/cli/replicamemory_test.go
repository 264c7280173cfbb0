package cli

import (
	"crypto/sha256"
	"flag"
	"fmt"
	"os"
	"regexp"
	"runtime"
	"testing"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/bundle"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/bundle/lists"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/replica/replicatest"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/root"
)

var replicaRows = flag.Int("replica-rows", 0, "versions in the lists that TestReplicaMemory has a replica take; 0 skips it")

// TestReplicaMemory measures the memory of serve -store when it starts from lists of many
// versions, without a snapshot of the catalog.
//
//	go test ./internal/cli -run TestReplicaMemory -v -replica-rows 300000
func TestReplicaMemory(t *testing.T) {
	if *replicaRows == 0 || runtime.GOOS != "linux" {
		t.Skip("measures, on Linux; -replica-rows N runs it")
	}
	b, address := folderBucket(t)
	p := replicatest.New(t, b, "foo 1.0.0")
	const each = 20_000 // in a bundle
	for first := 0; first < *replicaRows; first += each {
		listed(t, p, 1+first/each, min(each, *replicaRows-first))
	}
	p.Replace()
	begin := time.Now()
	r := newReplicaProcess(t, address)
	taken := time.Since(begin)
	time.Sleep(3 * time.Second)
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", r.cmd.Process.Pid))
	must(t, err)
	t.Logf("%d versions taken after %v; %s", *replicaRows, taken, regexp.MustCompile(`Vm(HWM|RSS).*`).FindAll(status, -1))
}

// listed has the root name a bundle that has only its list.
func listed(t *testing.T, p *replicatest.Publisher, number, versions int) {
	t.Helper()
	name, size := bundle.Name{Number: number}, int64(20_000)
	var manifest []byte
	var err error
	var e lists.ManifestEntry
	for n := range versions {
		e = lists.ManifestEntry{Bundle: name}
		e.ID = crate.ID{Name: fmt.Sprintf("crate-%d-%d", number, n/10), Version: fmt.Sprintf("1.%d.0", n%10)}
		e.Checksum, e.Size, e.Offset, e.FrameSize = sha256.Sum256([]byte(e.ID.String())), size, int64(n)*size, size
		manifest, err = lists.AppendManifestLine(manifest, e)
		must(t, err)
	}
	f := root.File{Name: name.String(), Size: int64(versions) * size, SHA256: sha256.Sum256([]byte(name.String())), Entries: versions, Bytes: int64(versions) * size}
	f.Lists = []root.File{p.Put(root.BundlesDir, lists.ManifestName(name, e.ID.Name, e.ID.Name), manifest)}
	p.Root.Bundles = append(p.Root.Bundles, f)
}
