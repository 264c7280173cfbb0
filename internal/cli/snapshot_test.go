package cli

import (
	"crypto/sha256"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable/durabletest"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/program"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/simreg"
)

// The real cargo resolves to what the index said on a day and gets the bytes of
// then, although a version was yanked and another published again since: two days
// give two lock files, and programs.
func TestCargoBuildsFromSnapshots(t *testing.T) {
	durabletest.Seldom(t, 3)
	needCargo(t)
	reg := simreg.New(simreg.MustParse("foo 1.0.0\nfoo 1.1.0\nbaz 1.0.0\n")...)
	baz := crate.ID{Name: "baz", Version: "1.0.0"}
	dir := t.TempDir()
	syncOn(t, reg, dir, 1)
	before, err := reg.Checksum(baz)
	if err != nil {
		t.Fatal(err)
	}
	reg.Yank(crate.ID{Name: "foo", Version: "1.1.0"}, true)
	reg.ReplaceBytes(baz)
	syncOn(t, reg, dir, 3)
	after, err := reg.Checksum(baz)
	if err != nil {
		t.Fatal(err)
	}

	s := startServing(t, serveConfigOf(dir))
	c := &cargo{t: t, dir: t.TempDir()}
	for _, day := range []struct {
		day, foo string
		baz      crate.Checksum
	}{{"2026-01-01", "1.1.0", before}, {"2026-01-03", "1.0.0", after}} {
		c.project(day.day, strings.Replace(s.lines, "/index/", "/snapshot/"+day.day+"/", 1))
		c.run(day.day, "fetch")
		if lock := c.read(day.day + "/Cargo.lock"); !strings.Contains(lock, `version = "`+day.foo+`"`) || !strings.Contains(lock, day.baz.String()) {
			t.Errorf("on %s foo is not resolved to %s, or baz not to %s:\n%s", day.day, day.foo, day.baz, lock)
		}
		if said, want := c.run(day.day, "run", "--quiet", "--offline"), "foo "+day.foo+" baz 1.0.0"; strings.TrimSpace(said) != want {
			t.Errorf("on %s the program says %q, not %q", day.day, said, want)
		}
		s.forget()
		c.run(day.day, "update")
		if all, same := s.requests(`^/snapshot/[^/]+/3/`, 0), s.requests(`^/snapshot/[^/]+/3/`, 304); all != 2 || same != 2 {
			t.Errorf("cargo update asked for %d index files, %d were 304; want 2", all, same)
		}
	}
	c.wantCached("baz-1.0.0.crate", before, after)

	// What was built on a day does not build from the index of now, but from the
	// snapshot, be it given by its commit.
	lock := c.read("2026-01-01/Cargo.lock")
	c.project("now", s.lines)
	c.write("now/Cargo.lock", lock)
	if said, err := c.try("now", "fetch", "--locked"); err == nil || !strings.Contains(said, "checksum for `baz v1.0.0` changed between lock files") {
		t.Errorf("from the index of now: %v\n%s", err, said)
	}
	commit, err := exec.Command("git", "--git-dir", filepath.Join(dir, "crates.io-index"), "rev-parse", "refs/clonecratesio/days/2026-01-01").Output()
	if err != nil {
		t.Fatal(err)
	}
	c.project("commit", strings.Replace(s.lines, "/index/", "/snapshot/"+strings.TrimSpace(string(commit))+"/", 1))
	c.write("commit/Cargo.lock", lock)
	c.run("commit", "fetch", "--locked")

	c.project("never", strings.Replace(s.lines, "/index/", "/snapshot/2025-12-31/", 1))
	if said, err := c.try("never", "fetch"); err == nil || !strings.Contains(said, "config.json") {
		t.Errorf("before the first day: %v\n%s", err, said)
	}
}

// project writes a program that needs foo and baz, with its own configuration.
func (c *cargo) project(name, config string) {
	c.t.Helper()
	c.write(name+"/.cargo/config.toml", config)
	c.write(name+"/Cargo.toml", "[package]\nname = \"app\"\nversion = \"0.0.0\"\nedition = \"2021\"\n[dependencies]\nfoo = \"1\"\nbaz = \"1\"\n")
	c.write(name+"/src/main.rs", `fn main() { println!("{} {}", foo::describe(), baz::describe()); }`)
}

// wantCached wants crate files in the caches of as many registries, with checksums.
func (c *cargo) wantCached(file string, sums ...crate.Checksum) {
	c.t.Helper()
	found, err := filepath.Glob(filepath.Join(c.dir, "home", "registry", "cache", "*", file))
	if err != nil || len(found) != len(sums) {
		c.t.Fatalf("cargo keeps %q, %v; want %d", found, err, len(sums))
	}
	got := map[crate.Checksum]bool{}
	for _, name := range found {
		data, err := os.ReadFile(name)
		if err != nil {
			c.t.Fatal(err)
		}
		got[sha256.Sum256(data)] = true
	}
	for _, sum := range sums {
		if !got[sum] {
			c.t.Errorf("cargo has no %s with the bytes of %s", file, sum)
		}
	}
}

// syncOn publishes what a registry has on a day of January 2026, and syncs.
func syncOn(t *testing.T, reg *simreg.Registry, dir string, day int) {
	t.Helper()
	reg.Date(time.Date(2026, 1, day, 12, 0, 0, 0, time.UTC))
	upstream := filepath.Join(dir, "upstream.git")
	if _, err := reg.CommitIndex(t.Context(), upstream, "Update"); err != nil {
		t.Fatal(err)
	}
	server, err := reg.Start(simreg.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	var stderr strings.Builder
	app := &App{program.App{Stdout: io.Discard, Stderr: &stderr, Dial: simreg.LoopbackOnly}}
	if code := app.Run(Root, []string{"clonecratesio", "sync", "-mirror", dir, "-index-url", upstream,
		"-crates-base-url", server.BaseURL, "-accept-republished", "always", "-listen", ""}); code != 0 {
		t.Fatalf("sync ends with %d:\n%s", code, &stderr)
	}
}
