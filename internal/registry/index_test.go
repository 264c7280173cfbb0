package registry

import (
	"bytes"
	"compress/gzip"
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/reader"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/simreg"
)

func TestConfigJSON(t *testing.T) {
	h := New(Config{Mirror: newFake(), PublicURL: at("https://mirror.example/rust//")})
	resp := get(t, h, "/index/config.json")
	want := "{\n\t\"dl\": \"https://mirror.example/rust/crates\",\n\t\"api\": \"https://mirror.example/rust\"\n}\n"
	if diff := cmp.Diff(want, body(t, resp)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	wantHeaders(t, resp, "Content-Type: application/json", "Cache-Control: public, max-age=60")
}

// H14: neither Host nor what a proxy adds has a say in config.json.
func TestH14ConfigIgnoresTheRequest(t *testing.T) {
	h := New(Config{Mirror: newFake()})
	r := httptest.NewRequest(http.MethodGet, "http://evil.example/index/config.json", nil)
	r.Host = "evil.example"
	for _, name := range []string{"X-Forwarded-Host", "X-Forwarded-Proto", "Forwarded", "X-Original-Host"} {
		r.Header.Set(name, "host=evil.example")
	}
	arrived := &net.TCPAddr{IP: net.IPv4(192, 0, 2, 7), Port: 8080}
	rec := httptest.NewRecorder()
	h.ServeHTTP(rec, r.WithContext(contextWith(r, arrived)))
	if got := rec.Body.String(); strings.Contains(got, "evil") || !strings.Contains(got, `"http://192.0.2.7:8080/crates"`) {
		t.Errorf("config.json: %s", got)
	}
}

// H18: behind a proxy config.json is of no use; the log says so once, and what to do.
func TestH18ProxyWithoutPublicURL(t *testing.T) {
	arrived := &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 8080}
	for name, tt := range map[string]struct {
		public  string
		headers map[string]string
		arrived *net.TCPAddr
		want    string
	}{
		"direct":     {"", nil, arrived, ""},
		"configured": {"https://mirror.example", map[string]string{"Via": "1.1 x"}, arrived, ""},
		"nginx":      {"", map[string]string{"X-Forwarded-Proto": "https", "X-Forwarded-Host": "mirror.example", "X-Forwarded-Prefix": "/rust"}, arrived, "public_url=https://mirror.example/rust"},
		"host alone": {"", map[string]string{"X-Forwarded-For": "192.0.2.7"}, arrived, "public_url=http://example.com"},
		"hostile":    {"", map[string]string{"X-Forwarded-Host": "a b\"c/?"}, arrived, "public_url=https://the.name.that.clients.use"},
		"link-local": {"", nil, &net.TCPAddr{IP: net.ParseIP("fe80::1"), Zone: "eth0", Port: 80}, "link-local"},
	} {
		var log bytes.Buffer
		h := New(Config{Mirror: newFake(), PublicURL: at(tt.public), Log: slog.New(slog.NewTextHandler(&log, nil))})
		for range 2 {
			r := httptest.NewRequest(http.MethodGet, "/index/config.json", nil)
			for k, v := range tt.headers {
				r.Header.Set(k, v)
			}
			h.ServeHTTP(httptest.NewRecorder(), r.WithContext(contextWith(r, tt.arrived)))
		}
		if said := log.String(); tt.want == "" && said != "" || tt.want != "" && (!strings.Contains(said, tt.want) || strings.Count(said, "-public-url") != 1) {
			t.Errorf("%s: want %q, the log says:\n%s", name, tt.want, said)
		}
	}
}

func TestIndexFile(t *testing.T) {
	f := newFake()
	h := New(Config{Mirror: f})
	resp := get(t, h, "/index/3/f/foo")
	wantStatus(t, resp, 200)
	want, err := f.reg.IndexFile("3/f/foo")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), body(t, resp)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	wantHeaders(t, resp, "Content-Type: text/plain; charset=utf-8", "Vary: Accept-Encoding", "Content-Encoding: ")

	head := do(t, h, http.MethodHead, "/index/3/f/foo")
	wantHeaders(t, head, "Etag: "+resp.Header.Get("Etag"), "Content-Length: "+resp.Header.Get("Content-Length"))
	if got := body(t, head); got != "" {
		t.Errorf("HEAD has a body: %q", got)
	}
}

