package cli

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable/durabletest"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/index/indextest"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/simreg"
)

// fewKills is the number of kills in a plain test run; "make slow" does more, with -kills.
func fewKills() int {
	if *durabletest.Thorough {
		return *kills
	}
	return max(2, *kills/5)
}

// puller runs the real program as a proxy that stores what it pulls in a folder.
type puller struct {
	t    *testing.T
	reg  *simreg.Registry
	dir  string
	args []string

	mu    sync.Mutex // guards what follows
	given map[crate.ID]bool
}

// start starts the proxy, waits until it serves, and returns its URL.
func (p *puller) start(more ...string) (cmd *exec.Cmd, url string) {
	p.t.Helper()
	cmd = exec.Command("clonecratesio", append(append([]string{"serve", "-mirror", p.dir, "-pull-only", "-listen", "127.0.0.1:0", "-admin-listen", ""}, p.args...), more...)...)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	must(p.t, err)
	must(p.t, cmd.Start())
	p.t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		if url = regexp.MustCompile(`http://127[^/"]+`).FindString(lines.Text()); url != "" {
			go io.Copy(io.Discard, out)
			return cmd, url
		}
	}
	p.t.Fatal("the server says nothing")
	return nil, ""
}

// get requests a crate file, and reports whether it got one. Its bytes must be right.
func (p *puller) get(url string, id crate.ID) bool {
	resp, err := http.Get(url + "/crates/" + id.Name + "/" + id.Version + "/download")
	if err != nil {
		return false
	}
	defer resp.Body.Close()
	got, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		return false
	}
	want, err := p.reg.CrateBytes(id)
	if err != nil || !bytes.Equal(got, want) {
		p.t.Errorf("%s was given as %d bytes that are not the crate: %v", id, len(got), err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.given[id] = true
	return true
}

// check checks the files with final names and, if the folder was opened since the kill, that
// there are no others.
func (p *puller) check(opened bool) {
	p.t.Helper()
	err := filepath.WalkDir(filepath.Join(p.dir, "pulled"), func(file string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		name, _ := filepath.Rel(filepath.Join(p.dir, "pulled"), file)
		name = filepath.ToSlash(name)
		if loose, ok := strings.CutPrefix(name, "crates/"); ok {
			id, err := crate.ParseLoosePath(loose)
			must(p.t, err)
			data, err := os.ReadFile(file)
			must(p.t, err)
			if want, err := p.reg.Checksum(id); err != nil || sha256.Sum256(data) != want {
				p.t.Errorf("%s under its final name is not the crate: %v", id, err)
			}
		} else if opened && strings.HasPrefix(name, "tmp") {
			p.t.Errorf("%s is left", name)
		}
		return nil
	})
	must(p.t, err)
}

// P3: the real program is killed while many clients make it pull. Files with final names are
// complete; no client gets a part of a file as a whole one; served files are served again
// without upstream; unfinished files are removed.
func TestP3PullRandomKills(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewPCG(seed, 1))
	reg := simreg.Demo()
	server, err := reg.Start(simreg.Options{})
	must(t, err)
	defer server.Close()
	reg.Inject(simreg.All, simreg.Fault{Kind: simreg.Latency, Delay: 5 * time.Millisecond, Times: -1})
	p := &puller{t: t, reg: reg, dir: t.TempDir(), given: map[crate.ID]bool{}, args: []string{"-index-url", "sparse+" + strings.TrimPrefix(server.IndexURL, "sparse+"), "-crates-base-url", server.BaseURL}}
	ids := reg.IDs()
	for range fewKills() {
		cmd, url := p.start()
		var clients sync.WaitGroup
		for range 8 {
			order := rnd.Perm(len(ids))
			clients.Go(func() {
				for _, n := range order {
					if !p.get(url, ids[n]) {
						return
					}
				}
			})
		}
		time.Sleep(time.Duration(rnd.Int64N(int64(200 * time.Millisecond))))
		must(t, cmd.Process.Kill())
		_ = cmd.Wait()
		clients.Wait()
		p.check(false)
	}
	_, url := p.start("-offline")
	p.check(true)
	for id := range p.given {
		if !p.get(url, id) {
			t.Errorf("%s was given before the kills, and is not now", id)
		}
	}
	t.Logf("%d versions were given", len(p.given))
}

// The real program is killed while it updates from a sparse index. The index that it has
// remains readable, and one undisturbed sync at the end has everything.
func TestC1SparseSyncKills(t *testing.T) {
	durabletest.Seldom(t, 3)
	indextest.NeedGit(t)
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewPCG(seed, 1))
	reg := simreg.Demo()
	m := newMirrored(t, reg)
	dir, names := filepath.Join(m.dir, "m"), filepath.Join(m.dir, "names")
	sync := func() (*exec.Cmd, *bytes.Buffer) {
		cmd, out := exec.Command("clonecratesio", "sync", "-mirror", dir, "-index-url", "sparse+"+strings.TrimPrefix(m.server.IndexURL, "sparse+"),
			"-index-changes", names, "-index-full-every", "1m", "-crates-base-url", m.server.BaseURL, "-listen", ""), new(bytes.Buffer)
		cmd.Stdout, cmd.Stderr = out, out
		return cmd, out
	}
	for n := range fewKills() + 1 {
		reg.Add(simreg.Version{Name: fmt.Sprintf("followed%d", n), Version: "1.0.0"})
		var list strings.Builder
		for _, id := range reg.IDs() {
			fmt.Fprintln(&list, id.Name)
		}
		must(t, os.WriteFile(names, []byte(list.String()), 0o644))
		cmd, out := sync()
		if n == fewKills() {
			if err := cmd.Run(); err != nil {
				t.Fatalf("after the kills: %v\n%s", err, out)
			}
			break
		}
		must(t, cmd.Start())
		time.Sleep(time.Duration(rnd.Int64N(int64(300 * time.Millisecond))))
		_ = cmd.Process.Kill() // it may have ended
		_ = cmd.Wait()
		if err := readable(filepath.Join(dir, "crates.io-index")); err != nil {
			t.Fatalf("kill %d: %v\n%s", n, err, out)
		}
	}
	for _, id := range reg.IDs() {
		if err := heldWhole(m, filepath.Join(dir, "crates"), id); err != nil {
			t.Error(err)
		}
	}
}
