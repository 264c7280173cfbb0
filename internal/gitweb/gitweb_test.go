package gitweb

import (
	"bytes"
	"compress/gzip"
	"context"
	"io"
	"io/fs"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/index"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/index/indextest"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/reader"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/simreg"
)

// serveIndex serves an index of one crate, with a day of its past and a reference that must
// stay private.
func serveIndex(t *testing.T) (url, dir string, reg *simreg.Registry) {
	t.Helper()
	indextest.NeedGit(t)
	dir = filepath.Join(t.TempDir(), "index.git")
	reg = simreg.New(simreg.MustParse("foo 1.0.0\nbar 1.0.0")...)
	commit(t, reg, dir)
	indextest.Git(t, dir, "update-ref", index.DaysRef+"/2026-01-01", "HEAD")
	indextest.Git(t, dir, "update-ref", "refs/secret/branch", "HEAD")
	indextest.Git(t, dir, "config", "uploadpack.packObjectsHook", "touch hooked; exec")
	s := httptest.NewServer(New(Config{Index: dir, Log: slog.New(slog.DiscardHandler)}))
	t.Cleanup(s.Close)
	return s.URL + Prefix, dir, reg
}

func commit(t *testing.T, reg *simreg.Registry, dir string) {
	t.Helper()
	if _, err := reg.CommitIndex(t.Context(), dir, "an update"); err != nil {
		t.Fatal(err)
	}
}

// TestGitFetches checks with each version of the protocol that a clone, whole or shallow, and
// a later fetch bring the right commits, and that days are visible and other references are
// not.
func TestGitFetches(t *testing.T) {
	url, dir, reg := serveIndex(t)
	clones := map[string]string{}
	for _, version := range []string{"0", "1", "2"} {
		to := filepath.Join(t.TempDir(), "clone")
		indextest.Git(t, dir, "-c", "protocol.version="+version, "clone", "--quiet", "--bare", "--depth=1", url+"index", to)
		clones[version] = to
	}
	reg.Add(simreg.MustParse("foo 1.1.0")...)
	commit(t, reg, dir)
	want := indextest.Git(t, dir, "rev-parse", "HEAD")
	for version, to := range clones {
		indextest.Git(t, to, "-c", "protocol.version="+version, "fetch", "--quiet", "origin", "+HEAD:refs/heads/master", "+"+index.DaysRef+"/*:"+index.DaysRef+"/*")
		if got := indextest.Git(t, to, "rev-parse", "master"); got != want {
			t.Errorf("version %s: master is %s, want %s", version, got, want)
		}
		if lines := indextest.Git(t, to, "cat-file", "blob", "master:3/f/foo"); !strings.Contains(lines, `"vers":"1.1.0"`) {
			t.Errorf("version %s: foo is %q", version, lines)
		}
		indextest.Git(t, to, "rev-parse", index.DaysRef+"/2026-01-01")
		indextest.Git(t, to, "fsck", "--strict")
	}
	if refs := indextest.Git(t, dir, "ls-remote", url+"index.git"); strings.Contains(refs, "secret") {
		t.Errorf("references of others are shown:\n%s", refs)
	}
	if hooked, _ := filepath.Glob(filepath.Join(dir, "hooked")); hooked != nil {
		t.Error("a program that the repository names was run")
	}
	if out, err := exec.CommandContext(t.Context(), "git", "-C", dir, "push", "--quiet", url+"index", "HEAD:refs/heads/other").CombinedOutput(); err == nil {
		t.Errorf("git push was let in: %s", out)
	}
}

