package pages

import (
	"flag"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/reader"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/runstate"
)

var update = flag.Bool("update", false, "write testdata/*.html anew")

func TestPages(t *testing.T) {
	for _, test := range []struct {
		file, path string
		status     int
		change     func(*fixture)
	}{
		{"home", "/", 200, nil},
		{"home-incomplete", "/", 200, func(f *fixture) {
			f.run.Result, f.run.Errors = "3 versions are not held: the first is <b> 1.0.0", 3
			f.totals.CommitTime = time.Now().Add(-50 * time.Hour)
		}},
		{"home-killed", "/", 200, func(f *fixture) { f.run.Ended, f.run.Result = time.Time{}, "" }},
		{"home-planning", "/", 200, func(f *fixture) {
			f.run = &runstate.State{Phase: "planning", Started: time.Now(), Updated: time.Now()}
		}},
		{"home-new", "/", 200, func(f *fixture) { f.run, f.totals = nil, reader.Totals{} }},
		{"home-healthy", "/", 200, (*fixture).healthy},
		{"home-ailing", "/", 200, (*fixture).ailing},
		{"missing", "/missing", 200, (*fixture).ailing},
		{"missing-nothing", "/missing", 200, (*fixture).healthy},
		{"missing-unknown", "/missing", 404, nil},
		{"search", "/search?q=serde", 200, nil},
		{"search-one", "/search?q=auto", 200, nil},
		{"search-none", "/search?q=no<such>", 200, nil},
		{"search-empty", "/search?q=++", 200, nil},
		{"search-beyond", "/search?q=serde&page=9", 200, nil},
		{"crate", "/crate/SERDE", 200, nil},
		{"version", "/crate/serde/1.0.228", 200, nil},
		{"version-yanked", "/crate/serde/1.0.171", 200, nil},
		{"version-build", "/crate/serde/2.0.0-rc.1+build.7", 200, nil},
		{"version-damaged", "/crate/serde/0.9.15", 200, func(f *fixture) { f.damaged = crate.ID{Name: "serde", Version: "0.9.15"} }},
		{"crate-past", "/crate/serde", 200, (*fixture).withPast},
		{"history", "/crate/serde/history", 200, (*fixture).withPast},
		{"history-piece", "/crate/serde/history?until=2025-09-30", 200, func(f *fixture) {
			f.withPast()
			h := f.past.history["serde"]
			h.Until, h.Earlier, h.Versions, h.Days = "2025-09-30", "2025-09-01", 0, nil
		}},
		{"day", "/crate/serde/at?day=2025-09-28", 200, (*fixture).withPast},
		{"files", "/crate/serde/1.0.228/files", 200, nil},
		{"files-folder", "/crate/serde/1.0.228/files/src/", 200, nil},
		{"file", "/crate/serde/1.0.228/files/examples/demo.rs", 200, nil},
		{"file-image", "/crate/serde/1.0.228/files/logo.png", 200, nil},
		{"file-binary", "/crate/serde/1.0.228/files/src/data.bin", 200, nil},
		{"file-empty", "/crate/serde/1.0.228/files/src/ser/mod.rs", 200, nil},
		{"compare", "/crate/serde/1.0.228/diff?with=1.0.99", 200, nil},
		{"compare-file", "/crate/serde/1.0.228/diff?with=1.0.99&file=src/lib.rs", 200, nil},
		{"no-crate", "/crate/serd", 404, nil},
		{"no-version", "/crate/serde/9.9.9", 404, nil},
		{"no-page", "/nothing/here", 404, nil},
		{"trouble", "/crate/broken", 500, nil},
	} {
		t.Run(test.file, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { // for its clock
				f := newFixture()
				if test.change != nil {
					test.change(f)
				}
				w := get(newHandler(t, f, testURL), test.path)
				if w.Code != test.status {
					t.Errorf("status %d, want %d", w.Code, test.status)
				}
				checkGolden(t, test.file, w.Body.String())
			})
		})
	}
}

