package cli

import (
	"bytes"
	"fmt"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/flags"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/program"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/simreg"
)

// upstreamWorld has a registry of two crates, an index, and a folder to mirror into.
type upstreamWorld struct {
	dir, index string
	reg        *simreg.Registry
	server     *simreg.Server
}

func newUpstreamWorld(t *testing.T) *upstreamWorld {
	t.Helper()
	return newUpstreamWorldOf(t, "foo 1.0.0\nBar 1.0.0+x\n")
}

func newUpstreamWorldOf(t *testing.T, list string) *upstreamWorld {
	t.Helper()
	versions, err := simreg.Parse(list)
	if err != nil {
		t.Fatal(err)
	}
	w := &upstreamWorld{dir: t.TempDir(), reg: simreg.New(versions...)}
	if w.server, err = w.reg.Start(simreg.Options{}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.server.Close)
	w.index = filepath.Join(w.dir, "index")
	if err := w.reg.WriteIndex(w.index); err != nil {
		t.Fatal(err)
	}
	return w
}

// host returns the address at which the registry listens.
func (w *upstreamWorld) host() string {
	u, _ := url.Parse(w.server.BaseURL)
	return u.Host
}

func (w *upstreamWorld) setConfig(t *testing.T, content string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(w.index, "config.json"), []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}

// download mirrors into a folder with that name, and returns the exit code and all output.
func (w *upstreamWorld) download(out string, more ...string) (code int, said string) {
	return runLocal(append([]string{"clonecratesio", "download", "-index-dir", w.index, "-out", filepath.Join(w.dir, out, "crates"),
		"-bundles-out", filepath.Join(w.dir, out, "bundles"), "-manifest", filepath.Join(w.dir, out, "manifest.jsonl"),
		"-listen", "", "-log-level", "debug", "-retries", "1", "-second-pass", "10ms", "-include-yanked"}, more...)...)
}

func runLocal(args ...string) (code int, said string) {
	var out bytes.Buffer
	app := &App{program.App{Stdout: &out, Stderr: &out}}
	code = app.Run(Root, args)
	return code, out.String()
}

