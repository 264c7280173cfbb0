package cli

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable/durabletest"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/index/indextest"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/simreg"
)

// TestReplicateKills kills the real program while it copies a mirror from a peer: before some
// operation on its disk, or after some bytes of the bundle. Files with final names are always
// equal to the peer's, and one undisturbed run at the end makes the mirrors equal, byte for
// byte.
func TestReplicateKills(t *testing.T) {
	durabletest.Seldom(t, 3)
	indextest.NeedGit(t)
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewPCG(seed, 1))
	p := newPeer(t)
	for round := range max(1, *kills/20) {
		to := filepath.Join(p.dir, fmt.Sprintf("to%d", round))
		for n := range 4 {
			cmd, out := p.replicate(to)
			if n%2 == 0 {
				cmd.Env = append(os.Environ(), fmt.Sprintf("%s=%d", killAt, 1+rnd.IntN(90)))
			}
			run := begin(t, cmd, out)
			if n%2 == 1 {
				killAtBytes(run, filepath.Join(to, "bundles", ".replicating", "bundle-0000.tar.zst.incoming"), rnd.Int64N(p.size))
			}
			<-run.ended
			if code := cmd.ProcessState.ExitCode(); cmd.ProcessState.Exited() && code != 0 {
				t.Fatalf("kill %d: not killed, and yet exit code %d\n%s", n, code, out)
			}
			p.compare(to, false)
		}
		cmd, out := p.replicate(to)
		begin(t, cmd, out).want(0)
		p.compare(to, true)
		if said, err := exec.Command("clonecratesio", "verify", "-mirror", to).CombinedOutput(); err != nil {
			t.Errorf("verify: %v\n%s", err, said)
		}
		for _, dir := range []string{"bundles", "deep"} {
			if left, err := os.ReadDir(filepath.Join(to, dir, ".replicating")); err != nil || len(left) > 0 {
				t.Errorf("left in %s: %v, %v", dir, left, err)
			}
		}
	}
}

// killAtBytes kills a run once a file has so many bytes, unless it ends before.
func killAtBytes(run *child, file string, bytes int64) {
	for {
		if info, err := os.Stat(file); err == nil && info.Size() >= bytes {
			run.kill()
			return
		}
		select {
		case <-run.ended:
			return
		case <-time.After(time.Millisecond / 4):
		}
	}
}

// servedPeer serves a mirror with a bundle and a segment.
type servedPeer struct {
	t    *testing.T
	dir  string
	url  string
	size int64 // of its bundle
}

func newPeer(t *testing.T) *servedPeer {
	t.Helper()
	reg := simreg.Demo()
	for n := range 8 {
		reg.Add(simreg.Version{Name: "packed", Version: fmt.Sprintf("1.%d.0", n)}, simreg.Version{Name: "large", Version: fmt.Sprintf("0.%d.0", n), Size: 1<<20 + n})
	}
	m := newMirrored(t, reg)
	p := &servedPeer{t: t, dir: m.dir}
	up := filepath.Join(m.dir, "up.git")
	_, err := reg.CommitIndex(t.Context(), up, "Update")
	must(t, err)
	made := exec.Command("clonecratesio", "sync", "-mirror", p.path("from"), "-bundle", "-deep", "-deep-mode", "add", "-index-url", up,
		"-crates-base-url", m.server.BaseURL, "-listen", "")
	if out, err := made.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	info, err := os.Stat(p.path("from/bundles/bundle-0000.tar.zst"))
	must(t, err)
	p.size = info.Size()
	cmd := exec.Command("clonecratesio", "serve", "-mirror", p.path("from"), "-listen", "127.0.0.1:0", "-admin-listen", "")
	stdout, err := cmd.StdoutPipe()
	must(t, err)
	must(t, cmd.Start())
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
	})
	for lines := bufio.NewScanner(stdout); lines.Scan(); {
		if rest, ok := strings.CutPrefix(lines.Text(), `index = "sparse+`); ok {
			p.url = strings.TrimSuffix(rest, `index/"`)
			go io.Copy(io.Discard, stdout)
			return p
		}
	}
	t.Fatal("serve has printed no address")
	return nil
}

func (p *servedPeer) path(name string) string { return filepath.Join(p.dir, filepath.FromSlash(name)) }

func (p *servedPeer) replicate(to string) (*exec.Cmd, *bytes.Buffer) {
	cmd, out := exec.Command("clonecratesio", "replicate", "-from", p.url, "-to", to), new(bytes.Buffer)
	cmd.Stdout, cmd.Stderr = out, out
	return cmd, out
}

// compare compares files with final names with the peer's: all of them, or those that exist.
func (p *servedPeer) compare(to string, all bool) {
	p.t.Helper()
	for _, pattern := range []string{"bundles/bundle-*.zst", "deep/deep-*.zst"} {
		names, err := filepath.Glob(p.path("from/" + pattern))
		if err != nil || len(names) == 0 {
			p.t.Fatalf("%s: %q, %v", pattern, names, err)
		}
		for _, name := range names {
			want, err := os.ReadFile(name)
			must(p.t, err)
			rel, err := filepath.Rel(p.path("from"), name)
			must(p.t, err)
			got, err := os.ReadFile(filepath.Join(to, rel))
			if !all && os.IsNotExist(err) {
				continue
			}
			if err != nil || !bytes.Equal(got, want) {
				p.t.Errorf("%s: %d bytes, %v; the peer has %d", rel, len(got), err, len(want))
			}
		}
	}
}