func checkGolden(t *testing.T, name, got string) {
	t.Helper()
	got = hashes.ReplaceAllString(got, "/static/$1.HASH.$2")
	file := filepath.Join("testdata", name+".html")
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	lines := cmpopts.AcyclicTransformer("lines", func(s string) []string { return strings.Split(s, "\n") })
	if diff := cmp.Diff(strings.ReplaceAll(string(want), "\r\n", "\n"), got, lines); diff != "" {
		t.Errorf("%s (-want +got; -update accepts it):\n%s", file, diff)
	}
}

// hashes change with every change of the assets.
var hashes = regexp.MustCompile(`/static/([a-z]+)\.[0-9a-f]{16}\.([a-z]+)`)

// H19: visitors are told that nothing is served.
func TestH19EmptyMirror(t *testing.T) {
	f := newFixture()
	f.totals.Empty = "nothing is served: the mirror holds no crate yet"
	if body := get(newHandler(t, f, testURL), "/").Body.String(); !strings.Contains(body, `<p class="notice" role="alert">nothing is served: the mirror holds no crate yet</p>`) {
		t.Error(body)
	}
}

// A8: a version that was published again says so, and where its earlier bytes are.
func TestA8PublishedAgain(t *testing.T) {
	f := newFixture()
	e := &f.crates["serde"].Entries[4] // with build metadata
	before := crate.Checksum{0xbe, 0xf0}
	e.Before = []reader.Superseded{{Checksum: before, Size: 76_000, Until: time.Date(2025, 11, 3, 0, 0, 0, 0, time.UTC)}}
	f.totals.Removed, f.totals.Superseded, f.totals.Unsettled = 185, 1, 2
	h := newHandler(t, f, testURL)
	for path, want := range map[string][]string{
		"/crate/serde/2.0.0-rc.1+build.7": {"Published again", `href="/crates/crates/serde/2.0.0-rc.1&#43;build.7/` + before.String() + `.crate"`, "2025-11-03"},
		"/crate/serde":                    {`<span class="badge">published again</span>`},
		"/":                               {"185 no longer in the index", "1 from before it was published again", "2 files in quarantine need a look"},
	} {
		body := get(h, path).Body.String()
		for _, w := range want {
			if !strings.Contains(body, w) {
				t.Errorf("%s does not have %q:\n%s", path, w, body)
			}
		}
	}
	if body := get(h, "/crate/serde/1.0.228").Body.String(); strings.Contains(body, "Published again") {
		t.Error("a version that was not says that it was published again")
	}
}

// Behind a proxy with a path prefix, every link must have it, and none may be
// made of what the client says that our host is.
// TestOtherPaths: those that people and robots know from elsewhere.
func TestOtherPaths(t *testing.T) {
	h := newHandler(t, newFixture(), testURL)
	for path, want := range map[string]string{
		"/crates/serde":                    "/crates/crate/serde",
		"/crates/serde/1.0.228":            "/crates/crate/serde/1.0.228",
		"/crates/serde/2.0.0-rc.1+build.7": "/crates/crate/serde/2.0.0-rc.1+build.7",
		"/crates/evil.example":             "",
		"/crates/serde/1.0":                "",
	} {
		w := get(h, path)
		if got := w.Header().Get("Location"); got != want || want != "" && w.Code != http.StatusMovedPermanently || want == "" && w.Code != http.StatusNotFound {
			t.Errorf("%s: %d, Location %q, want %q", path, w.Code, got, want)
		}
	}
	if w := get(h, "/robots.txt"); w.Code != http.StatusOK || w.Body.String() != "User-agent: *\nDisallow: /\n" {
		t.Errorf("robots.txt: %d, %q", w.Code, w.Body)
	}
}

