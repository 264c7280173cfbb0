package cli

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/access"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable/durabletest"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/simreg"
)

const gateRegistry = "foo 1.0.0\n  pubtime 2024-01-01T00:00:00Z\nfoo 1.1.0\n  pubtime 2024-01-02T00:00:00Z\nfoo 1.2.0\n  pubtime %s\n"

// The real cargo, which knows nothing of policies, resolves to versions that the policy shows:
// not to one that is too young, has an advisory or is denied. With a lock file that names
// such a version it fails, and its output has the reason.
func TestCargoBehindAPolicy(t *testing.T) {
	durabletest.Seldom(t, 3)
	needCargo(t)
	dir := t.TempDir()
	young := time.Now().Add(-time.Hour).UTC().Format(time.RFC3339)
	reg := simreg.New(simreg.MustParse(fmt.Sprintf(gateRegistry, young))...)
	mirrorDemo(t, reg, dir, false)
	write := func(name, text string) string {
		t.Helper()
		name = filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		return name
	}
	write("db/crates/foo/RUSTSEC-2026-0001.md", "```toml\n[advisory]\nid = \"RUSTSEC-2026-0001\"\npackage = \"foo\"\ndate = \"2026-01-01\"\n\n[versions]\npatched = []\nunaffected = [\"< 1.1.0\"]\n```\n\n# It steals\n\nText.\n")
	cfg := serveConfigOf(dir)
	cfg.Policy.Files = []string{
		"age=" + write("age.toml", "[age]\nmin-age = \"7d\"\n"),
		"advisory=" + write("advisory.toml", "[advisories]\ndatabases = [\"db\"]\n"),
		"deny=" + write("deny.toml", "contact = \"security@example.com\"\n[[deny]]\ncrate = \"foo\"\nversions = \">=1.1.0\"\nreason = \"a backdoor\"\n"),
	}
	cfg.Policy.Locked = true
	s := startServing(t, cfg)
	base := strings.TrimSuffix(strings.SplitN(strings.SplitN(s.lines, "sparse+", 2)[1], "\"", 2)[0], "/index/")
	for view, want := range map[string]string{"age": "1.1.0", "advisory": "1.0.0", "deny": "1.0.0"} {
		c := &cargo{t: t, dir: t.TempDir()}
		c.write("home/config.toml", "[source.crates-io]\nreplace-with = \"mirror\"\n[source.mirror]\nregistry = \"sparse+"+base+"/policy/"+view+"/index/\"\n")
		c.write("app/Cargo.toml", "[package]\nname = \"app\"\nversion = \"0.0.0\"\nedition = \"2021\"\n[dependencies]\nfoo = \"1\"\n")
		c.write("app/src/lib.rs", "")
		c.run("app", "fetch")
		if lock := c.read("app/Cargo.lock"); !strings.Contains(lock, fmt.Sprintf("name = \"foo\"\nversion = %q", want)) {
			t.Errorf("%s: foo is not resolved to %s:\n%s", view, want, lock)
		}
		id := crate.ID{Name: "foo", Version: "1.2.0"}
		sum, err := reg.Checksum(id)
		if err != nil {
			t.Fatal(err)
		}
		c.write("app/Cargo.lock", strings.NewReplacer(want, "1.2.0").Replace(c.read("app/Cargo.lock")))
		lock := c.read("app/Cargo.lock")
		at := strings.Index(lock, "checksum = ")
		c.write("app/Cargo.lock", lock[:at]+fmt.Sprintf("checksum = %q", sum)+lock[at+len("checksum = ")+66:])
		said, err := c.try("app", "fetch", "--locked")
		if err == nil || !strings.Contains(said, "foo = \"^1\"` (locked to 1.2.0)\ncandidate versions found which didn't match: "+want) {
			t.Errorf("%s: a lock file that names 1.2.0: %v\n%s", view, err, said)
		}
		if view != "age" {
			continue
		}
		// With a view for lock files it builds, since the version is hidden from resolution
		// alone.
		c.write("home/config.toml", strings.Replace(c.read("home/config.toml"), "/policy/age/", "/policy/age-locked/", 1))
		c.run("app", "fetch", "--locked")
	}
	// The line that a cache has kept leads cargo to a download: what it prints then.
	c := &cargo{t: t, dir: t.TempDir()}
	c.write("home/config.toml", "[registries.mirror]\nindex = \"sparse+"+base+"/index/\"\n[source.crates-io]\nreplace-with = \"mirror\"\n")
	c.write("app/Cargo.toml", "[package]\nname = \"app\"\nversion = \"0.0.0\"\nedition = \"2021\"\n[dependencies]\nfoo = \"=1.2.0\"\n")
	c.write("app/src/lib.rs", "")
	c.run("app", "generate-lockfile")
	app := &App{}
	app.Stdout, app.Stderr = io.Discard, os.Stderr
	if code := app.Run(Root, []string{"clonecratesio", "block", "foo@1.2.0", "-mirror", dir, "-reason", "stolen token"}); code != 0 {
		t.Fatalf("block ends with %d", code)
	}
	for begin := time.Now(); ; time.Sleep(10 * time.Millisecond) {
		resp, err := http.Get(base + "/crates/foo/1.2.0/download")
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode == http.StatusForbidden {
			break
		}
		if time.Since(begin) > time.Second+500*time.Millisecond { // it promises a second
			t.Fatal("what is blocked is given out")
		}
	}
	said, err := c.try("app", "fetch", "--locked")
	if err == nil || !strings.Contains(said, "This mirror does not serve foo 1.2.0: its operator has blocked it, stolen token; since 20") {
		t.Errorf("a version that is blocked: %v\n%s", err, said)
	}
}

