package cli

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable/durabletest"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/index/indextest"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/simreg"
)

// TestScrape: a real Prometheus scrapes a sync that follows and a server, while downloads
// fail and clients ask; then every panel's query and every alert's expression, less its
// limit, has an answer.
func TestScrape(t *testing.T) {
	prometheus, err := exec.LookPath("prometheus")
	if err != nil {
		t.Skip("there is no prometheus (Debian: apt-get install prometheus)")
	}
	durabletest.Asked(t)
	indextest.NeedGit(t)
	w := startScraped(t)
	s := &scraper{t: t, at: "127.0.0.1:" + freeTCPPort(t)}
	s.start(prometheus, w)
	deadline := time.Now().Add(90 * time.Second)
	for _, q := range scrapeQueries(t) {
		for n := 0; ; n++ {
			w.ask(n)
			answers, err := s.query(q)
			if err != nil {
				t.Fatalf("%s: %v", q, err)
			}
			if answers > 0 {
				break
			}
			if time.Now().After(deadline) {
				t.Errorf("nothing answers %s", q)
				break
			}
			time.Sleep(200 * time.Millisecond)
		}
	}
	if *panelsDir != "" {
		for n := range 400 { // two minutes: something to see
			w.ask(n)
			time.Sleep(200 * time.Millisecond)
		}
		s.drawPanels(*panelsDir, 2*time.Minute)
	}
}

// scraped is a mirror that is scraped: the addresses of its server and of its metrics.
type scraped struct {
	t                    *testing.T
	m                    *mirrored
	git                  string
	serve, admin, listen string
}

func startScraped(t *testing.T) *scraped {
	t.Helper()
	var versions []simreg.Version
	for n := range 40 {
		versions = append(versions, simreg.Version{Name: fmt.Sprintf("crate%d", n), Version: "1.0.0", Size: 100_000})
	}
	reg := simreg.New(versions...)
	reg.Inject(crate.ID{Name: "crate1", Version: "1.0.0"}, simreg.Fault{Kind: simreg.Status})
	m := newMirrored(t, reg)
	git := filepath.Join(t.TempDir(), "up.git")
	_, err := reg.CommitIndex(t.Context(), git, "all")
	must(t, err)
	w := &scraped{t: t, m: m, git: git, serve: "127.0.0.1:" + freeTCPPort(t), admin: "127.0.0.1:" + freeTCPPort(t), listen: "127.0.0.1:" + freeTCPPort(t)}
	mirror := filepath.Join(t.TempDir(), "m")
	m.tell("sync", "-mirror", mirror, "-bundle", "-index-url", git, "-crates-base-url", m.server.BaseURL, "-every", "2s", "-listen", w.listen)
	run := filepath.Join(mirror, "crates", ".clonecratesio", "run.json")
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(50 * time.Millisecond) {
		data, _ := os.ReadFile(run)
		if strings.Contains(string(data), `"last_success_at"`) {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("no round was a success: %s", data)
		}
	}
	m.tell("verify", "-mirror", mirror).want(0)
	m.tell("serve", "-mirror", mirror, "-listen", w.serve, "-admin-listen", w.admin)
	return w
}

// ask is a client of the server, and now and then an author who publishes.
func (w *scraped) ask(n int) {
	if n%10 == 1 {
		version := fmt.Sprintf("2.0.%d", w.m.reg.Len())
		w.m.reg.Add(simreg.Version{Name: "crate2", Version: version, Size: 20_000})
		if n%30 == 1 { // and the registry answers badly
			w.m.reg.Inject(crate.ID{Name: "crate2", Version: version}, simreg.Fault{Kind: simreg.Status})
		}
		_, err := w.m.reg.CommitIndex(w.t.Context(), w.git, "more")
		must(w.t, err)
	}
	for _, path := range []string{"/index/config.json", "/index/cr/at/crate1", "/index/cr/at/crate2", "/crates/crate1/1.0.0/download", "/index/no/ne/none", "/"} {
		if resp, err := http.Get("http://" + w.serve + path); err == nil {
			resp.Body.Close()
		}
	}
}

// scraper is a Prometheus.
type scraper struct {
	t  *testing.T
	at string
}

// start starts it with our own configuration, but for addresses and intervals.
func (s *scraper) start(program string, w *scraped) {
	s.t.Helper()
	dir := s.t.TempDir()
	for _, name := range []string{"scrape.yml", "rules.yml"} {
		data, err := os.ReadFile(filepath.Join("../../contrib/prometheus", name))
		must(s.t, err)
		text := strings.NewReplacer("localhost:9090", w.listen, "localhost:9091", w.admin,
			"scrape_interval: 15s", "scrape_interval: 500ms", "evaluation_interval: 30s", "evaluation_interval: 1s").Replace(string(data))
		must(s.t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644))
	}
	out := new(strings.Builder)
	cmd := exec.Command(program, "--config.file", filepath.Join(dir, "scrape.yml"), "--storage.tsdb.path", filepath.Join(dir, "data"), "--web.listen-address", s.at, "--log.level", "warn")
	cmd.Stdout, cmd.Stderr = out, out
	begin(s.t, cmd, out)
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		if resp, err := http.Get("http://" + s.at + "/-/ready"); err == nil {
			resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return
			}
		}
		if time.Now().After(deadline) {
			s.t.Fatal("Prometheus does not start")
		}
	}
}

// query returns how many series answer.
func (s *scraper) query(expr string) (int, error) {
	resp, err := http.Get("http://" + s.at + "/api/v1/query?query=" + url.QueryEscape(expr))
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	var answer struct {
		Status, Error string
		Data          struct {
			Result []struct{ Value [2]any }
		}
	}
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil || answer.Status != "success" {
		return 0, fmt.Errorf("%s %s: %w", answer.Status, answer.Error, err)
	}
	n := 0
	for _, r := range answer.Data.Result {
		if r.Value[1] != "NaN" {
			n++
		}
	}
	return n, nil
}

// asGrafana puts values in the place of Grafana's variables.
var asGrafana = strings.NewReplacer("$mirror", ".*", "$__rate_interval", "1m")

var limit = regexp.MustCompile(` [<>] [0-9e.]+$`)

// scrapeQueries are those of the dashboard as Grafana would send them, and the alerts.
func scrapeQueries(t *testing.T) (all []string) {
	t.Helper()
	for _, p := range readDashboard(t).Panels {
		for _, q := range p.Targets {
			all = append(all, asGrafana.Replace(q.Expr))
		}
	}
	windows := regexp.MustCompile(`\[(?:10m|15m|6h)\]`)
	for _, r := range rules(t) {
		if !limit.MatchString(r.expr) {
			t.Errorf("%s has no limit: %s", r.alert, r.expr)
		}
		all = append(all, windows.ReplaceAllString(limit.ReplaceAllString(r.expr, ""), "[1m]"))
	}
	return all
}

func freeTCPPort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	defer l.Close()
	_, port, err := net.SplitHostPort(l.Addr().String())
	must(t, err)
	return port
}
