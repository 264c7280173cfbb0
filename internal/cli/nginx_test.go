package cli

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable/durabletest"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/program"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/simreg"
)

const exportedApp = `
	[package]
	name = "app"
	version = "0.0.0"
	edition = "2021"
	[dependencies]
	birch-core = "0.1"
	alder-sys = "=1.1.0"
	a = "1"
`

// A plain web server serves the exported tree to cargo, also versions with "+", and answers
// an update with nothing but 304.
func TestNginxServesAnExport(t *testing.T) {
	durabletest.Seldom(t, 3)
	needCargo(t)
	n := newNginx(t)
	dir := t.TempDir()
	reg := simreg.Demo()
	mirrorDemo(t, reg, dir, true)
	static := filepath.Join(dir, "static")
	base := n.url("http") + "/rust"
	lines := runExport(t, dir, static, "-public-url", base)
	n.start(fmt.Sprintf("location /rust/ { alias %s/; }", static), "")

	c := &cargo{t: t, dir: t.TempDir()}
	c.write("home/config.toml", lines)
	c.write("app/Cargo.toml", exportedApp)
	c.write("app/src/lib.rs", "")
	c.run("app", "fetch")
	if got := n.requests(`/crates/alder-sys/alder-sys-1\.1\.0\+lib\.3\.2\.crate`, 200); got != 1 {
		t.Errorf("a version with a raw + was fetched %d times:\n%s", got, n.log())
	}
	index := `/rust/index/(../|\d/)`
	n.forget()
	c.run("app", "update")
	n.forget()
	c.run("app", "update")
	if all, same := n.requests(index, 0), n.requests(index, 304); same < 3 || same != all {
		t.Errorf("the second update asked for %d index files, of which %d were 304", all, same)
	}
	if got := n.requests(`\.crate`, 0); got != 0 {
		t.Errorf("an update fetched %d crates", got)
	}
	// Every version, as S3 would understand it too.
	for _, id := range reg.IDs() {
		want, err := reg.CrateBytes(id)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{id.FileName(), url.PathEscape(id.FileName()), strings.ReplaceAll(id.FileName(), "+", "%20")} {
			code, got := fetchURL(t, http.DefaultClient, base+"/crates/"+id.Name+"/"+name)
			if code != http.StatusOK || got != string(want) {
				t.Errorf("%s: %d, %d bytes, want %d", name, code, len(got), len(want))
			}
		}
	}

	if code, said := runDoctor("-url", base, "-crate", "alder-sys", "-crate", "a"); code != 0 || strings.Count(said, "warning") != 1 || !strings.Contains(said, "config.json names no api") {
		t.Errorf("doctor ends with %d:\n%s", code, said)
	}

	// What the mirror learns, the tree learns in its next export.
	reg.Add(simreg.MustParse("a 1.0.2")...)
	mirrorDemo(t, reg, dir, true)
	runExport(t, dir, static, "-public-url", base)
	c.run("app", "update")
	if lock := c.read("app/Cargo.lock"); !strings.Contains(lock, `version = "1.0.2"`) {
		t.Errorf("a 1.0.2 is not resolved:\n%s", lock)
	}
}

// cargo reads the exported tree from a disk.
func TestCargoReadsAnExportByFile(t *testing.T) {
	durabletest.Seldom(t, 3)
	needCargo(t)
	dir := t.TempDir()
	reg := simreg.Demo()
	mirrorDemo(t, reg, dir, false)
	c := &cargo{t: t, dir: t.TempDir()}
	static := filepath.Join(dir, "static tree") // the path is escaped in the URL
	c.write("home/config.toml", runExport(t, dir, static))
	c.write("app/Cargo.toml", exportedApp)
	c.write("app/src/lib.rs", "")
	c.run("app", "fetch")
	if lock := c.read("app/Cargo.lock"); !strings.Contains(lock, "1.1.0+lib.3.2") {
		t.Errorf("alder-sys is not resolved to 1.1.0+lib.3.2:\n%s", lock)
	}
	reg.Add(simreg.MustParse("a 1.0.2")...)
	mirrorDemo(t, reg, dir, false)
	runExport(t, dir, static)
	c.run("app", "update")
	c.run("app", "fetch", "--locked")
	if lock := c.read("app/Cargo.lock"); !strings.Contains(lock, `version = "1.0.2"`) {
		t.Errorf("a 1.0.2 is not resolved:\n%s", lock)
	}
}

