package registry

import (
	"context"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/index"
)

func contextWith(r *http.Request, local net.Addr) context.Context {
	return context.WithValue(r.Context(), http.LocalAddrContextKey, local)
}

func TestParse(t *testing.T) {
	sum := crate.Checksum{0xab, 31: 1}
	digits := sum.String()
	for path, want := range map[string]target{
		"/":                                            {},
		"/crate/serde":                                 {},
		"/index":                                       {},
		"/index/config.json":                           {route: routeConfig},
		"/index/se/rd/serde":                           {route: routeIndex, name: "serde"},
		"/index/1/b":                                   {route: routeIndex, name: "b"},
		"/crates/serde/1.0.0/download":                 {route: routeCrate, name: "serde", version: "1.0.0"},
		"/crates/serde/serde-1.0.0.crate":              {route: routeCrate, name: "serde", version: "1.0.0"},
		"/crates/qpl/0.0.1+5/download":                 {route: routeCrate, name: "qpl", version: "0.0.1+5"},
		"/crates/qpl/0.0.1%2B5/download":               {route: routeCrate, name: "qpl", version: "0.0.1+5"},
		"/crates/qpl/qpl-0.0.1%2b5.crate":              {route: routeCrate, name: "qpl", version: "0.0.1+5"},
		"/crates/serde/serde-1.0.0-rc-1.crate":         {route: routeCrate, name: "serde", version: "1.0.0-rc-1"},
		"/api/v1/crates":                               {route: routeSearch, api: true},
		"/api/v1/crates/":                              {route: routeSearch, api: true},
		"/api/v1/crates/serde":                         {route: routeAPI, name: "serde", api: true},
		"/api/v1/crates/serde/1.0.0/download":          {route: routeCrate, name: "serde", version: "1.0.0", api: true},
		"/api/v1/crates/serde/1.0.0":                   {route: routeNone, api: true},
		"/api/v1/crates/serde/owners":                  {route: routeNone, api: true},
		"/api/v1/cratesx":                              {route: routeNone, api: true},
		"/api/v2":                                      {route: routeNone, api: true},
		"/crates/serde/1.0.0/" + digits + ".crate":     {route: routeCrate, name: "serde", version: "1.0.0", sum: &sum},
		"/crates/qpl/0.0.1%2B5/" + digits + ".crate":   {route: routeCrate, name: "qpl", version: "0.0.1+5", sum: &sum},
		"/crates/serde/1.0/" + digits + ".crate":       {route: routeNone},
		"/crates/serde/1.0.0/" + digits[1:] + ".crate": {route: routeNone},
		"/crates/serde/1.0.0/" + digits:                {route: routeNone},
		"/snapshot":                                    {},
		"/snapshot/":                                   {},
		"/snapshot/2026-03-01":                         {},
		"/snapshot/2026-03-01/":                        {},
		"/snapshot/2026-03-01/config.json":             {route: routeSnapshot, point: "2026-03-01"},
		"/snapshot/2026-03-01/se/rd/serde":             {route: routeSnapshot, point: "2026-03-01", name: "serde"},
		"/snapshot/0123abc/1/b":                        {route: routeSnapshot, point: "0123abc", name: "b"},
		"/snapshot/" + digits[:40] + "/1/b":            {route: routeSnapshot, point: digits[:40], name: "b"},
		"/snapshot/" + digits[:41] + "/1/b":            {route: routeSnapshot, name: "b"},
		"/snapshot/2026-13-01/config.json":             {route: routeSnapshot},
		"/snapshot/HEAD/config.json":                   {route: routeSnapshot},
		"/log/checkpoint":                              {route: routeLog, file: "checkpoint"},
		"/log/tile/0/x001/234.p/17":                    {route: routeLog, file: "tile/0/x001/234.p/17"},
		"/log/tile/entries/000":                        {route: routeLog, file: "tile/entries/000"},
		"/log/":                                        {route: routeNone},
		"/log/pending":                                 {route: routeNone},
		"/log/checkpoints/2026-11/x":                   {route: routeNone},
		"/log/tile/0/00":                               {route: routeNone},
		"/log/tile/0/000.p/256":                        {route: routeNone},
		"/log/tile%2F0/000":                            {route: routeNone},
		"/snapshot/2026-03-01/index/config.json":       {route: routeNone},
		"/snapshot/2026-03-01/se/rd/serde/":            {route: routeNone},
		"/snapshot/2026-03-01%2Fconfig.json":           {route: routeNone},
		"/snapshot/se/rd/serde":                        {route: routeNone},
		"/api/v1/snapshots":                            {route: routePoints, api: true},
		"/api/v1/snapshots/2026-03-01":                 {route: routePoints, point: "2026-03-01", api: true},
		"/api/v1/snapshots/0123abcd":                   {route: routePoints, point: "0123abcd", api: true},
		"/api/v1/snapshots/":                           {route: routeNone, api: true},
		"/api/v1/snapshots/yesterday":                  {route: routeNone, api: true},
		"/crates/serde":                                {},
		"/crates/serde/1.0.0":                          {},
		"/crates/serde/1.0":                            {route: routeNone},
		"/crates/-serde":                               {route: routeNone},
		"/crates/serde/serde_derive-1.0.0.crate":       {route: routeNone},
		"/crates/serde/serde-1.0.crate":                {route: routeNone},
		"/crates/serde/1.0.0/download/":                {route: routeNone},
		"/crates/qpl/0.0.1%205/download":               {route: routeNone},
		"/crates/serde/1.0.0%2Fdownload":               {route: routeNone},
		"/crates/serde%2F1.0.0/download":               {route: routeNone},
		"/crates/serde/x/1.0.0/download":               {route: routeNone},
	} {
		u, err := url.Parse(path)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, parse(u), cmp.AllowUnexported(target{})); diff != "" {
			t.Errorf("%s (-want +got):\n%s", path, diff)
		}
	}
}