// grep returns the files below a folder that have a text in them.
func grep(t *testing.T, dir, text string) (found []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		content, err := os.ReadFile(path)
		if bytes.Contains(content, []byte(text)) {
			found = append(found, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// B29: crates are where flags and config.json say.
func TestB29WhereCratesAre(t *testing.T) {
	w := newUpstreamWorld(t)
	root := "http://" + w.host()
	for _, tt := range []struct {
		name, config, base string
		code               int
		want               string // is said
	}{
		{"as in v1.1.0", "", root + "/crates/", 0, "2 of 2"},
		{"cargo's form", "", root + "/crates/{crate}/{version}/download", 0, "2 of 2"},
		{"all markers but the checksum", "", root + "/crates/{crate}/{crate}-{version}.crate", 0, "2 of 2"},
		{"auto", `{"dl":"` + root + `/crates"}`, flags.Auto, 0, "2 of 2"},
		{"auto with markers", `{"dl":"` + root + `/crates/{crate}/{crate}-{version}.crate"}`, flags.Auto, 0, "2 of 2"},
		{"auto without config.json", "-", flags.Auto, 1, "say it with -crates-base-url URL"},
		{"auto with a query", `{"dl":"` + root + `/crates?token=s3cret"}`, flags.Auto, 1, "has a query or a fragment"},
		{"the index alone leads into a private network", `{"dl":"` + root + `/crates"}`, "", 3, "refused a connection to the private address 127.0.0.1"},
		{"no such form", "", root + "/nothing/{crate}/{version}", 3, "gone upstream"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			switch tt.config {
			case "":
			case "-":
				if err := os.Remove(filepath.Join(w.index, "config.json")); err != nil {
					t.Fatal(err)
				}
			default:
				w.setConfig(t, tt.config)
			}
			var flags []string
			if tt.base != "" {
				flags = []string{"-crates-base-url", tt.base}
			}
			code, said := w.download(strings.ReplaceAll(tt.name, " ", "_"), flags...)
			if code != tt.code || !strings.Contains(said, tt.want) || strings.Contains(said, "s3cret") {
				t.Errorf("exit %d, want %d and %q:\n%s", code, tt.code, tt.want, said)
			}
		})
	}
}

// B29: sidecars, bundles' manifests and repairs use the same template, and no stored file has
// the password.
func TestB29OneTemplateForAll(t *testing.T) {
	w := newUpstreamWorld(t)
	base := "http://user:s3cret@" + w.host() + "/crates/{crate}/{version}/download"
	where := "http://" + w.host() + "/crates/Bar/1.0.0%2Bx/download"
	if code, said := w.download("m", "-bundle", "-crates-base-url", base); code != 0 {
		t.Fatalf("exit %d:\n%s", code, said)
	}
	m, lines := filepath.Join(w.dir, "m"), filepath.Join(w.dir, "sidecars.jsonl")
	code, said := runLocal("clonecratesio", "sidecars", "-index-dir", w.index, "-output-mode", "jsonl", "-jsonl-out", lines, "-crates-base-url", base)
	if code != 0 {
		t.Fatalf("exit %d:\n%s", code, said)
	}
	var has []string
	for _, path := range grep(t, w.dir, where) {
		has = append(has, filepath.Base(path))
	}
	if got := strings.Join(has, " "); got != "bundle-0000-bar-to-foo.manifest.jsonl manifest.jsonl sidecars.jsonl" {
		t.Errorf("%s is in %s", where, got)
	}
	if leaks := grep(t, w.dir, "s3cret"); leaks != nil {
		t.Errorf("the password is in %v", leaks)
	}

	if err := os.RemoveAll(filepath.Join(m, "bundles")); err != nil {
		t.Fatal(err)
	}
	code, said = runLocal("clonecratesio", "verify", "-repair", "-mirror", m, "-index-dir", w.index, "-crates-base-url", base)
	if code != 0 || !strings.Contains(said, "2 of 2") {
		t.Errorf("repair: exit %d:\n%s", code, said)
	}
}

// B30: an invalid base URL is wrong usage in every command that accepts one.
func TestB30BaseURLsWithAQuery(t *testing.T) {
	w := newUpstreamWorld(t)
	for _, base := range []string{w.server.BaseURL + "?token=s3cret", w.server.BaseURL + "#s3cret", w.server.BaseURL + "/{crate}?v={version}&t=s3cret"} {
		for _, args := range [][]string{
			{"download", "-index-dir", w.index}, {"sync", "-mirror", w.dir}, {"verify", "-repair", "-mirror", w.dir}, {"sidecars", "-index-dir", w.index},
		} {
			code, said := runLocal(append(append([]string{"clonecratesio"}, args...), "-crates-base-url", base)...)
			if code != 2 || !strings.Contains(said, "has a query or a fragment") || strings.Contains(said, "s3cret") {
				t.Errorf("%s: exit %d:\n%s", args[0], code, said)
			}
		}
	}
	if w.reg.TotalRequests() != 0 {
		t.Error("something was asked for")
	}
}

// B18: upstream keeps its crates on another host. The error says which flag
// allows it.
func TestB18AllowHost(t *testing.T) {
	w := newUpstreamWorld(t)
	front := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		http.Redirect(rw, r, "http://"+w.host()+r.URL.EscapedPath(), http.StatusFound)
	}))
	defer front.Close()
	base := front.URL + "/crates"
	code, said := w.download("m", "-crates-base-url", base)
	if code != 3 || !strings.Contains(said, "if it is meant, -allow-host "+w.host()) {
		t.Fatalf("exit %d:\n%s", code, said)
	}
	if code, said = w.download("m", "-crates-base-url", base, "-allow-host", "cdn.example,"+w.host(), "-allow-host", "[::1]:80"); code != 0 {
		t.Errorf("exit %d:\n%s", code, said)
	}
	if code, said = w.download("m", "-crates-base-url", base, "-allow-host", "https://cdn.example"); code != 2 || !strings.Contains(said, `neither "host" nor "host:port"`) {
		t.Errorf("exit %d:\n%s", code, said)
	}
}

