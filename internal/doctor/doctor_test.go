package doctor

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/simreg"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// registry answers like a healthy one.
type registry struct {
	reg    *simreg.Registry
	config string // config.json, with %s for its own address
}

const crates = `
	plain 1.0.0
	plain 1.1.0
	plain 2.0.0-rc.1
	deep 1.0.0
	  dep plain ^1
	meta-sys 1.0.0+lib.3
	old 1.0.0 yanked
	old 1.0.1
`

func newRegistry() *registry {
	return &registry{simreg.New(simreg.MustParse(crates)...), `{"dl":"%[1]s/crates","api":"%[1]s"}`}
}

func (g *registry) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	scheme := "http"
	if r.TLS != nil {
		scheme = "https"
	}
	path := r.URL.Path
	switch {
	case path == "/index/config.json":
		fmt.Fprintf(w, g.config, scheme+"://"+r.Host)
	case strings.HasPrefix(path, "/index/"):
		body, err := g.reg.IndexFile(strings.TrimPrefix(path, "/index/"))
		if err != nil {
			http.NotFound(w, r)
			return
		}
		w.Header().Set("ETag", `"tag"`)
		http.ServeContent(w, r, "", time.Time{}, strings.NewReader(string(body)))
	case path == "/api/v1/crates":
		var names []string
		for _, id := range g.reg.IDs() {
			if strings.Contains(id.Name, r.URL.Query().Get("q")) {
				names = append(names, fmt.Sprintf(`{"name":%q}`, id.Name))
			}
		}
		fmt.Fprintf(w, `{"crates":[%s]}`, strings.Join(slices.Compact(names), ","))
	case strings.HasPrefix(path, "/crates/"):
		name, version, _ := strings.Cut(strings.TrimSuffix(strings.TrimPrefix(path, "/crates/"), "/download"), "/")
		data, err := g.reg.CrateBytes(crate.ID{Name: name, Version: version})
		if err != nil {
			http.NotFound(w, r)
			return
		}
		w.Write(data)
	default:
		http.NotFound(w, r)
	}
}

// examine runs all checks on a server, except those that need cargo.
func examine(t *testing.T, cfg Config) (lines []string, failed int) {
	t.Helper()
	t.Setenv("PATH", t.TempDir()) // no cargo
	cfg.NoProxy = true
	cfg.Tell = func(r Result) {
		if r.Status == Failed && r.Check != "cargo" {
			failed++
		}
		if r.Check != "cargo" {
			lines = append(lines, fmt.Sprintf("%s %s: %s -> %s", r.Status, r.Check, r.Text, r.Advice))
		}
	}
	if _, err := Run(t.Context(), cfg); err != nil {
		t.Fatal(err)
	}
	return lines, failed
}

func TestSoundRegistry(t *testing.T) {
	s := httptest.NewServer(newRegistry())
	defer s.Close()
	for _, url := range []string{s.URL, s.URL + "/", "sparse+" + s.URL + "/index/"} {
		lines, failed := examine(t, Config{URL: url, Facts: &Facts{Crates: 4, Versions: 7, IndexTime: time.Now().Add(-time.Hour)}})
		var got []string
		for _, line := range lines {
			head, _, _ := strings.Cut(line, ":")
			got = append(got, head)
		}
		want := []string{"ok mirror", "ok age", "ok address", "ok config", "ok absent", "ok index", "ok crate", "ok plus", "ok yanked"}
		if diff := cmp.Diff(want, got); diff != "" || failed != 0 {
			t.Errorf("%s: %d failed, -want +got:\n%s%s", url, failed, diff, strings.Join(lines, "\n"))
		}
	}
}

