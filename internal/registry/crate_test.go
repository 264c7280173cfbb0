package registry

import (
	"crypto/sha256"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
)

func TestCrateFile(t *testing.T) {
	f := newFake()
	h := New(Config{Mirror: f})
	id := crate.ID{Name: "qpl", Version: "0.0.1+5"}
	sum, err := f.reg.Checksum(id)
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{
		"/crates/qpl/qpl-0.0.1+5.crate", "/crates/qpl/qpl-0.0.1%2B5.crate", "/crates/qpl/0.0.1+5/download",
		"/crates/qpl/0.0.1%2B5/download", "/api/v1/crates/qpl/0.0.1+5/download",
	} {
		resp := get(t, h, path)
		wantStatus(t, resp, 200)
		if got := body(t, resp); got != string(f.bytes(id)) {
			t.Errorf("%s: %d bytes that are not the crate's %d", path, len(got), len(f.bytes(id)))
		}
		wantHeaders(t, resp, `Etag: "`+sum.String()+`"`, "Content-Type: application/gzip", "Accept-Ranges: bytes",
			"Cache-Control: public, max-age=31536000, immutable", "Content-Encoding: ")
	}
	wantStatus(t, get(t, h, "/crates/qpl/0.0.1+5/download", `If-None-Match: "`+sum.String()+`"`), 304)
	wantStatus(t, get(t, h, "/crates/qpl/0.0.1+5/download", `If-None-Match: "`+sum.String()+`-gzip"`), 304)

	head := do(t, h, http.MethodHead, "/crates/qpl/0.0.1+5/download")
	if got := body(t, head); got != "" || head.ContentLength != int64(len(f.bytes(id))) {
		t.Errorf("HEAD: body of %d bytes, Content-Length %d", len(got), head.ContentLength)
	}
}

// A version that was published again has its bytes of now, and those of before for
// those who know their checksum.
func TestCrateByChecksum(t *testing.T) {
	f := newFake()
	h := New(Config{Mirror: f})
	id := crate.ID{Name: "qpl", Version: "0.0.1+5"}
	now, err := f.reg.Checksum(id)
	if err != nil {
		t.Fatal(err)
	}
	before := sha256.Sum256([]byte("before"))
	f.superseded = map[crate.Key][]byte{{ID: id, Checksum: before}: []byte("before")}
	for sum, want := range map[crate.Checksum]string{now: string(f.bytes(id)), before: "before"} {
		resp := get(t, h, "/crates/qpl/0.0.1%2B5/"+sum.String()+".crate")
		wantStatus(t, resp, 200)
		wantHeaders(t, resp, `Etag: "`+sum.String()+`"`)
		if got := body(t, resp); got != want {
			t.Errorf("%s: %d bytes, want %d", sum, len(got), len(want))
		}
	}
	wantStatus(t, get(t, h, "/crates/qpl/0.0.1+5/"+crate.Checksum{1}.String()+".crate"), 404)
}

func TestCrateNotHeld(t *testing.T) {
	h := New(Config{Mirror: newFake()})
	for _, path := range []string{"/crates/foo/9.9.9/download", "/crates/bar/1.0.0/download", "/crates/qpl/0.0.1/download", "/crates/qpl/0.0.1+6/download"} {
		resp := get(t, h, path)
		wantStatus(t, resp, 404)
		wantHeaders(t, resp, "Cache-Control: no-store", "Etag: ")
		if got := body(t, resp); !strings.Contains(got, "does not hold") {
			t.Errorf("%s: %q", path, got)
		}
	}
}

