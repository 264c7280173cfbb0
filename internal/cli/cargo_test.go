package cli

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
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
	"github.com/APTlantis/Mirror-Rust-Crates/internal/doctor"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable/durabletest"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/flags"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/home"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/index/indextest"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/program"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/servecli"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/simreg"
)

// The real cargo builds from mirrors of loose files, of bundles and of the deep archive, over
// HTTP and HTTPS. Unless the test is thorough, it tries one of these at random.
func TestCargoBuildsFromTheMirror(t *testing.T) {
	durabletest.Seldom(t, 3)
	type kind struct {
		name              string
		bundle, tls, deep bool
	}
	for _, tt := range durabletest.Sample(1, []kind{{"loose", false, false, false}, {"bundled", true, true, false}, {"deep", false, false, true}}) {
		t.Run(tt.name, func(t *testing.T) {
			needCargo(t)
			reg := simreg.Demo()
			dir := t.TempDir()
			mirrorDemo(t, reg, dir, tt.bundle)
			cfg := serveConfigOf(dir)
			c := &cargo{t: t, dir: t.TempDir()}
			if tt.deep {
				repackAll(t, dir)
			}
			if tt.tls {
				cfg.TLS.SelfSigned = true // the lines that are printed are all that cargo needs
			}
			s := startServing(t, cfg)
			c.write("home/config.toml", s.lines)
			if tt.deep {
				testHead(t, reg, s, dir)
			}
			c.testBuild(s)
			c.testSearch()
			c.testYanked(reg)
			c.testWrites()
		})
	}
}

// repackAll moves a mirror into the deep archive, and leaves nothing loose.
func repackAll(t *testing.T, dir string) {
	t.Helper()
	var stderr strings.Builder
	if code := (&App{program.App{Stdout: io.Discard, Stderr: &stderr}}).Run(Root, []string{"clonecratesio", "repack", "-mirror", dir}); code != 0 {
		t.Fatalf("repack ends with %d:\n%s", code, &stderr)
	}
	if left, err := filepath.Glob(filepath.Join(dir, "crates", "*", "*", "*.crate")); err != nil || len(left) > 0 {
		t.Errorf("loose files are left: %v, %v", left, err)
	}
}

