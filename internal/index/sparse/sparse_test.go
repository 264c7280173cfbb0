package sparse_test

import (
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/index/sparse"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/upstream"
)

func line(name, version string) string {
	return fmt.Sprintf(`{"name":%q,"vers":%q,"deps":[],"cksum":%q,"features":{},"yanked":false}`+"\n", name, version, strings.Repeat("ab", 32))
}

// client asks a server that answers with a function.
func client(t *testing.T, answer http.HandlerFunc) *sparse.Client {
	t.Helper()
	srv := httptest.NewServer(answer)
	t.Cleanup(srv.Close)
	up, err := upstream.New(upstream.Config{Attempts: 3, RetryBase: time.Millisecond, RetryMax: time.Millisecond, HTTP: "best"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(up.Close)
	c, err := sparse.New("sparse+"+srv.URL+"/index/", up)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// What is sent is what cargo sends, and a condition that it can be answered by.
func TestGetAsks(t *testing.T) {
	for _, tt := range []struct {
		have                sparse.Validator
		wantMatch, wantTime string
	}{
		{},
		{sparse.Validator{ETag: `"a"`, LastModified: "Mon, 02 Nov 2026 00:00:00 GMT"}, `"a"`, ""},
		{sparse.Validator{LastModified: "Mon, 02 Nov 2026 00:00:00 GMT"}, "", "Mon, 02 Nov 2026 00:00:00 GMT"},
	} {
		c := client(t, func(w http.ResponseWriter, r *http.Request) {
			got := []string{r.URL.Path, r.Header.Get("Cargo-Protocol"), r.Header.Get("If-None-Match"), r.Header.Get("If-Modified-Since")}
			want := []string{"/index/mi/xe/mixed_case", "version=1", tt.wantMatch, tt.wantTime}
			if strings.Join(got, "|") != strings.Join(want, "|") {
				t.Errorf("asked %q, want %q", got, want)
			}
			if !strings.Contains(r.Header.Get("User-Agent"), "+https://") {
				t.Errorf("User-Agent %q names no contact", r.Header.Get("User-Agent"))
			}
			w.Header().Set("ETag", `"b"`)
			io.WriteString(w, line("Mixed_Case", "1.0.0"))
		})
		f, err := c.Get(t.Context(), "Mixed_Case", tt.have)
		if err != nil || f.NotModified || string(f.Body) != line("Mixed_Case", "1.0.0") || f.ETag != `"b"` {
			t.Errorf("Get = %+v, %v", f, err)
		}
	}
}

func TestNotModified(t *testing.T) {
	have := sparse.Validator{ETag: `W/"a"`}
	c := client(t, func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(http.StatusNotModified) })
	if f, err := c.Get(t.Context(), "a", have); err != nil || !f.NotModified || f.Validator != have || len(f.Body) > 0 {
		t.Errorf("Get = %+v, %v, want that it is what it was", f, err)
	}
	if f, err := c.Get(t.Context(), "a", sparse.Validator{}); err == nil {
		t.Errorf("Get without a condition = %+v, want that 304 is refused", f)
	}
}

// What is no file of the crate is asked for again, past caches, and never taken.
func TestContent(t *testing.T) {
	good := line("a", "1.0.0") + line("a", "1.1.0")
	for _, tt := range []struct {
		name, body, kind, want string
	}{
		{"as it is", good, "text/plain", ""},
		{"no type", good, "", ""},
		{"the last line without its end", strings.TrimRight(good, "\n"), "text/plain", ""},
		{"one bad line", "{}\n" + good, "text/plain", ""},
		{"a field of tomorrow", `{"name":"a","vers":"2.0.0","cksum":7}` + "\n", "text/plain", ""},
		{"half a line", good[:len(good)-20], "text/plain", "ends within a line"},
		{"a page as text", "<html>\nSorry</html>\n", "text/plain", "line 1"},
		{"a page", "<html>\n" + good + "</html>\n", "text/html; charset=utf-8", "it is a web page"},
		{"nothing", "", "text/plain", "it is empty"},
		{"white space", "\n\n", "text/plain", "it is empty"},
		{"another crate", line("b", "1.0.0"), "text/plain", `about crate "b"`},
		{"JSON of an API", `{"errors":[{"detail":"no"}]}` + "\n", "text/plain", "line 1"},
		{"zeros", strings.Repeat("\x00", 4096), "text/plain", "no text"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var asked atomic.Int32
			c := client(t, func(w http.ResponseWriter, r *http.Request) {
				if asked.Add(1) > 1 && r.Header.Get("Cache-Control") != "no-cache" {
					t.Error("asked again without asking caches to step aside")
				}
				w.Header().Set("Content-Type", tt.kind)
				io.WriteString(w, tt.body)
			})
			f, err := c.Get(t.Context(), "a", sparse.Validator{})
			if tt.want == "" {
				if err != nil || string(f.Body) != tt.body || asked.Load() != 1 {
					t.Fatalf("Get = %q, %v, after %d requests", f.Body, err, asked.Load())
				}
				return
			}
			if _, ok := errors.AsType[*sparse.ContentError](err); !ok || !strings.Contains(err.Error(), tt.want) || asked.Load() != 3 {
				t.Fatalf("Get = %q, %v, after %d requests; want %q after 3", f.Body, err, asked.Load(), tt.want)
			}
		})
	}
}

func TestStatus(t *testing.T) {
	for _, tt := range []struct {
		status   int
		body     string
		notExist bool
		requests int32
	}{
		{404, "", true, 1},
		{410, "", true, 1},
		{451, "", true, 1},
		{403, "<Error><Code>AccessDenied</Code></Error>", true, 1}, // S3: not there
		{403, "your address is blocked", false, 1},
		{400, "", false, 1},
		{401, "", false, 1},
		{500, "", false, 3},
		{429, "", false, 3},
		{204, "", false, 3},
		{206, line("a", "1.0.0"), false, 3},
	} {
		var asked atomic.Int32
		c := client(t, func(w http.ResponseWriter, r *http.Request) {
			asked.Add(1)
			w.WriteHeader(tt.status)
			io.WriteString(w, tt.body)
		})
		_, err := c.Get(t.Context(), "a", sparse.Validator{ETag: `"x"`})
		if err == nil || errors.Is(err, fs.ErrNotExist) != tt.notExist || asked.Load() != tt.requests {
			t.Errorf("%d %q: %v after %d requests, want fs.ErrNotExist: %v after %d", tt.status, tt.body, err, asked.Load(), tt.notExist, tt.requests)
		}
	}
}

// A body that is cut off is tried again.
func TestBodyCutOff(t *testing.T) {
	var asked atomic.Int32
	c := client(t, func(w http.ResponseWriter, r *http.Request) {
		if asked.Add(1) == 1 {
			w.Header().Set("Content-Length", "1000")
			io.WriteString(w, line("a", "1.0.0"))
			panic(http.ErrAbortHandler)
		}
		w.Header().Set("Content-Encoding", "gzip")
		z := gzip.NewWriter(w)
		io.WriteString(z, line("a", "1.0.0"))
		z.Close()
	})
	f, err := c.Get(t.Context(), "a", sparse.Validator{})
	if err != nil || string(f.Body) != line("a", "1.0.0") || asked.Load() != 2 {
		t.Errorf("Get = %q, %v after %d requests", f.Body, err, asked.Load())
	}
}

func TestConfig(t *testing.T) {
	for body, want := range map[string]string{
		`{"dl":"https://x.example/{crate}","api":"https://x.example"}`: "",
		`<html></html>`: "invalid character",
		`{}`:            `names no "dl"`,
	} {
		c := client(t, func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, body) })
		cfg, err := c.Config(context.Background())
		if want == "" && (err != nil || cfg.DL != "https://x.example/{crate}") || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%s: %+v, %v; want %q", body, cfg, err, want)
		}
	}
}

func TestAddress(t *testing.T) {
	for address, want := range map[string]string{
		"sparse+https://index.example/":       "sparse+https://index.example/",
		"sparse+https://me:secret@i.example/": "sparse+https://me:xxxxx@i.example/",
		"sparse+http://127.0.0.1:1/index":     "sparse+http://127.0.0.1:1/index/",
		"https://i.example/a/":                "sparse+https://i.example/a/",
		"sparse+ftp://x/":                     "",
		"sparse+https:///":                    "",
		"sparse+https://x/?a=b":               "",
		"sparse+https://me:secret@%zz/":       "",
	} {
		c, err := sparse.New(address, nil)
		if want == "" {
			if err == nil || strings.Contains(err.Error(), "secret") {
				t.Errorf("New(%q) = %v, want an error without the password", address, err)
			}
			continue
		}
		if err != nil || c.String() != want {
			t.Errorf("New(%q) = %v, %v, want %s", address, c, err, want)
		}
	}
}