// The real cargo builds with a token. Without one, or with a wrong one, it prints what to do.
// The log has no token.
func TestCargoWithAToken(t *testing.T) {
	needCargo(t)
	dir := t.TempDir()
	mirrorDemo(t, simreg.New(simreg.MustParse("foo 1.0.0\n")...), dir, false)
	tokens := filepath.Join(dir, "tokens")
	var secret string
	err := access.Change(t.Context(), tokens, func(list []access.Token) ([]access.Token, error) {
		one, s, err := access.NewToken("ci", time.Time{})
		secret = s
		return append(list, one), err
	})
	if err != nil {
		t.Fatal(err)
	}
	cfg := serveConfigOf(dir)
	cfg.Access.Tokens = tokens
	s := startServing(t, cfg)
	for name, tt := range map[string]struct{ token, want string }{
		"good": {secret, ""}, "none": {"", "no token found for `mirror`, please run `cargo login --registry mirror`"}, "wrong": {"ccio_wrong", "token rejected"},
	} {
		c := &cargo{t: t, dir: t.TempDir()}
		c.write("home/config.toml", s.lines+"\n[registry]\nglobal-credential-providers = [\"cargo:token\"]\n")
		c.write("app/Cargo.toml", "[package]\nname = \"app\"\nversion = \"0.0.0\"\nedition = \"2021\"\n[dependencies]\nfoo = \"1\"\n")
		c.write("app/src/lib.rs", "")
		if tt.token != "" {
			c.env = append(c.env, "CARGO_REGISTRIES_MIRROR_TOKEN="+tt.token)
		}
		said, err := c.try("app", "fetch")
		if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(said, tt.want)) {
			t.Errorf("%s: %v\n%s", name, err, said)
		}
		if tt.want == "" {
			if found := c.run("", "search", "--registry", "mirror", "foo"); !strings.Contains(found, "foo = ") {
				t.Errorf("cargo search: %s", found)
			}
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if log := s.log.String(); strings.Contains(log, secret) || strings.Contains(log, "ccio_") || !strings.Contains(log, `"path":"/index/config.json"`) {
		t.Errorf("a token is in the log, or there is no log of requests:\n%s", log)
	}
}