// Each fault is reported, with advice.
func TestBrokenSetups(t *testing.T) {
	for _, tt := range []struct {
		name  string
		setup func(g *registry) http.Handler // between the client and g
		cfg   func(cfg *Config)
		want  string // a line, or the beginning and the end of one with "..." between
	}{
		{name: "nothing listens", cfg: func(cfg *Config) { cfg.URL = "http://" + closedPort(t) },
			want: "FAIL address: http://127.0.0.1:...: nothing listens there -> start the server, or correct host and port"},
		{name: "no address", cfg: func(cfg *Config) { cfg.URL = "mirror.example" },
			want: `FAIL address: "mirror.example" is not the address of a registry: want http or https and a host -> `},
		{name: "a query", cfg: func(cfg *Config) { cfg.URL += "/?token=s3cret" },
			want: "FAIL address: an address with a query or a fragment is not that of a registry: cargo would lose it -> "},
		{name: "another protocol", setup: switches, want: "FAIL address: http://...: the answer is 101 Switching Protocols, which was not requested -> ..."},
		{name: "no slash at the end", cfg: func(cfg *Config) { cfg.URL = "sparse+" + cfg.URL + "/index" },
			want: "FAIL address: \"sparse+http://...does not end with a slash: cargo refuses that -> "},
		{name: "https to plain http", cfg: func(cfg *Config) { cfg.URL = strings.Replace(cfg.URL, "http:", "https:", 1) },
			want: "FAIL address: https://...it speaks plain HTTP, not HTTPS -> use http:// in the address, or give serve -tls-cert and -tls-key"},
		{name: "the path is not passed on", cfg: func(cfg *Config) { cfg.URL += "/rust" },
			want: "FAIL address: there is no index at http://.../rust/index/config.json (404) -> there is one at http://127.0.0.1:.../index/: use sparse+http://...give serve -public-url"},
		{name: "index twice", cfg: func(cfg *Config) { cfg.URL += "/index" },
			want: "FAIL address: there is no index at http://.../index/index/config.json (404) -> there is one at http://..."},
		{name: "a portal", setup: page, want: "FAIL address: http://.../index/config.json is a page for people and no config.json -> ..."},
		{name: "a proxy without its server", setup: status("/", 502), want: "FAIL address: ...the proxy in front does not reach the server (502) -> start the server, or correct the proxy's upstream"},
		{name: "a login", setup: status("/", 401), want: "FAIL address: ...it refuses (401): ... -> allow reading without a login..."},
		{name: "wrong public URL", setup: config(`{"dl":"http://` + closedPort(t) + `/crates","api":"%s"}`),
			want: "FAIL crate: old 1.0.1 at http://...nothing listens there -> give serve or export the address at which clients reach it: -public-url http://127.0.0.1..."},
		{name: "another host", setup: otherHost, want: "warning config: config.json sends cargo to another host for crates: ..."},
		{name: "no api", setup: config(`{"dl":"%s/crates"}`), cfg: func(cfg *Config) { cfg.Crates = []string{"plain"} },
			want: "warning api: config.json names no api: cargo search and cargo info cannot work -> a static tree has none; serve has one"},
		{name: "dl is nonsense", setup: config(`{"dl":"/crates","api":"%s"}`), want: `FAIL config: cargo cannot fetch crates from dl in config.json, "/crates" -> give serve...`},
		{name: "a token is wanted", setup: config(`{"dl":"%s","auth-required":true}`), want: "FAIL config: config.json says auth-required: ..."},
		{name: "403 for what is not there", setup: status("/index/do/", 403), want: "FAIL absent: 403 for a crate that is not there: cargo takes 404 alone for that, and gives up -> ..."},
		{name: "410 for what is not there", setup: status("/index/do/", 410), want: "warning absent: 410 for a crate that is not there: newer cargo takes 404 alone..."},
		{name: "no ETag", setup: withoutETag, want: "warning index: index files have neither ETag nor Last-Modified -> ..."},
		{name: "no 304", setup: withoutConditions, want: "warning index: an index file that has not changed is sent again (200 instead of 304) -> ..."},
		{name: "crates are not passed on", setup: status("/crates/", 404), want: "FAIL crate: old 1.0.1 at ...404, though the index names it -> let the proxy..."},
		{name: "+ is read as a space", setup: plusIsSpace, want: "FAIL plus: meta-sys 1.0.0+lib.3 at ...404, though the index names it -> the \"+\" is read as a space on the way..."},
		{name: "damaged", setup: status("/crates/", 500, "This mirror's copy is damaged and is not sent."),
			want: "FAIL crate: old 1.0.1 at ...the mirror's copy is damaged -> clonecratesio verify -repair"},
		{name: "wrong bytes", setup: otherBytes, want: "FAIL crate: old 1.0.1 at ...the 5 bytes are not those that the index names -> ..."},
		{name: "empty", setup: func(g *registry) http.Handler { g.reg = simreg.New(); return g },
			want: "FAIL index: found no crate in the registry to try among 0 names -> fill the mirror..."},
		{name: "index lines make no sense", setup: status("/index/me/", 200, "{\"name\":"), want: "FAIL index: http://...a line of it cannot be parsed..."},
		{name: "holds nothing", cfg: func(cfg *Config) { cfg.Facts = &Facts{} }, want: "FAIL mirror: it holds nothing -> fill it: ..."},
		{name: "partial", cfg: func(cfg *Config) { cfg.Facts = &Facts{1, 2, time.Now(), "incomplete"} }, want: "warning mirror: it holds 2 versions of 1 crates; the last run ended so: incomplete -> ..."},
		{name: "old", cfg: func(cfg *Config) { cfg.Facts = &Facts{1, 2, time.Now().Add(-240 * time.Hour), ""} }, want: "warning age: the index is of ...10.0 days ago -> ..."},
		{name: "clock", setup: clock, want: "warning clock: the server's clock and this machine's are ... apart -> ..."},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var h http.Handler = newRegistry()
			if tt.setup != nil {
				h = tt.setup(h.(*registry))
			}
			s := httptest.NewUnstartedServer(h)
			s.Config.ErrorLog = log.New(io.Discard, "", 0)
			s.Start()
			defer s.Close()
			cfg := Config{URL: s.URL}
			if tt.cfg != nil {
				tt.cfg(&cfg)
			}
			lines, failed := examine(t, cfg)
			if !slices.ContainsFunc(lines, func(line string) bool { return like(line, tt.want) }) {
				t.Errorf("want %q, got:\n%s", tt.want, strings.Join(lines, "\n"))
			}
			want := 0
			if strings.HasPrefix(tt.want, "FAIL") {
				want = 1
			}
			if failed != want {
				t.Errorf("%d checks failed, want %d:\n%s", failed, want, strings.Join(lines, "\n"))
			}
		})
	}
}