func TestLinksBeginWithThePublicURL(t *testing.T) {
	link := regexp.MustCompile(`(?:href|src|action|data-events)="([^"]*)"`)
	f := newFixture()
	f.withPast()
	h := newHandler(t, f, testURL+"/")
	for _, path := range []string{"/", "/search?q=serde", "/crate/serde", "/crate/serde/1.0.228", "/crate/serde/history", "/crate/serde/at?day=2025-09-28", "/crate/serd", "/nothing"} {
		body := get(h, path).Body.String()
		if strings.Contains(body, "evil.example") {
			t.Errorf("%s: what the client calls our host is in the page", path)
		}
		found := link.FindAllStringSubmatch(body, -1)
		if len(found) < 5 {
			t.Errorf("%s: %d links, want some", path, len(found))
		}
		for _, m := range found {
			if !strings.HasPrefix(m[1], "/crates/") && !strings.HasPrefix(m[1], "#") &&
				!strings.HasPrefix(m[1], "https://serde.rs") && !strings.HasPrefix(m[1], "https://github.com/") && !strings.HasPrefix(m[1], "https://docs.rs/serde/") {
				t.Errorf("%s: link to %q", path, m[1])
			}
		}
	}
	if body := get(h, "/").Body.String(); !strings.Contains(body, `index = &#34;sparse&#43;https://mirror.example/crates/index/&#34;`) {
		t.Error("the lines for cargo do not name the registry")
	}
}

func TestHeaders(t *testing.T) {
	h := newHandler(t, newFixture(), testURL)
	asset := strings.TrimPrefix(h.pages.path("static", h.pages.assets.name("style.css")), "/crates")
	for path, cache := range map[string]string{
		"/": "no-cache", "/crate/serde": "no-cache", "/crate/none": "no-store", asset: "public, max-age=31536000, immutable",
	} {
		w := get(h, path)
		want := http.Header{
			"Content-Security-Policy": {"default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; object-src 'none'"},
			"Referrer-Policy":         {"no-referrer"},
			"X-Content-Type-Options":  {"nosniff"},
			"X-Frame-Options":         {"DENY"},
			"Cache-Control":           {cache},
		}
		for name := range want {
			if diff := cmp.Diff(want[name], w.Header()[name]); diff != "" {
				t.Errorf("%s: %s (-want +got):\n%s", path, name, diff)
			}
		}
	}
	t.Run("nothing is sent twice", func(t *testing.T) {
		for _, path := range []string{"/crate/serde", asset} {
			r := httptest.NewRequest("GET", path, nil)
			r.Header.Set("If-None-Match", get(h, path).Header().Get("ETag"))
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			if w.Code != http.StatusNotModified || w.Body.Len() > 0 {
				t.Errorf("%s: status %d and %d bytes, want 304 and none", path, w.Code, w.Body.Len())
			}
		}
	})
	t.Run("nothing is inline", func(t *testing.T) {
		inline := regexp.MustCompile(`(?i)<style|<script>|<script [^>]*[^r]>[^<]|\son[a-z]+=|\sstyle=`)
		goldens, err := fs.Glob(os.DirFS("testdata"), "*.html")
		if err != nil || len(goldens) < 10 {
			t.Fatal("no goldens", err)
		}
		for _, golden := range goldens {
			body, err := os.ReadFile(filepath.Join("testdata", golden))
			if err != nil {
				t.Fatal(err)
			}
			if m := inline.Find(body); m != nil {
				t.Errorf("%s has %q", golden, m)
			}
		}
	})
	t.Run("read only", func(t *testing.T) {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest("POST", "/search?q=serde", nil))
		if w.Code != http.StatusMethodNotAllowed {
			t.Errorf("POST: status %d, want 405", w.Code)
		}
	})
}

// Without a public URL, what counts is where the connection arrived.
func TestNoPublicURL(t *testing.T) {
	server := httptest.NewServer(newHandler(t, newFixture(), ""))
	defer server.Close()
	r, err := http.NewRequest("GET", server.URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Host = "evil.example"
	r.Header.Set("X-Forwarded-Host", "evil.example")
	response, err := server.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	if want := "sparse&#43;" + server.URL + "/index/"; !strings.Contains(string(body), want) || strings.Contains(string(body), "evil.example") {
		t.Errorf("no %q in the page, or what the client says", want)
	}
}