// B28: a token is sent to upstream, and appears nowhere else.
func TestB28UpstreamToken(t *testing.T) {
	w := newUpstreamWorld(t)
	var mu sync.Mutex
	var sent []string
	front := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		mu.Lock()
		sent = append(sent, r.Header.Get("Authorization"))
		mu.Unlock()
		http.Redirect(rw, r, "http://"+w.host()+r.URL.EscapedPath(), http.StatusFound)
	}))
	defer front.Close()
	file := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(file, []byte("t0ken-s3cret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	to := []string{"-crates-base-url", front.URL + "/crates", "-allow-host", w.host()}
	run := func(want int, words, variable string, flags ...string) {
		t.Helper()
		t.Setenv("CLONECRATESIO_UPSTREAM_TOKEN", variable)
		code, said := w.download(t.TempDir(), flags...)
		if code != want || !strings.Contains(said, words) || strings.Contains(said, "s3cret") {
			t.Errorf("exit %d, want %d and %q:\n%s", code, want, words, said)
		}
	}
	run(0, "2 of 2", "", append(to, "-upstream-token-file", file)...)
	run(0, "2 of 2", "t0ken-s3cret", to...)
	mu.Lock()
	for _, got := range sent {
		if got != "Bearer t0ken-s3cret" {
			t.Errorf("upstream got Authorization %q", got)
		}
	}
	mu.Unlock()
	if len(sent) != 4 {
		t.Errorf("upstream was asked %d times", len(sent))
	}
	if leaks := grep(t, w.dir, "s3cret"); leaks != nil {
		t.Errorf("the token is in %v", leaks)
	}

	run(2, "name that with -crates-base-url", "t0ken-s3cret")
	run(2, "upstream takes one of them", "t0ken-s3cret", "-crates-base-url", "http://user:s3cret@"+w.host())
	run(2, "not printable ASCII", "t0ken-s3cret\nX: y", to...)
	run(1, "reading the token", "", append(to, "-upstream-token-file", file+"x")...)
	empty := filepath.Join(t.TempDir(), "empty")
	if err := os.WriteFile(empty, []byte("\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	run(2, "there is no token in", "", append(to, "-upstream-token-file", empty)...)
}

// B5: wrong bytes of a crate are kept, and the note and the manifest have the headers that
// show which server changed them.
func TestB5HeadersAreEvidence(t *testing.T) {
	w := newUpstreamWorld(t)
	front := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) {
		rw.Header().Set("Content-Encoding", "gzip")
		rw.Header().Set("Via", "1.1 filter.example "+strings.Repeat("x", 1<<12))
		rw.Header().Set("Set-Cookie", "s3cret")
		_, _ = rw.Write([]byte("not the crate"))
	}))
	defer front.Close()
	if code, said := w.download("m", "-crates-base-url", front.URL); code != 4 {
		t.Fatalf("exit %d:\n%s", code, said)
	}
	for _, text := range []string{"Content-Encoding: gzip", "Via: 1.1 filter.example"} {
		found := grep(t, filepath.Join(w.dir, "m"), text)
		if len(found) < 3 { // two notes and the manifest
			t.Errorf("%s is only in %v", text, found)
		}
	}
	if found := grep(t, w.dir, strings.Repeat("x", 300)); found != nil {
		t.Errorf("a header is not bounded in %v", found)
	}
	if found := grep(t, w.dir, "s3cret"); found != nil {
		t.Errorf("a cookie is in %v", found)
	}
}

// B27: an answer that switches protocols ends the attempt, not the run.
func TestB27SwitchingProtocols(t *testing.T) {
	w := newUpstreamWorld(t)
	w.reg.Inject(simreg.All, simreg.Fault{Kind: simreg.Switch, Times: -1})
	code, said := w.download("m", "-crates-base-url", w.server.BaseURL)
	if code != 3 || !strings.Contains(said, "the answer is 101 Switching Protocols") {
		t.Errorf("exit %d:\n%s", code, said)
	}
}

// B31: upstream has only a part of the index's versions. With -allow-missing a run downloads
// that part and succeeds; an upstream without any version is still an error.
func TestB31PartialUpstream(t *testing.T) {
	var list strings.Builder
	for i := range 200 {
		fmt.Fprintf(&list, "c%03d 1.0.0\n", i)
	}
	w := newUpstreamWorldOf(t, list.String())
	for i := range 195 {
		w.reg.Inject(crate.ID{Name: fmt.Sprintf("c%03d", i), Version: "1.0.0"}, simreg.Fault{Kind: simreg.Status, Code: 404, Times: -1})
	}
	base := []string{"-crates-base-url", w.server.BaseURL}
	code, said := w.download("strict", base...)
	if code != 3 || !strings.Contains(said, "50 crates in a row were refused with 404") {
		t.Errorf("without the flag: exit %d:\n%.2000s", code, said)
	}
	for range 2 {
		if code, said = w.download("m", append(base, "-allow-missing")...); code != 0 || !strings.Contains(said, "5 of 200 versions are held") {
			t.Errorf("exit %d:\n%.2000s", code, said)
		}
	}
	for range 2 {
		code, said = w.download("wrong", "-crates-base-url", w.server.BaseURL+"/typo", "-allow-missing")
		if code != 3 || !strings.Contains(said, "upstream has none of the 200 requested versions") {
			t.Errorf("nothing there: exit %d:\n%.2000s", code, said)
		}
	}
}