func TestDownloadAsJSON(t *testing.T) {
	h := New(Config{Mirror: newFake(), PublicURL: at("https://mirror.example/rust")})
	resp := get(t, h, "/api/v1/crates/qpl/0.0.1+5/download", "Accept: application/json")
	want := `{"url":"https://mirror.example/rust/crates/qpl/qpl-0.0.1%2B5.crate"}`
	if diff := cmp.Diff(want, body(t, resp)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	// No cache may give the one for the other, which is kept permanently.
	for _, accept := range []string{"application/json", "*/*"} {
		wantHeaders(t, get(t, h, "/api/v1/crates/qpl/0.0.1+5/download", "Accept: "+accept), "Vary: Accept")
	}
	resp = get(t, h, "/api/v1/crates/qpl/9.9.9/download", "Accept: application/json")
	wantStatus(t, resp, 404)
	if diff := cmp.Diff(`{"errors":[{"detail":"This mirror does not hold qpl 9.9.9."}]}`, body(t, resp)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// Too many crates that wait to be rebuilt are a 503 that says when to ask again, for
// clients told apart by their addresses; nothing is wrong, so the log is silent.
func TestBusy(t *testing.T) {
	f := newFake()
	f.busy = crate.ID{Name: "foo", Version: "1.0.0"}
	var log strings.Builder
	h := New(Config{Mirror: f, Log: slog.New(slog.NewTextHandler(&log, nil))})
	resp := get(t, h, "/crates/foo/1.0.0/download")
	wantStatus(t, resp, 503)
	wantHeaders(t, resp, "Etag: ", "Cache-Control: no-store", "Retry-After: 2")
	if f.client == "" || strings.Contains(f.client, ":") || log.Len() > 0 {
		t.Errorf("client %q, log:\n%s", f.client, &log)
	}
}

// H5: damaged bytes are a 500, a metric and a line in the log.
func TestH5DamagedCrate(t *testing.T) {
	f := newFake()
	f.damaged = crate.ID{Name: "foo", Version: "1.0.0"}
	var log strings.Builder
	h := New(Config{Mirror: f, Log: slog.New(slog.NewTextHandler(&log, nil))})
	resp := get(t, h, "/crates/foo/1.0.0/download")
	wantStatus(t, resp, 500)
	wantHeaders(t, resp, "Etag: ", "Cache-Control: no-store", "Content-Type: text/plain; charset=utf-8")
	if got := metric(t, h, "clonecratesio_serve_damaged_total", nil); got != 1 {
		t.Errorf("damaged_total is %v, want 1", got)
	}
	if !strings.Contains(log.String(), "foo 1.0.0") || !strings.Contains(log.String(), "verify -repair") {
		t.Errorf("the log does not say what to do: %s", &log)
	}
}

// What breaks off in the middle is cut off, not ended.
func TestH5CrateThatCannotBeReadToItsEnd(t *testing.T) {
	f := newFake()
	f.breaks = crate.ID{Name: "foo", Version: "1.0.0"}
	s := httptest.NewServer(New(Config{Mirror: f}))
	defer s.Close()
	resp, err := s.Client().Get(s.URL + "/crates/foo/1.0.0/download")
	if err != nil {
		return // nothing had been sent
	}
	defer resp.Body.Close()
	if got, err := io.ReadAll(resp.Body); err == nil {
		t.Errorf("%d bytes of %d came, without an error", len(got), len(f.bytes(f.breaks)))
	}
}

// H6: single ranges are served, bad ones refused, bombs are one whole file.
func TestH6Ranges(t *testing.T) {
	f := newFake()
	h := New(Config{Mirror: f})
	all := string(f.bytes(crate.ID{Name: "foo", Version: "1.0.0"}))
	bomb := "bytes=0-0" + strings.Repeat(",0-", 1000)
	for _, tt := range []struct {
		header string
		status int
		body   string
	}{
		{"Range: bytes=0-9", 206, all[:10]},
		{"Range: bytes=10-", 206, all[10:]},
		{"Range: bytes=-5", 206, all[len(all)-5:]},
		{"Range: bytes=0-1,3-4", 200, all},
		{"Range: " + bomb, 200, all},
		{"Range: lines=1-2", 416, ""},
		{"Range: bytes=9-1", 416, ""},
		{"Range: bytes=99999999-", 416, ""},
		{`If-Range: "x"`, 200, all},
	} {
		resp := get(t, h, "/crates/foo/1.0.0/download", tt.header)
		wantStatus(t, resp, tt.status)
		if got := body(t, resp); tt.status < 400 && got != tt.body {
			t.Errorf("%.40s: %d bytes, want %d", tt.header, len(got), len(tt.body))
		}
		if cache := resp.Header.Get("Cache-Control"); tt.status >= 400 && cache != "" && cache != "no-store" {
			t.Errorf("%.40s: an error may be kept: %q", tt.header, cache)
		}
	}
}

// GET and HEAD, without a body, and nothing else.
func TestMethods(t *testing.T) {
	h := New(Config{Mirror: newFake(), Pages: http.NotFoundHandler()})
	for _, method := range []string{"POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "PROPFIND"} {
		for _, path := range []string{"/index/config.json", "/index/3/f/foo", "/crates/foo/1.0.0/download", "/api/v1/crates", "/", "/api/v1/crates/new"} {
			resp := do(t, h, method, path)
			wantStatus(t, resp, 405)
			wantHeaders(t, resp, "Allow: GET, HEAD")
		}
	}
	// What cargo prints of an error is its detail; of what is no JSON, all headers.
	for _, q := range [][2]string{
		{"PUT", "/api/v1/crates/new"}, {"DELETE", "/api/v1/crates/foo/1.0.0/yank"}, {"PUT", "/api/v1/crates/foo/1.0.0/unyank"},
		{"PUT", "/api/v1/crates/foo/owners"}, {"GET", "/api/v1/crates/foo/owners"}, {"GET", "/api/v1/me"},
	} {
		resp := do(t, h, q[0], q[1])
		wantHeaders(t, resp, "Content-Type: application/json")
		var got apiErrors
		if err := json.Unmarshal([]byte(body(t, resp)), &got); err != nil || len(got.Errors) != 1 || !strings.Contains(got.Errors[0].Detail, "read-only mirror") {
			t.Errorf("%s: %+v, %v", q, got, err)
		}
	}
	r := httptest.NewRequest(http.MethodGet, "/index/config.json", strings.NewReader("x"))
	rec := httptest.NewRecorder()
	h.ServeHTTP(rec, r)
	wantStatus(t, rec.Result(), 400)
	wantHeaders(t, rec.Result(), "Connection: close")
}

// H12: whatever is asked for, there are no more series than before.
func TestH12FixedLabels(t *testing.T) {
	h := New(Config{Mirror: newFake()})
	before := series(t, h)
	for _, path := range append(hostilePaths, "/x", "/crates/y/1.0.0/download", "/api/v1/crates?q=x", "/index/ab/cd/abcd") {
		if r, err := http.NewRequest(http.MethodGet, path, nil); err == nil {
			h.ServeHTTP(newRecorder(), r)
		}
	}
	do(t, h, "BREW", "/index/config.json")
	if after := series(t, h); after != before {
		t.Errorf("%d series after, %d before", after, before)
	}
	if got := metric(t, h, "clonecratesio_serve_requests_total", map[string]string{"route": "config", "code": "4xx"}); got != 1 {
		t.Errorf("config 4xx: %v, want 1", got)
	}
	if got := metric(t, h, "clonecratesio_serve_index_age_seconds", nil); got < 3600 || got > 3700 {
		t.Errorf("index_age_seconds: %v, want an hour", got)
	}
}

func series(t *testing.T, h *Handler) (n int) {
	t.Helper()
	ch := make(chan prometheus.Metric, 10_000)
	h.Metrics().Collect(ch)
	return len(ch)
}

// metric returns the value of one counter or gauge.
func metric(t *testing.T, h *Handler, name string, labels map[string]string) float64 {
	t.Helper()
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(h.Metrics())
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, family := range families {
		if family.GetName() != name {
			continue
		}
		for _, m := range family.GetMetric() {
			got := map[string]string{}
			for _, l := range m.GetLabel() {
				got[l.GetName()] = l.GetValue()
			}
			if cmp.Equal(got, labels) || len(got)+len(labels) == 0 {
				return m.GetCounter().GetValue() + m.GetGauge().GetValue()
			}
		}
	}
	t.Fatalf("there is no metric %s%v", name, labels)
	return 0
}