// TestHostileRequests checks that invalid requests are refused with bounded effort.
func TestHostileRequests(t *testing.T) {
	url, _, _ := serveIndex(t)
	zeros := func(n int) []byte {
		var b bytes.Buffer
		z := gzip.NewWriter(&b)
		z.Write(make([]byte, n))
		z.Close()
		return b.Bytes()
	}
	for _, tt := range []struct {
		what, method, path, kind, encoding string
		body                               []byte
		want                               int
	}{
		{"another folder", "GET", "../etc/info/refs?service=git-upload-pack", "", "", nil, 404},
		{"a name with dots", "GET", "index..git/info/refs?service=git-upload-pack", "", "", nil, 404},
		{"no registry", "GET", "registry/info/refs?service=git-upload-pack", "", "", nil, 404},
		{"the dumb protocol", "GET", "index/info/refs", "", "", nil, 403},
		{"objects", "GET", "index/objects/info/packs", "", "", nil, 404},
		{"HEAD", "GET", "index/HEAD", "", "", nil, 404},
		{"a push", "GET", "index/info/refs?service=git-receive-pack", "", "", nil, 403},
		{"a push with a body", "POST", "index/git-receive-pack", "", "", nil, 403},
		{"no type", "POST", "index/git-upload-pack", "", "", nil, 400},
		{"no packet lines", "POST", "index/git-upload-pack", requestType, "", []byte("hello world"), 400},
		{"an unknown encoding", "POST", "index/git-upload-pack", requestType, "br", []byte("x"), 400},
		{"half a gzip", "POST", "index/git-upload-pack", requestType, "gzip", zeros(100)[:20], 400},
		{"too much", "POST", "index/git-upload-pack", requestType, "", make([]byte, maxRequest+1), 413},
		{"a bomb", "POST", "index/git-upload-pack", requestType, "gzip", zeros(maxRequest + 1), 413},
	} {
		r, err := http.NewRequestWithContext(t.Context(), tt.method, url+tt.path, bytes.NewReader(tt.body))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", tt.kind)
		r.Header.Set("Content-Encoding", tt.encoding)
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Errorf("%s: %v", tt.what, err)
			continue
		}
		text, _ := io.ReadAll(resp.Body)
		resp.Body.Close()
		if resp.StatusCode != tt.want {
			t.Errorf("%s: %s %.100q, want %d", tt.what, resp.Status, text, tt.want)
		}
	}
}

const requestType = "application/x-git-upload-pack-request"

// TestPlainFolder checks that the answer explains why a plain folder cannot be fetched.
func TestPlainFolder(t *testing.T) {
	s := httptest.NewServer(New(Config{Index: t.TempDir(), Log: slog.New(slog.DiscardHandler)}))
	defer s.Close()
	resp, err := http.Get(s.URL + Prefix + "index/info/refs?service=git-upload-pack")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if text, _ := io.ReadAll(resp.Body); resp.StatusCode != 404 || !strings.Contains(string(text), "plain folder") {
		t.Errorf("%s %s", resp.Status, text)
	}
}

// TestRegistry checks that the registry has the visible lines and our config.json, borrows
// complete files from the index, and follows changes.
func TestRegistry(t *testing.T) {
	_, dir, reg := serveIndex(t)
	shown := &some{reg: reg, left: map[string]bool{"foo 1.0.0": true}}
	r, err := OpenRegistry(RegistryConfig{
		Dir: filepath.Join(t.TempDir(), "registry.git"), Index: dir, Mirror: shown, Config: []byte(`{"dl":"here"}`), Log: slog.New(slog.DiscardHandler),
	}, durable.Self("a test"))
	must(t, err)
	defer func() { must(t, r.Close()) }()
	s := httptest.NewServer(New(Config{Index: dir, Registry: r.GitDir, Log: slog.New(slog.DiscardHandler)}))
	defer s.Close()
	resp, err := http.Get(s.URL + "/git/registry/info/refs?service=git-upload-pack")
	must(t, err)
	resp.Body.Close()
	if resp.StatusCode != 503 {
		t.Errorf("before it is made: %s", resp.Status)
	}
	must(t, r.Update(t.Context()))
	to := filepath.Join(t.TempDir(), "clone")
	indextest.Git(t, dir, "clone", "--quiet", "--bare", s.URL+"/git/registry", to)
	if got := indextest.Git(t, to, "ls-tree", "-r", "--name-only", "HEAD"); got != "3/b/bar\nconfig.json" {
		t.Errorf("the registry has %q", got)
	}
	if got := indextest.Git(t, to, "cat-file", "blob", "HEAD:config.json"); got != `{"dl":"here"}` {
		t.Errorf("config.json is %s", got)
	}
	shown.left = map[string]bool{"bar 1.0.0": true}
	reg.Add(simreg.MustParse("foo 1.1.0\nbar 1.1.0")...)
	commit(t, reg, dir)
	shown.generation++
	must(t, r.Update(t.Context()))
	indextest.Git(t, to, "fetch", "--quiet", "origin", "+HEAD:refs/heads/master")
	indextest.Git(t, to, "fsck", "--strict")
	if lines := indextest.Git(t, to, "cat-file", "blob", "HEAD:3/b/bar"); strings.Contains(lines, "1.0.0\"") || !strings.Contains(lines, "1.1.0") {
		t.Errorf("bar is %q", lines)
	}
	if a, b := indextest.Git(t, to, "rev-parse", "HEAD:3/f/foo"), indextest.Git(t, dir, "rev-parse", "HEAD:3/f/foo"); a != b {
		t.Errorf("foo, which is whole, is %s, in the index %s", a, b)
	}
}