// TestCargoResolvesAsOf: between two days a version is yanked and another is published again.
// From exports of the two days, cargo makes different lock files, and fetches what each names.
func TestCargoResolvesAsOf(t *testing.T) {
	durabletest.Seldom(t, 3)
	needCargo(t)
	dir := t.TempDir()
	reg := simreg.New(simreg.MustParse("foo 1.0.0\nfoo 1.1.0\nbar 1.0.0\nbar 0.1.0\ngone 1.0.0")...)
	for i := range 20 { // so that one may go
		reg.Add(simreg.Version{Name: fmt.Sprintf("other%d", i), Version: "1.0.0"})
	}
	yanked, again := crate.ID{Name: "foo", Version: "1.1.0"}, crate.ID{Name: "bar", Version: "1.0.0"}
	head := func() string {
		t.Helper()
		out, err := exec.Command("git", "-C", filepath.Join(dir, "crates.io-index"), "rev-parse", "HEAD").Output()
		if err != nil {
			t.Fatal(err)
		}
		return strings.TrimSpace(string(out))
	}
	sum := func() string {
		t.Helper()
		sum, err := reg.Checksum(again)
		if err != nil {
			t.Fatal(err)
		}
		return sum.String()
	}
	mirrorDemo(t, reg, dir, false)
	first, firstSum := head(), sum()
	reg.Remove(again)
	mirrorDemo(t, reg, dir, false)
	reg.Yank(yanked, true)
	reg.Add(simreg.Version{Name: again.Name, Version: again.Version})
	reg.ReplaceBytes(again)
	mirrorDemo(t, reg, dir, false)
	second, secondSum := head(), sum()
	reg.Remove(crate.ID{Name: "gone", Version: "1.0.0"}) // and is there as of before
	mirrorDemo(t, reg, dir, false)

	for commit, want := range map[string]struct{ foo, bar, not string }{
		first: {"1.1.0", firstSum, secondSum}, second: {"1.0.0", secondSum, firstSum},
	} {
		c := &cargo{t: t, dir: t.TempDir()}
		c.write("home/config.toml", runExport(t, dir, filepath.Join(c.dir, "static"), "-as-of", commit[:12]))
		c.write("app/Cargo.toml", "[package]\nname = \"app\"\nversion = \"0.0.0\"\nedition = \"2021\"\n[dependencies]\nfoo = \"1\"\nbar = \"1\"\ngone = \"1\"\n")
		c.write("app/src/lib.rs", "")
		c.run("app", "generate-lockfile")
		lock := c.read("app/Cargo.lock")
		if !strings.Contains(lock, "name = \"foo\"\nversion = \""+want.foo+"\"") || !strings.Contains(lock, want.bar) || strings.Contains(lock, want.not) {
			t.Errorf("as of %s: want foo %s and bar with %s:\n%s", commit, want.foo, want.bar, lock)
		}
		c.run("app", "fetch", "--locked")
	}
}

// cargo reads the index of the exported tree with git over HTTP, from any web server, as cargo
// before 1.68 must.
func TestCargoReadsAnExportByGit(t *testing.T) {
	durabletest.Seldom(t, 3)
	needCargo(t)
	dir := t.TempDir()
	reg := simreg.Demo()
	mirrorDemo(t, reg, dir, true)
	static := filepath.Join(dir, "static")
	web := httptest.NewServer(http.FileServer(http.Dir(static)))
	defer web.Close()
	runExport(t, dir, static, "-public-url", web.URL)
	c := &cargo{t: t, dir: t.TempDir()}
	c.write("home/config.toml", fmt.Sprintf(`
		[source.crates-io]
		replace-with = "mirror"
		[source.mirror]
		registry = %q
		[net]
		git-fetch-with-cli = true
	`, web.URL+"/index.git"))
	c.write("app/Cargo.toml", exportedApp)
	c.write("app/src/lib.rs", "")
	c.run("app", "fetch")
	reg.Add(simreg.MustParse("a 1.0.2")...)
	mirrorDemo(t, reg, dir, true)
	runExport(t, dir, static, "-public-url", web.URL)
	c.run("app", "update")
	c.run("app", "fetch", "--locked")
	if lock := c.read("app/Cargo.lock"); !strings.Contains(lock, `version = "1.0.2"`) || !strings.Contains(lock, "1.1.0+lib.3.2") {
		t.Errorf("a 1.0.2 and alder-sys 1.1.0+lib.3.2 are not resolved:\n%s", lock)
	}
}

// serve works behind a proxy with HTTPS and a path prefix, whether or not the proxy removes
// the prefix.
func TestServeBehindNginx(t *testing.T) {
	durabletest.Seldom(t, 3)
	needCargo(t)
	type way struct{ name, passedTo string }
	for _, tt := range durabletest.Sample(1, []way{{"the prefix is taken away", "/"}, {"the prefix is left", ""}}) {
		t.Run(tt.name, func(t *testing.T) {
			n := newNginx(t)
			dir := t.TempDir()
			mirrorDemo(t, simreg.Demo(), dir, true)
			cfg := serveConfigOf(dir)
			cfg.PublicURL = n.url("https") + "/rust"
			cfg.Listen = freeAddr(t)
			s := startServing(t, cfg)
			cert, key := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
			writeCertificate(t, cert, key)
			n.start(fmt.Sprintf("location /rust/ { proxy_pass http://%s%s; }", cfg.Listen, tt.passedTo),
				fmt.Sprintf("ssl_certificate %s; ssl_certificate_key %s;", cert, key))

			c := &cargo{t: t, dir: t.TempDir(), env: []string{"CARGO_HTTP_CAINFO=" + cert}}
			c.write("home/config.toml", s.lines)
			c.testBuild(s)
			c.testSearch()
			if code, said := runDoctor("-url", cfg.PublicURL, "-cainfo", cert); code != 0 {
				t.Errorf("doctor ends with %d:\n%s", code, said)
			}
			if code, said := runDoctor("-url", cfg.PublicURL); code != 1 || !strings.Contains(said, "CARGO_HTTP_CAINFO") {
				t.Errorf("without the certificate doctor ends with %d:\n%s", code, said)
			}
		})
	}
}