func TestIndexFileIsPacked(t *testing.T) {
	h := New(Config{Mirror: newFake()})
	plain := get(t, h, "/index/3/f/foo")
	packed := get(t, h, "/index/3/f/foo", "Accept-Encoding: deflate, gzip")
	wantHeaders(t, packed, "Content-Encoding: gzip", "Etag: "+plain.Header.Get("Etag"), "Vary: Accept-Encoding")
	z, err := gzip.NewReader(packed.Body)
	if err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(body(t, plain), string(got)); diff != "" {
		t.Errorf("-plain +packed:\n%s", diff)
	}
	for _, accept := range []string{"identity", "gzip;q=0", "deflate, gzip; q=0.0", "gzipped"} {
		wantHeaders(t, get(t, h, "/index/3/f/foo", "Accept-Encoding: "+accept), "Content-Encoding: ")
	}
}

func TestIndexFileNotModified(t *testing.T) {
	f := newFake()
	h := New(Config{Mirror: f})
	etag := get(t, h, "/index/3/f/foo").Header.Get("Etag")
	var matching []string
	for _, coding := range []string{"", "-gzip", ";gzip", "--gzip", "-br"} { // as Apache and others append it
		tag := strings.TrimSuffix(etag, `"`) + coding + `"`
		matching = append(matching, tag, strings.TrimPrefix(tag, "W/"), `"x", `+tag)
	}
	for _, match := range append(matching, "*") {
		resp := get(t, h, "/index/3/f/foo", "If-None-Match: "+match)
		wantStatus(t, resp, 304)
		wantHeaders(t, resp, "Etag: "+etag, "Content-Length: ")
	}
	for _, other := range []string{`W/"x"`, `"-gzip"`, `"`, "-gzip", etag + "-gzip"} {
		wantStatus(t, get(t, h, "/index/3/f/foo", "If-None-Match: "+other), 200)
	}
	if n := f.asked.Load(); n != 1 {
		t.Errorf("the mirror was asked %d times, want 1", n)
	}

	f.generation.Add(1) // the mirror has changed
	wantStatus(t, get(t, h, "/index/3/f/foo", "If-None-Match: "+etag), 304)
	wantStatus(t, get(t, h, "/index/3/f/foo", "If-None-Match: "+etag), 304)
	if n := f.asked.Load(); n != 2 {
		t.Errorf("the mirror was asked %d times, want 2", n)
	}

	f.reg.Yank(crate.ID{Name: "foo", Version: "1.0.0"}, true)
	f.generation.Add(1)
	resp := get(t, h, "/index/3/f/foo", "If-None-Match: "+etag)
	wantStatus(t, resp, 200)
	if n := strings.Count(body(t, resp), `"yanked":true`); n != 2 {
		t.Errorf("%d lines are yanked, want 2", n)
	}

	for _, version := range []string{"1.0.0", "1.1.0", "2.0.0-rc.1"} {
		f.reg.Remove(crate.ID{Name: "foo", Version: version})
	}
	f.generation.Add(1)
	wantStatus(t, get(t, h, "/index/3/f/foo"), 404)
}

// What is not there is 404, whatever the reason, and says why.
func TestIndexNotFound(t *testing.T) {
	h := New(Config{Mirror: newFake()})
	for path, why := range map[string]string{
		"/index/3/b/bar":         `no version of a crate "bar"`,
		"/index/in/fl/inflector": "",
		"/index/in/fl/Inflector": "can have this path",
		"/index/3/b/foo":         "can have this path",
		"/index/foo":             "can have this path",
		"/index/3/f/foo/":        "can have this path",
		"/index/":                "can have this path",
		"/index/.git/HEAD":       "can have this path",
		"/other":                 "below /index/",
	} {
		resp := get(t, h, path)
		if why == "" {
			wantStatus(t, resp, 200)
			continue
		}
		wantStatus(t, resp, 404)
		wantHeaders(t, resp, "Cache-Control: no-store", "Content-Type: text/plain; charset=utf-8")
		if got := body(t, resp); path != "/other" && !strings.Contains(got, why) {
			t.Errorf("%s: %q does not say %q", path, got, why)
		}
	}
}

