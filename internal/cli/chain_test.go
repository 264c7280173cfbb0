package cli

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable/durabletest"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/program"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/servecli"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/simreg"
)

// do runs a command of ours, and returns what it prints.
func do(t *testing.T, args ...string) string {
	t.Helper()
	var stdout, stderr strings.Builder
	if code := (&App{program.App{Stdout: &stdout, Stderr: &stderr, Dial: simreg.LoopbackOnly}}).Run(Root, append([]string{"clonecratesio"}, args...)); code != 0 {
		t.Fatalf("clonecratesio %v ends with %d:\n%s%s", args, code, &stdout, &stderr)
	}
	return stdout.String()
}

// root returns the root URL of a server.
func (s *served) root() string { return regexp.MustCompile(`http://[^/]+`).FindString(s.lines) }

// The real cargo builds at the end of a chain: a mirror with bundles and a loose crate, a
// mirror of that mirror made as docs/replicas.md describes, which asks no other server, and a
// proxy that pulls from the second mirror.
func TestCargoBuildsAtTheEndOfAChain(t *testing.T) {
	needCargo(t)
	durabletest.Asked(t)
	reg := simreg.Demo()
	a, b := t.TempDir(), t.TempDir()
	mirrorDemo(t, reg, a, true)
	reg.Add(simreg.MustParse("willow 1.9.0")...)
	commitIndex(t, reg, a)
	upstream, err := reg.Start(simreg.Options{})
	if err != nil {
		t.Fatal(err)
	}
	do(t, "sync", "-mirror", a, "-skip-index-update", "-crates-base-url", upstream.BaseURL, "-listen", "")
	upstream.Close() // from here on, A is all there is
	asked := reg.TotalRequests()

	first := startServing(t, serveConfigOf(a))
	if said := do(t, "replicate", "-from", first.root()+"/replicate/", "-to", b); !strings.Contains(said, "compared with the peer's index") {
		t.Errorf("replicate says %s", said)
	}
	do(t, "sync", "-mirror", b, "-crates-base-url", first.root()+"/crates", "-listen", "")
	do(t, "verify", "-mirror", b)
	cfg := serveConfigOf(b)
	cfg.Git = true
	second := startServing(t, cfg)

	proxy := pullsFrom(t, t.TempDir(), second)
	third := startServing(t, proxy)
	c := &cargo{t: t, dir: t.TempDir()}
	c.write("home/config.toml", third.lines)
	c.testBuild(third)
	c.write("loose/Cargo.toml", "[package]\nname = \"loose\"\nversion = \"0.0.0\"\nedition = \"2021\"\n[dependencies]\nwillow = \"1.9\"\n")
	c.write("loose/src/lib.rs", "")
	c.run("loose", "build", "--quiet")
	if n := reg.TotalRequests(); n != asked {
		t.Errorf("the registry was asked %d times more", n-asked)
	}
	testOldCargo(t, second)

	// What was pulled is enough when all others are gone.
	proxy.Pull.Offline = true
	third.stop()
	last := startServing(t, proxy)
	again := &cargo{t: t, dir: t.TempDir()}
	again.write("home/config.toml", last.lines)
	again.testBuild(last)
}

// pullsFrom starts a proxy of another server.
func pullsFrom(t *testing.T, dir string, of *served) *servecli.Config {
	t.Helper()
	cfg := serveConfigOf(dir)
	urls, err := crate.ParseURLTemplate(of.root() + "/crates")
	if err != nil {
		t.Fatal(err)
	}
	cfg.Pull = servecli.Pull{On: true, Only: true, IndexURL: "sparse+" + of.root() + "/index/", IndexAge: time.Minute}
	cfg.Pull.Origin.URLs, cfg.Pull.Net.Protocol, cfg.Pull.Net.Attempts = urls, "auto", 2
	cfg.Pull.Net.RetryBase, cfg.Pull.Net.RetryMax = time.Millisecond, time.Second
	return cfg
}

// oldCargo is cargo 1.65, the version in Debian 12: it has no sparse protocol.
const oldCargo = "cargo-1.65"

// testOldCargo: a cargo that fetches its registry with git resolves and fetches.
func testOldCargo(t *testing.T, s *served) {
	t.Helper()
	if _, err := exec.LookPath(oldCargo); err != nil {
		t.Log("no " + oldCargo)
		return
	}
	c := &cargo{t: t, dir: t.TempDir()}
	c.write("home/config.toml", fmt.Sprintf("[source.crates-io]\nreplace-with = \"old\"\n[source.old]\nregistry = %q\n", s.root()+"/git/registry"))
	c.write("app/Cargo.toml", "[package]\nname = \"app\"\nversion = \"0.0.0\"\nedition = \"2021\"\n[dependencies]\nbirch-core = \"0.1\"\nwillow = \"1.9\"\n")
	c.write("app/src/lib.rs", "")
	var out []byte
	var err error
	for range 40 { // the registry is made in the background
		cmd := exec.CommandContext(t.Context(), oldCargo, "fetch")
		cmd.Dir, cmd.Env = filepath.Join(c.dir, "app"), append(os.Environ(), "CARGO_HOME="+filepath.Join(c.dir, "home"))
		if out, err = cmd.CombinedOutput(); err == nil {
			break
		}
		time.Sleep(250 * time.Millisecond)
	}
	if err != nil || !strings.Contains(c.read("app/Cargo.lock"), "1.9.0") {
		t.Errorf("%s fetch: %v\n%s", oldCargo, err, out)
	}
}