// runExport runs export on the mirror in dir and returns the lines for cargo.
func runExport(t *testing.T, dir, static string, more ...string) string {
	t.Helper()
	return runExportWith(t, append([]string{"-mirror", dir, "-static", static}, more...)...)
}

// runExportWith returns the lines for cargo that export prints.
func runExportWith(t *testing.T, args ...string) string {
	t.Helper()
	var stdout, stderr strings.Builder
	app := &App{program.App{Stdout: &stdout, Stderr: &stderr, Dial: simreg.LoopbackOnly}}
	if code := app.Run(Root, append([]string{"clonecratesio", "export"}, args...)); code != 0 {
		t.Fatalf("export ends with %d:\n%s%s", code, &stdout, &stderr)
	}
	_, lines, ok := strings.Cut(stdout.String(), "# for $CARGO_HOME")
	if !ok {
		t.Fatalf("export prints no lines for cargo: %s", &stdout)
	}
	return "#" + lines
}

func runDoctor(args ...string) (code int, said string) {
	var out strings.Builder
	app := &App{program.App{Stdout: &out, Stderr: &out, Dial: simreg.LoopbackOnly}}
	code = app.Run(Root, append([]string{"clonecratesio", "doctor"}, args...))
	return code, out.String()
}

func freeAddr(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func fetchURL(t *testing.T, client *http.Client, url string) (code int, body string) {
	t.Helper()
	resp, err := client.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(data)
}

// nginx is a real nginx with its own configuration.
type nginx struct {
	t    *testing.T
	dir  string
	addr string
}

func newNginx(t *testing.T) *nginx {
	t.Helper()
	if _, err := exec.LookPath("nginx"); err != nil {
		t.Skip("no nginx")
	}
	return &nginx{t: t, dir: t.TempDir(), addr: freeAddr(t)}
}

func (n *nginx) url(scheme string) string { return scheme + "://" + n.addr }

// start starts nginx with the given server block; with tls it serves HTTPS.
func (n *nginx) start(server, tls string) {
	n.t.Helper()
	user, ssl := "", ""
	if os.Geteuid() == 0 { // its workers would change to another user, and read nothing here
		user = "user root;"
	}
	if tls != "" {
		ssl = " ssl"
	}
	conf := fmt.Sprintf(`%s daemon off; worker_processes 1; pid nginx.pid; error_log error.log;
		events {}
		http {
			log_format test '$status $request_uri'; access_log access.log test;
			client_body_temp_path t1; proxy_temp_path t2; fastcgi_temp_path t3; uwsgi_temp_path t4; scgi_temp_path t5;
			server { listen %s%s; %s %s }
		}
	`, user, n.addr, ssl, tls, server)
	if err := os.WriteFile(filepath.Join(n.dir, "nginx.conf"), []byte(conf), 0o600); err != nil {
		n.t.Fatal(err)
	}
	cmd := exec.Command("nginx", "-p", n.dir, "-c", "nginx.conf", "-e", "error.log")
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		n.t.Fatal(err)
	}
	n.t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGQUIT)
		_ = cmd.Wait()
	})
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		conn, err := net.Dial("tcp", n.addr)
		if err == nil {
			conn.Close()
			return
		}
		if time.Now().After(deadline) {
			text, _ := os.ReadFile(filepath.Join(n.dir, "error.log"))
			n.t.Fatalf("nginx does not listen: %v\n%s", err, text)
		}
	}
}

func (n *nginx) log() string {
	n.t.Helper()
	text, err := os.ReadFile(filepath.Join(n.dir, "access.log"))
	if err != nil {
		n.t.Fatal(err)
	}
	return string(text)
}

// requests counts the requests whose URI matches and that have the status, if that is given.
func (n *nginx) requests(pattern string, status int) int {
	n.t.Helper()
	code := `\d+`
	if status != 0 {
		code = fmt.Sprint(status)
	}
	return len(regexp.MustCompile(`(?m)^`+code+` .*`+pattern).FindAllString(n.log(), -1))
}

func (n *nginx) forget() {
	n.t.Helper()
	if err := os.Truncate(filepath.Join(n.dir, "access.log"), 0); err != nil {
		n.t.Fatal(err)
	}
}