var hostilePaths = []string{
	"/crates/../../etc/passwd", "/index/../../../etc/passwd", "/crates/%2e%2e/%2e%2e/etc/passwd", "/index/%2e%2e%2fconfig.json",
	"/crates/foo/..%2f..%2fetc/download", "/crates/foo/foo-1.0.0.crate%00", "/crates/foo%00/1.0.0/download", "/index/3/f/foo%00.txt",
	`/crates/foo\..\..\etc/download`, "/crates/foo%5c/1.0.0/download", "//index/config.json", "/index//config.json", "/index/3//f/foo",
	"/index/3/f/foo;x=1", "/index/config.json;", "/crates/foo/1.0.0;/download", "/index/./config.json", "/index/3/f/./foo", "/./", "/..",
	"/crates/foo/1.0.0/download/..", "/%2e%2e/index/config.json", "/page//x", "/page/../x", "/page%0d%0aSet-Cookie:x", "/page%7f",
	"/crates/" + strings.Repeat("a", 65) + "/1.0.0/download", "/crates/foo/" + strings.Repeat("1", 200) + ".0.0/download",
	"/snapshot/../index/config.json", "/snapshot/2026-03-01/../config.json", "/snapshot/%2e%2e/config.json", "/snapshot/HEAD:x/config.json",
	"/snapshot/--all/config.json", "/snapshot/2026-03-01%00/config.json", "/snapshot/2026-03-01%0aHEAD/1/b", "/snapshot//config.json",
	"/snapshot/" + strings.Repeat("a", 10000) + "/config.json", "/snapshot/2026-03-01;/config.json", "/snapshot/master/1/b",
	"/crates/con/../foo/1.0.0/download", "/index/config.json/", "/index/C:/x", "/crates/foo/foo-1.0.0.crate/..%5c",
}

// H4: not one of these is more than text to us, and not even the pages see them.
func TestH4HostilePaths(t *testing.T) {
	pages := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { t.Errorf("the pages were asked for %q", r.URL.Path) })
	for _, public := range []string{"", "https://mirror.example/rust"} {
		h := New(Config{Mirror: newFake(), PublicURL: at(public), Pages: pages})
		for _, path := range hostilePaths {
			u, err := url.ParseRequestURI(path)
			if err != nil {
				continue // net/http refuses it
			}
			r := &http.Request{Method: http.MethodGet, URL: u, Header: http.Header{}}
			rec := newRecorder()
			h.ServeHTTP(rec, r)
			if rec.code != http.StatusNotFound {
				t.Errorf("%s: %d, want 404", path, rec.code)
			}
		}
	}
}

type recorder struct {
	header http.Header
	code   int
}

func newRecorder() *recorder                    { return &recorder{header: http.Header{}} }
func (r *recorder) Header() http.Header         { return r.header }
func (r *recorder) WriteHeader(code int)        { r.code = code }
func (r *recorder) Write(p []byte) (int, error) { return len(p), nil }

// Whatever a path is, what is made of it is grammatical, and nothing but the
// canonical path of an index file is one.
func FuzzURLPath(f *testing.F) {
	for _, path := range append(hostilePaths, "/index/se/rd/serde", "/crates/qpl/0.0.1%2B5/download", "/api/v1/crates/a/1.0.0/download", "/index/config.json", "/snapshot/2026-03-01/se/rd/serde", "/snapshot/0123abcd/config.json") {
		f.Add(path)
	}
	f.Fuzz(func(t *testing.T, path string) {
		u, err := url.ParseRequestURI(path)
		if err != nil {
			return
		}
		got := parse(u)
		switch got.route {
		case routeIndex:
			if u.Path != "/index/"+crate.IndexPath(got.name) || crate.CheckName(got.name) != nil {
				t.Errorf("%q gives the index file of %q", path, got.name)
			}
		case routeSnapshot:
			if got.point != "" && !index.IsDay(got.point) && !index.IsCommit(got.point) || len(got.point) > 40 {
				t.Errorf("%q gives the point %q", path, got.point)
			}
			if got.name != "" && got.point != "" && u.Path != "/snapshot/"+got.point+"/"+crate.IndexPath(got.name) {
				t.Errorf("%q gives the index file of %q at %q", path, got.name, got.point)
			}
		case routeCrate:
			if err := (crate.ID{Name: got.name, Version: got.version}).Check(); err != nil {
				t.Errorf("%q: %v", path, err)
			}
			if !strings.Contains(u.Path, "/"+got.name+"/") || !strings.Contains(u.Path, got.version) {
				t.Errorf("%q gives %q %q", path, got.name, got.version)
			}
		case routeAPI:
			if err := crate.CheckName(got.name); err != nil {
				t.Errorf("%q: %v", path, err)
			}
		case routePage:
			if strings.Contains(u.Path, "//") || strings.ContainsAny(u.Path, "\\;\x00") || strings.Contains(u.Path+"/", "/../") {
				t.Errorf("the pages get %q", u.Path)
			}
		}
	})
}