// like matches a pattern in which "..." is any text.
func like(line, pattern string) bool {
	parts := strings.Split(pattern, "...")
	rest, ok := strings.CutPrefix(line, parts[0])
	for _, part := range parts[1:] {
		_, after, found := strings.Cut(rest, part)
		rest, ok = after, ok && found
	}
	return ok && (rest == "" || strings.HasSuffix(pattern, "..."))
}

func closedPort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func config(text string) func(*registry) http.Handler {
	return func(g *registry) http.Handler { g.config = text; return g }
}

// otherHost serves under another name of the server.
func otherHost(g *registry) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/index/config.json" {
			_, port, _ := net.SplitHostPort(r.Host)
			fmt.Fprintf(w, `{"dl":"http://localhost:%s/crates","api":"http://%s"}`, port, r.Host)
			return
		}
		g.ServeHTTP(w, r)
	})
}

// status sets the answer for paths with this prefix.
func status(prefix string, code int, body ...string) func(*registry) http.Handler {
	return func(g *registry) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if !strings.HasPrefix(r.URL.Path, prefix) {
				g.ServeHTTP(w, r)
				return
			}
			w.WriteHeader(code)
			fmt.Fprintln(w, strings.Join(body, ""))
		})
	}
}

func page(*registry) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "<html>log in</html>") })
}

// switches hands the connection over to an unknown protocol.
func switches(*registry) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		conn, rw, err := http.NewResponseController(w).Hijack()
		if err != nil {
			panic(err)
		}
		defer conn.Close()
		rw.WriteString("HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n")
		rw.Flush()
		conn.Read(make([]byte, 1)) // until the client closes
	})
}

type noETag struct{ http.ResponseWriter }

func (w noETag) WriteHeader(code int) {
	w.Header().Del("ETag")
	w.ResponseWriter.WriteHeader(code)
}