// TestRegistryFollows checks that an update reads only the crates that changed in the index
// and those that were incomplete, and that the result equals a registry made from nothing.
func TestRegistryFollows(t *testing.T) {
	_, dir, reg := serveIndex(t)
	reg.Add(simreg.MustParse("baz 1.0.0\nqux 1.0.0")...)
	commit(t, reg, dir)
	shown := &some{reg: reg, left: map[string]bool{"baz 1.0.0": true}}
	rules := uint64(0)
	open := func() *Registry {
		r, err := OpenRegistry(RegistryConfig{
			Dir: filepath.Join(t.TempDir(), "registry.git"), Index: dir, Mirror: shown, Rules: func() uint64 { return rules }, Config: []byte("{}"), Log: slog.New(slog.DiscardHandler),
		}, durable.Self("a test"))
		must(t, err)
		t.Cleanup(func() { must(t, r.Close()) })
		must(t, r.Update(t.Context()))
		return r
	}
	r := open()
	update := func(what string, asked int) {
		t.Helper()
		shown.asked = 0
		shown.generation++
		must(t, r.Update(t.Context()))
		if shown.asked != asked {
			t.Errorf("%s: %d crates were looked at, want %d", what, shown.asked, asked)
		}
		got, want := indextest.Git(t, r.cfg.Dir, "rev-parse", "master^{tree}"), indextest.Git(t, open().cfg.Dir, "rev-parse", "master^{tree}")
		if got != want {
			t.Errorf("%s: the tree is %s, made anew it is %s", what, got, want)
		}
		if n := indextest.Git(t, r.cfg.Dir, "rev-list", "--count", "master"); n != "1" {
			t.Errorf("%s: there are %s commits", what, n)
		}
	}
	update("one was not held at first", 1)
	delete(shown.left, "baz 1.0.0")
	update("it is held", 1)
	shown.left["foo 1.1.0"], shown.left["new 1.0.0"] = true, true
	reg.Add(simreg.MustParse("foo 1.1.0\nnew 1.0.0")...)
	commit(t, reg, dir)
	update("two that are not held yet", 2)
	delete(shown.left, "foo 1.1.0")
	update("one of them is held", 2)
	update("nothing is new", 1)
	delete(shown.left, "new 1.0.0")
	update("the other one is", 1)
	update("nothing is open", 0)
	was, err := shown.Crate(t.Context(), "qux")
	must(t, err)
	shown.late = map[string]*reader.Crate{"qux": was} // still shown as before
	reg.Remove(crate.ID{Name: "qux", Version: "1.0.0"})
	reg.Yank(crate.ID{Name: "bar", Version: "1.0.0"}, true)
	commit(t, reg, dir)
	update("one is gone, and shown still; one yanked", 1)
	shown.late = nil
	update("it is shown no more", 0)
	shown.left["baz 1.0.0"] = true
	rules++
	update("a rule hides one", 4)
}

// some is a mirror without some versions of another.
type some struct {
	reg        *simreg.Registry
	left       map[string]bool
	late       map[string]*reader.Crate
	generation uint64
	asked      int
}

func (s *some) Generation() uint64 { return s.generation }

func (s *some) Crate(_ context.Context, name string) (*reader.Crate, error) {
	s.asked++
	if c := s.late[name]; c != nil {
		return c, nil
	}
	c := &reader.Crate{}
	for _, id := range s.reg.IDs() {
		if id.Name == name && !s.left[id.String()] {
			line, err := s.reg.Entry(id)
			if err != nil {
				return nil, err
			}
			c.Entries = append(c.Entries, reader.Entry{Entry: index.Entry{ID: id, Raw: line}})
		}
	}
	if len(c.Entries) == 0 {
		return nil, fs.ErrNotExist
	}
	return c, nil
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