// A proxy may take the path of the public URL away, or leave it.
func TestPublicURLWithPath(t *testing.T) {
	pages := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "page "+r.URL.Path) })
	for _, prefix := range []string{"/rust", "/crates", "/index", "/api", "/snapshot", "/a/b"} {
		h := New(Config{Mirror: newFakeWithPast(), PublicURL: at("https://mirror.example" + prefix + "/"), Pages: pages})
		for _, front := range []string{"", prefix} {
			for _, path := range []string{
				"/index/config.json", "/index/3/f/foo", "/crates/foo/1.0.0/download", "/crates/qpl/qpl-0.0.1%2B5.crate",
				"/api/v1/crates?q=f", "/api/v1/crates/foo", "/snapshot/2026-03-02/3/f/foo", "/snapshot/2026-03-02/config.json", "/api/v1/snapshots",
			} {
				if resp := get(t, h, front+path); resp.StatusCode != 200 {
					t.Errorf("%s%s behind %s: %d", front, path, prefix, resp.StatusCode)
				}
			}
		}
		for path, want := range map[string]string{prefix: "page /", prefix + "/": "page /", prefix + "/search": "page /search"} {
			if got := body(t, get(t, h, path)); got != want {
				t.Errorf("%s: %q, want %q", path, got, want)
			}
		}
	}
}

// The cache stays within its size, and what was used last stays in it.
func TestCacheIsBounded(t *testing.T) {
	one := render("1/a", "text/plain", []byte("x\n"), 1)
	c := newCache(3 * one.size())
	for _, path := range []string{"1/a", "1/b", "1/c"} {
		c.put(render(path, "text/plain", []byte("x\n"), 1))
	}
	c.get("1/a")
	c.put(render("1/d", "text/plain", []byte("y\n"), 1))
	c.put(render("1/d", "text/plain", []byte("z\n"), 1))
	for path, want := range map[string]bool{"1/a": true, "1/b": false, "1/c": true, "1/d": true} {
		if got := c.get(path) != nil; got != want {
			t.Errorf("%s is kept: %t, want %t", path, got, want)
		}
	}
	if c.size != 3*one.size() {
		t.Errorf("size %d, want %d", c.size, 3*one.size())
	}
	c.put(render("1/e", "text/plain", []byte(strings.Repeat("x", 1<<20)), 1))
	if c.get("1/e") != nil || len(c.byKey) != 3 {
		t.Error("what is larger than the cache took its place")
	}
}

// Readers and a mirror that changes do not disturb one another, and no client gets
// earlier lines after any client got the new ones.
func TestIndexWhileTheMirrorChanges(t *testing.T) {
	f := newFake()
	h := New(Config{Mirror: f})
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			lines := 0
			for range 200 {
				got := strings.Count(body(t, get(t, h, "/index/3/f/foo")), "\n")
				if got < lines {
					t.Errorf("%d lines after %d", got, lines)
				}
				lines = got
			}
		})
	}
	for _, v := range []string{"3.0.0", "3.1.0", "3.2.0", "3.3.0"} {
		f.reg.Add(simreg.Version{Name: "foo", Version: v})
		f.generation.Add(1)
	}
	wg.Wait()
}

// slow is a mirror that has its lines, and takes until done to say so to the first who
// asks.
type slow struct {
	*fake
	has, done chan struct{}
}

func (s *slow) Crate(ctx context.Context, name string) (*reader.Crate, error) {
	first := s.asked.Load() == 0
	c, err := s.fake.Crate(ctx, name)
	if first {
		close(s.has)
		<-s.done
	}
	return c, err
}

// A request after the mirror has changed does not share the answer that is being made for
// an earlier request: a version may have been blocked since.
func TestIndexIsNotThatOfAnEarlierRequest(t *testing.T) {
	s := &slow{newFake(), make(chan struct{}), make(chan struct{})}
	h := New(Config{Mirror: s})
	ask := func() chan string {
		got := make(chan string, 1)
		go func() { got <- body(t, get(t, h, "/index/3/f/foo")) }()
		return got
	}
	before := ask()
	<-s.has
	s.reg.Add(simreg.Version{Name: "foo", Version: "3.0.0"})
	s.generation.Add(1)
	after := ask()
	select {
	case got := <-after:
		if !strings.Contains(got, "3.0.0") {
			t.Errorf("after the change: %s", got)
		}
	case <-time.After(5 * time.Second):
		t.Error("it waits for what is made of before")
	}
	close(s.done)
	<-before
	if got := body(t, get(t, h, "/index/3/f/foo")); !strings.Contains(got, "3.0.0") {
		t.Errorf("when both have been answered: %s", got)
	}
}