// testHead: the server does not rebuild a crate to answer HEAD or a client that already has
// it, and keeps rebuilt crates in its cache.
func testHead(t *testing.T, reg *simreg.Registry, s *served, dir string) {
	t.Helper()
	id := crate.ID{Name: "willow", Version: "1.1.0"}
	sum, err := reg.Checksum(id)
	if err != nil {
		t.Fatal(err)
	}
	data, err := reg.CrateBytes(id)
	if err != nil {
		t.Fatal(err)
	}
	cached := filepath.Join(dir, "crates", ".clonecratesio", "deep-cache", sum.String())
	url := regexp.MustCompile(`http://[^/]+`).FindString(s.lines) + "/crates/" + id.URLPath()
	for _, ask := range []struct {
		method, has string
		code        int
	}{{"HEAD", "", 200}, {"GET", sum.String(), 304}, {"GET", "other", 200}} {
		req, err := http.NewRequestWithContext(t.Context(), ask.method, url, nil)
		if err != nil {
			t.Fatal(err)
		}
		if ask.has != "" {
			req.Header.Set("If-None-Match", `"`+ask.has+`"`)
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		if err = errors.Join(err, resp.Body.Close()); err != nil {
			t.Error(err)
		}
		if resp.StatusCode != ask.code || resp.Header.Get("Etag") != `"`+sum.String()+`"` {
			t.Errorf("%s: %s, ETag %s", ask.method, resp.Status, resp.Header.Get("Etag"))
		}
		if ask.method == "HEAD" && resp.ContentLength != int64(len(data)) {
			t.Errorf("HEAD says %d bytes, want %d", resp.ContentLength, len(data))
		}
		_, err = os.Stat(cached)
		if whole := ask.has == "other"; whole != (err == nil) || whole && !bytes.Equal(body, data) {
			t.Errorf("%s, has %q: %d bytes; in the cache: %v", ask.method, ask.has, len(body), err)
		}
	}
}

// testBuild: fetched crates compile, and cargo update fetches nothing again: every index file
// is a 304.
func (c *cargo) testBuild(s *served) {
	c.t.Helper()
	c.write("app/Cargo.toml", `
		[package]
		name = "app"
		version = "0.0.0"
		edition = "2021"
		[dependencies]
		birch-core = "0.1"
		alder-sys = "=1.1.0"
	`)
	c.write("app/src/main.rs", `fn main() { println!("{} {}", birch_core::describe(), alder_sys::describe()); }`)
	c.run("app", "fetch")
	if crates := s.requests(`^/crates/`, 200); crates < 8 {
		c.t.Errorf("cargo fetched %d crates", crates)
	}
	said := c.run("app", "run", "--quiet", "--offline")
	if want := "alder-sys 1.1.0+lib.3.2"; !strings.Contains(said, want) {
		c.t.Errorf("the program says %q, not %q", said, want)
	}

	s.forget()
	c.run("app", "update")
	if all, same := s.requests(`^/index/../|^/index/\d/`, 0), s.requests(`^/index/../|^/index/\d/`, 304); same == 0 || same != all {
		c.t.Errorf("cargo update asked for %d index files again, %d were 304", all, same)
	}
	if n := s.requests(`^/crates/`, 0); n != 0 {
		c.t.Errorf("cargo update fetched %d crates again", n)
	}
}

// testWrites: the server refuses requests that would change the registry, with a text that
// cargo prints, even while cargo is still sending a crate of some MB.
func (c *cargo) testWrites() {
	c.t.Helper()
	c.write("mine/Cargo.toml", "[package]\nname = \"mine\"\nversion = \"0.1.0\"\ndescription = \"x\"\nlicense = \"MIT\"\nedition = \"2021\"\n")
	c.write("mine/src/lib.rs", "")
	noise := make([]byte, 4<<20)
	_, _ = rand.Read(noise)
	c.write("mine/noise", string(noise))
	for _, args := range [][]string{
		{"publish", "--no-verify", "--allow-dirty"},
		{"yank", "willow@1.1.0"}, {"yank", "--undo", "willow@1.1.0"},
		{"owner", "--list", "willow"}, {"owner", "--add", "somebody", "willow"},
	} {
		said, err := c.try("mine", append(args, "--registry", "mirror", "--token", "x")...)
		if err == nil || !strings.Contains(said, "This is a read-only mirror") || strings.Contains(said, "headers:") {
			c.t.Errorf("cargo %s: %v\n%s", args, err, said)
		}
	}
}

func (c *cargo) testSearch() {
	c.t.Helper()
	got := c.run("", "search", "--registry", "mirror", "--limit", "2", "willow")
	if !strings.HasPrefix(got, `willow = "1.1.0"`) || !strings.Contains(got, "3 crates more") {
		c.t.Errorf("cargo search: %s", got)
	}
	if got := c.run("", "info", "--registry", "mirror", "willow@1.1.0"); !strings.Contains(got, "A simulated crate") {
		c.t.Errorf("cargo info: %s", got)
	}
}

// testYanked: a version that was yanked is served to builds that have it in their lock
// file, and hidden from new ones.
func (c *cargo) testYanked(reg *simreg.Registry) {
	c.t.Helper()
	id := crate.ID{Name: "a", Version: "1.0.1"}
	sum, err := reg.Checksum(id)
	if err != nil {
		c.t.Fatal(err)
	}
	c.write("locked/Cargo.toml", "[package]\nname = \"locked\"\nversion = \"0.0.0\"\nedition = \"2021\"\n[dependencies]\na = \"=1.0.1\"\n")
	c.write("locked/src/lib.rs", "")
	if out, err := c.try("locked", "fetch"); err == nil || !strings.Contains(out, "yanked") {
		c.t.Errorf("a fresh resolve takes a yanked version: %v, %s", err, out)
	}
	const source = "registry+https://github.com/rust-lang/crates.io-index"
	c.write("locked/Cargo.lock", fmt.Sprintf("version = 4\n\n[[package]]\nname = \"a\"\nversion = \"1.0.1\"\nsource = %q\nchecksum = %q\n\n"+
		"[[package]]\nname = \"locked\"\nversion = \"0.0.0\"\ndependencies = [\n \"a\",\n]\n", source, sum))
	c.run("locked", "fetch", "--locked")
}

// If the index names versions that are not stored yet, cargo resolves to stored ones, and to
// the others as soon as a run beside the server has downloaded them (H13).
func TestH13CargoResolvesToWhatIsHeld(t *testing.T) {
	durabletest.Seldom(t, 3)
	needCargo(t)
	reg := simreg.New(simreg.MustParse("foo 1.0.0\nfoo 1.1.0\n")...)
	dir := t.TempDir()
	mirrorDemo(t, reg, dir, false)
	reg.Add(simreg.MustParse("foo 1.2.0\n  dep bar ^1\nbar 1.0.0\n")...)
	commitIndex(t, reg, dir)
	s := startServing(t, serveConfigOf(dir))
	c := &cargo{t: t, dir: t.TempDir()}
	c.write("home/config.toml", s.lines)
	c.write("app/Cargo.toml", "[package]\nname = \"app\"\nversion = \"0.0.0\"\nedition = \"2021\"\n[dependencies]\nfoo = \"1\"\n")
	c.write("app/src/lib.rs", "")
	c.run("app", "fetch")
	if lock := c.read("app/Cargo.lock"); !strings.Contains(lock, `version = "1.1.0"`) {
		t.Errorf("foo is not resolved to 1.1.0, the newest that is held:\n%s", lock)
	}

	mirrorDemo(t, reg, dir, false)
	deadline := time.Now().Add(10 * time.Second)
	for !strings.Contains(c.read("app/Cargo.lock"), `version = "1.2.0"`) {
		if time.Now().After(deadline) {
			t.Fatal("foo 1.2.0 is held, but the server does not show it")
		}
		c.run("app", "update")
	}
	c.run("app", "fetch", "--locked")
}

func needCargo(t *testing.T) {
	t.Helper()
	if testing.Short() {
		t.Skip("cargo compiles")
	}
	for _, tool := range []string{"cargo", "git"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skip("no " + tool)
		}
	}
	release, text, err := doctor.CargoRelease(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if !doctor.CanUseSparse(release) {
		t.Skip(text + " cannot use a sparse registry")
	}
}

// cargo runs the real cargo with its own CARGO_HOME.
type cargo struct {
	t   *testing.T
	dir string
	env []string
}

func (c *cargo) write(name, text string) {
	c.t.Helper()
	name = filepath.Join(c.dir, filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		c.t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
		c.t.Fatal(err)
	}
}

func (c *cargo) read(name string) string {
	c.t.Helper()
	data, err := os.ReadFile(filepath.Join(c.dir, filepath.FromSlash(name)))
	if err != nil {
		c.t.Fatal(err)
	}
	return string(data)
}

func (c *cargo) try(folder string, args ...string) (string, error) {
	cmd := exec.CommandContext(c.t.Context(), "cargo", args...)
	cmd.Dir = filepath.Join(c.dir, folder)
	for _, kv := range os.Environ() {
		if !strings.HasPrefix(kv, "CARGO_") && !strings.Contains(strings.ToLower(kv), "_proxy=") {
			cmd.Env = append(cmd.Env, kv)
		}
	}
	cmd.Env = append(cmd.Env, "CARGO_HOME="+filepath.Join(c.dir, "home"), "CARGO_TARGET_DIR="+filepath.Join(c.dir, "target"))
	cmd.Env = append(cmd.Env, c.env...)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func (c *cargo) run(folder string, args ...string) string {
	c.t.Helper()
	out, err := c.try(folder, args...)
	if err != nil {
		c.t.Fatalf("cargo %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return out
}

// mirrorDemo runs download on the mirror in dir.
func mirrorDemo(t *testing.T, reg *simreg.Registry, dir string, bundle bool) {
	t.Helper()
	indextest.NeedGit(t)
	commitIndex(t, reg, dir)
	server, err := reg.Start(simreg.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	args := []string{
		"clonecratesio", "download", "-index-dir", filepath.Join(dir, "crates.io-index"), "-out", filepath.Join(dir, "crates"),
		"-bundles-out", filepath.Join(dir, "bundles"), "-manifest", filepath.Join(dir, "manifest.jsonl"),
		"-crates-base-url", server.BaseURL, "-include-yanked", "-listen", "",
	}
	if bundle {
		args = append(args, "-bundle")
	}
	var stderr strings.Builder
	app := &App{program.App{Stdout: io.Discard, Stderr: &stderr, Dial: simreg.LoopbackOnly, BundleSize: 64 << 10}}
	if code := app.Run(Root, args); code != 0 {
		t.Fatalf("download ends with %d:\n%s", code, &stderr)
	}
}

func commitIndex(t *testing.T, reg *simreg.Registry, dir string) {
	t.Helper()
	if _, err := reg.CommitIndex(t.Context(), filepath.Join(dir, "crates.io-index"), "Update"); err != nil {
		t.Fatal(err)
	}
}

func serveConfigOf(dir string) *servecli.Config {
	return &servecli.Config{
		Dirs: flags.Dirs{Dirs: home.Dirs{Root: dir}}, Listen: "127.0.0.1:0", CacheMB: 1, DeepCacheGB: 1, Log: flags.Log{Format: "json", Level: "debug"},
	}
}

// served is a server that stops with the test.
type served struct {
	lines string // for cargo's configuration
	stop  func() // before the test ends

	mu  sync.Mutex
	log strings.Builder
}

func (s *served) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.log.Write(p)
}

func startServing(t *testing.T, cfg *servecli.Config) *served {
	t.Helper()
	s := new(served)
	r, w := io.Pipe()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		err := servecli.Run(ctx, &program.App{Stdout: w, Stderr: s}, cfg)
		w.CloseWithError(err)
		done <- err
	}()
	s.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(s.stop)
	buf := make([]byte, 4<<10)
	n, err := r.Read(buf) // all lines come in one write
	if err != nil {
		t.Fatal(err)
	}
	s.lines = string(buf[:n])
	return s
}

// requests counts the requests in the log whose path matches and that have the status, if
// that is given.
func (s *served) requests(pattern string, status int) (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	want := regexp.MustCompile(pattern)
	for line := range strings.Lines(s.log.String()) {
		var r struct {
			Msg, Path string
			Status    int
		}
		if json.Unmarshal([]byte(line), &r) == nil && r.Msg == "request" && want.MatchString(r.Path) && (status == 0 || r.Status == status) {
			n++
		}
	}
	return n
}

func (s *served) forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.log.Reset()
}

// writeCertificate makes a self-signed certificate for 127.0.0.1.
func writeCertificate(t *testing.T, certFile, keyFile string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	for name, block := range map[string]*pem.Block{certFile: {Type: "CERTIFICATE", Bytes: der}, keyFile: {Type: "PRIVATE KEY", Bytes: secret}} {
		if err := os.WriteFile(name, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}