func withoutETag(g *registry) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { g.ServeHTTP(noETag{w}, r) })
}

func withoutConditions(g *registry) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Header.Del("If-None-Match")
		g.ServeHTTP(w, r)
	})
}

func plusIsSpace(g *registry) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.URL.Path = strings.ReplaceAll(r.URL.Path, "+", " ")
		g.ServeHTTP(w, r)
	})
}

func otherBytes(g *registry) http.Handler {
	return status("/crates/", 200, "oops")(g)
}

func clock(g *registry) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Date", time.Now().Add(time.Hour).UTC().Format(http.TimeFormat))
		g.ServeHTTP(w, r)
	})
}

// Certificates that cargo would reject, and plain HTTP to an HTTPS port.
func TestBrokenTLS(t *testing.T) {
	now := time.Now()
	for _, tt := range []struct {
		name      string
		ip        net.IP
		from, to  time.Time
		trusted   bool
		plainHTTP bool
		want      string
	}{
		{"sound", net.IPv4(127, 0, 0, 1), now.Add(-time.Hour), now.Add(time.Hour), true, false, "ok address: https://..."},
		{"not trusted", net.IPv4(127, 0, 0, 1), now.Add(-time.Hour), now.Add(time.Hour), false, false,
			"FAIL address: ...its certificate is of an authority that this machine does not trust -> tell cargo of that authority: CARGO_HTTP_CAINFO=..."},
		{"another host", net.IPv4(127, 0, 0, 9), now.Add(-time.Hour), now.Add(time.Hour), true, false, "FAIL address: ...its certificate is for 127.0.0.9, not for 127.0.0.1 -> ..."},
		{"expired", net.IPv4(127, 0, 0, 1), now.Add(-2 * time.Hour), now.Add(-time.Hour), true, false, "FAIL address: ...its certificate has expired, ..."},
		{"not yet valid", net.IPv4(127, 0, 0, 1), now.Add(time.Hour), now.Add(2 * time.Hour), true, false, "FAIL address: ...which is in the future -> look at the clock..."},
		{"plain HTTP", net.IPv4(127, 0, 0, 1), now.Add(-time.Hour), now.Add(time.Hour), true, true, "FAIL address: ...it speaks HTTPS, and was asked in plain HTTP -> use https:// in the address"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := httptest.NewUnstartedServer(newRegistry())
			s.Config.ErrorLog = log.New(io.Discard, "", 0)
			cert, pemBytes := certificate(t, tt.ip, tt.from, tt.to)
			s.TLS = &tls.Config{Certificates: []tls.Certificate{cert}}
			s.StartTLS()
			defer s.Close()
			cfg := Config{URL: s.URL}
			if tt.plainHTTP {
				cfg.URL = strings.Replace(s.URL, "https:", "http:", 1)
			}
			if tt.trusted {
				cfg.CAFile = filepath.Join(t.TempDir(), "ca.pem")
				if err := os.WriteFile(cfg.CAFile, pemBytes, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			lines, _ := examine(t, cfg)
			if !slices.ContainsFunc(lines, func(line string) bool { return like(line, tt.want) }) {
				t.Errorf("want %q, got:\n%s", tt.want, strings.Join(lines, "\n"))
			}
		})
	}
}

// The path of CAFile is relative to the user's folder, although cargo runs in another one.
func TestRelativeCAFile(t *testing.T) {
	t.Chdir(t.TempDir())
	_, pemBytes := certificate(t, net.IPv4(127, 0, 0, 1), time.Now(), time.Now().Add(time.Hour))
	if err := os.WriteFile("ca.pem", pemBytes, 0o600); err != nil {
		t.Fatal(err)
	}
	x := exam{Config: Config{CAFile: "ca.pem"}}
	if err := x.newClient(); err != nil || !filepath.IsAbs(x.CAFile) {
		t.Errorf("cargo is told of %s: %v", x.CAFile, err)
	}
}

func certificate(t *testing.T, ip net.IP, from, to time.Time) (tls.Certificate, []byte) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: from, NotAfter: to, IPAddresses: []net.IP{ip}, IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}
