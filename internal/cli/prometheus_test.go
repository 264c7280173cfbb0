package cli

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/access"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable/durabletest"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/flags"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/follow"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/gate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/home"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/news"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/prefetch"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/program"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/pull"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/registry"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/replica"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/store/fetched"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/store/packed"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/work"
)

// A metric describes a metric of the programs, which may have no value yet.
type metric struct {
	name, help, kind string
	labels           []string
}

// ofV110 are the names of v1.1.0, whose meaning and labels are a contract (SPEC).
var ofV110 = []string{
	"crates_download_requests_total", "crates_download_bytes_total", "crates_download_duration_seconds",
	"crates_download_retries_total", "crates_download_inflight", "crates_processed_total",
}

// programsMetrics are all metrics of all programs.
func programsMetrics(t *testing.T) map[string]metric {
	t.Helper()
	log := slog.New(slog.DiscardHandler)
	run := &flags.Run{Home: home.Dirs{Root: t.TempDir()}}
	run.Home.Fill()
	run.Origin.Others = make([]crate.URLTemplate, 1)
	folder := durabletest.NewMem()
	pulled, err := pull.Open(t.Context(), pull.Config{Behind: pull.Nothing{}, Folder: folder, Log: log})
	must(t, err)
	t.Cleanup(func() { must(t, pulled.Close()) })
	gates := gate.NewMetrics()
	gates.Watch("", new(gate.Source))
	gates.Blocks(nil)
	all := slices.Concat(
		metrics(follow.NewActivity("", program.ExitCode), &run.Home, new(program.App).Upstreams(run, log)),
		[]prometheus.Collector{
			registry.New(registry.Config{Mirror: pulled}).Metrics(), new(registry.Server).Metrics(), pulled.Metrics(),
			access.New(access.Config{}, nil).Metrics(), news.Served(), prefetch.New(pulled, prefetch.Config{}).Metrics()[0], prefetch.New(pulled, prefetch.Config{}).Metrics()[1], packed.NewMetrics(), fetched.NewMetrics(),
		},
		gates.Collectors(), new(replica.Replica).Collectors(replica.Count(nil)),
		new(work.Metrics).Collectors(), new(work.Progress).Collectors(),
	)
	return describe(t, all)
}

var description = regexp.MustCompile(`^Desc\{fqName: "([^"]*)", help: ("(?:[^"\\]|\\.)*"),(?: unit: "",)? constLabels: \{([^}]*)\}, variableLabels: \{([^}]*)\}\}$`)

func describe(t *testing.T, all []prometheus.Collector) map[string]metric {
	t.Helper()
	found := map[string]metric{}
	for _, c := range all {
		ch := make(chan *prometheus.Desc)
		go func() { defer close(ch); c.Describe(ch) }()
		for d := range ch {
			m := description.FindStringSubmatch(d.String())
			if m == nil {
				t.Fatalf("cannot be read: %s", d)
			}
			var help string
			must(t, json.Unmarshal([]byte(m[2]), &help))
			var labels []string
			for _, text := range strings.Split(m[3]+","+m[4], ",") {
				if label, _, _ := strings.Cut(text, "="); label != "" {
					labels = append(labels, label)
				}
			}
			found[m[1]] = metric{m[1], help, kindOf(m[1]), labels}
		}
	}
	return found
}

// kindOf returns the type that a metric must have by its name and the conventions of
// Prometheus.
func kindOf(name string) string {
	switch {
	case strings.HasSuffix(name, "_total"):
		return "counter"
	case strings.HasSuffix(name, "_duration_seconds"), strings.Contains(name, "_published_to_"):
		return "histogram"
	}
	return "gauge"
}

// TestMetricsAreWhatTheySay: each metric has the type that its name says, and a help text.
func TestMetricsAreWhatTheySay(t *testing.T) {
	reg := prometheus.NewPedanticRegistry()
	run := &flags.Run{Home: home.Dirs{Root: t.TempDir()}}
	run.Home.Fill()
	reg.MustRegister(metrics(follow.NewActivity("", program.ExitCode), &run.Home, new(program.App).Upstreams(run, slog.New(slog.DiscardHandler)))...)
	reg.MustRegister(packed.NewMetrics(), registry.New(registry.Config{Mirror: pull.Nothing{}}).Metrics())
	families, err := reg.Gather()
	must(t, err)
	if len(families) < 20 {
		t.Errorf("%d metrics", len(families))
	}
	for _, f := range families {
		if kind := strings.ToLower(f.GetType().String()); kind != kindOf(f.GetName()) {
			t.Errorf("%s is a %s, its name says %s", f.GetName(), kind, kindOf(f.GetName()))
		}
	}
	for name, m := range programsMetrics(t) {
		if m.help == "" || !strings.HasPrefix(name, "crates_") && !strings.HasPrefix(name, "sync_") && !strings.HasPrefix(name, "clonecratesio_") {
			t.Errorf("%s: %q", name, m.help)
		}
	}
}

// Every package with metrics is in programsMetrics, so that the tests cover all metrics.
func TestAllMetricsAreKnown(t *testing.T) {
	known := strings.Fields("access admin cli follow gate news origins program prefetch pull registry replica servecli store/fetched store/packed telemetry upstream work")
	must(t, filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		if err != nil || filepath.Ext(path) != ".go" || strings.HasSuffix(path, "_test.go") {
			return err
		}
		text, err := os.ReadFile(path)
		room := filepath.ToSlash(filepath.Dir(strings.TrimPrefix(filepath.ToSlash(path), "../")))
		if strings.Contains(string(text), `"github.com/prometheus/client_golang/prometheus"`) && !slices.Contains(known, room) {
			t.Errorf("internal/%s has metrics: put them into programsMetrics, and its name here", room)
		}
		return err
	}))
}

const metricsDoc = "../../docs/Prometheus.md"

// TestPrometheusDoc: the tables of docs/Prometheus.md agree with the code, the rules and the
// dashboard. To update them: go test ./internal/cli -run TestPrometheusDoc -update
func TestPrometheusDoc(t *testing.T) {
	data, err := os.ReadFile(metricsDoc)
	must(t, err)
	doc := strings.ReplaceAll(string(data), "\r\n", "\n")
	all := programsMetrics(t)
	want := doc
	want = between(t, want, "of v1.1.0", metricTable(all, func(name string) bool { return slices.Contains(ofV110, name) }))
	want = between(t, want, "others", metricTable(all, func(name string) bool { return !slices.Contains(ofV110, name) }))
	want = between(t, want, "alerts", alertTable(t))
	want = between(t, want, "panels", panelTable(t))
	if *update {
		must(t, os.WriteFile(metricsDoc, []byte(want), 0o644))
		return
	}
	if diff := gocmp.Diff(want, doc); diff != "" {
		t.Errorf("docs/Prometheus.md has drifted, rewrite it with -update (-want +got):\n%s", diff)
	}
}

// between puts text between the marks of a part of a document.
func between(t *testing.T, doc, part, text string) string {
	t.Helper()
	begin, end := "<!-- generated: "+part+" -->\n", "<!-- end -->"
	before, rest, found := strings.Cut(doc, begin)
	_, after, ended := strings.Cut(rest, end)
	if !found || !ended {
		t.Fatalf("docs/Prometheus.md has no part %q", part)
	}
	return before + begin + text + end + after
}

func metricTable(all map[string]metric, choose func(string) bool) string {
	var b strings.Builder
	b.WriteString("| metric | type | labels | what it is |\n|---|---|---|---|\n")
	for _, name := range slices.Sorted(maps.Keys(all)) {
		m := all[name]
		if choose(name) {
			fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", name, m.kind, code(m.labels), strings.ReplaceAll(m.help, "|", `\|`))
		}
	}
	return b.String()
}

func code(words []string) string {
	if len(words) == 0 {
		return ""
	}
	return "`" + strings.Join(words, "`, `") + "`"
}

// rule is an alert of contrib/prometheus/rules.yml.
type rule struct{ alert, expr, wait, severity, description string }

const rulesFile = "../../contrib/prometheus/rules.yml"

var (
	alertStart  = regexp.MustCompile(`(?m)^      - alert: `)
	foldedBreak = regexp.MustCompile(`\n {10}`)
)

// rules reads the alerts. The file is ours and in one form; promtool reads it as YAML.
func rules(t *testing.T) (all []rule) {
	t.Helper()
	data, err := os.ReadFile(rulesFile)
	must(t, err)
	for _, text := range alertStart.Split(string(data), -1)[1:] {
		text = foldedBreak.ReplaceAllString(text, " ")
		name, _, _ := strings.Cut(text, "\n")
		field := func(key string) string {
			m := regexp.MustCompile(`(?m)\b` + key + `: (.*)$`).FindStringSubmatch(text)
			if m == nil {
				return ""
			}
			return strings.Trim(m[1], `"`)
		}
		all = append(all, rule{
			alert: name, expr: strings.TrimPrefix(field("expr"), ">- "), wait: cmp.Or(field("for"), "at once"),
			severity: strings.Trim(strings.TrimPrefix(field("labels"), "{severity: "), "}"), description: field("description"),
		})
	}
	return all
}

func alertTable(t *testing.T) string {
	var b strings.Builder
	b.WriteString("| alert | severity | goes off when | after | what to do |\n|---|---|---|---|---|\n")
	for _, r := range rules(t) {
		fmt.Fprintf(&b, "| %s | %s | `%s` | %s | %s |\n", r.alert, r.severity, strings.ReplaceAll(r.expr, "|", `\|`), r.wait, r.description)
	}
	return b.String()
}

const dashboardFile = "../../contrib/grafana/clonecratesio.json"

// dashboard has the fields of Grafana's file that the tests read.
type dashboard struct {
	UID        string
	Templating struct{ List []struct{ Name, Type string } }
	Panels     []panel
}

type panel struct {
	ID          int
	Type, Title string
	Description string
	Datasource  struct{ UID string }
	GridPos     struct{ H, W, X, Y int }
	Targets     []struct {
		RefID, Expr, LegendFormat string
		Instant                   bool
		Datasource                struct{ UID string }
	}
	FieldConfig struct {
		Defaults struct {
			Unit       string
			Thresholds struct {
				Steps []struct {
					Color string
					Value *float64
				}
			}
		}
	}
	Options struct{ TextMode string }
}

func readDashboard(t *testing.T) (d dashboard) {
	t.Helper()
	data, err := os.ReadFile(dashboardFile)
	must(t, err)
	must(t, json.Unmarshal(data, &d))
	return d
}

func panelTable(t *testing.T) string {
	var b strings.Builder
	b.WriteString("| row | panel | query |\n|---|---|---|\n")
	row := ""
	for _, p := range readDashboard(t).Panels {
		if p.Type == "row" {
			row = p.Title
			continue
		}
		for _, q := range p.Targets {
			expr := strings.ReplaceAll(strings.ReplaceAll(q.Expr, `mirror=~"$mirror", `, ""), `{mirror=~"$mirror"}`, "")
			fmt.Fprintf(&b, "| %s | %s | `%s` |\n", row, p.Title, strings.ReplaceAll(expr, "|", `\|`))
			row = ""
		}
	}
	return b.String()
}

var metricName = regexp.MustCompile(`\b(?:crates|sync|clonecratesio)_[a-z0-9_]+`)

var grouped = regexp.MustCompile(`by \(([a-z, ]+)\)`)

// perLabels are the labels by which a query has several answers.
func perLabels(expr string) (labels []string) {
	for _, by := range grouped.FindAllStringSubmatch(expr, -1) {
		for label := range strings.SplitSeq(by[1], ", ") {
			if label != "le" { // of a histogram, which its quantile takes up
				labels = append(labels, label)
			}
		}
	}
	return labels
}

// TestDashboard finds mistakes with which Grafana loads the dashboard, but shows nothing.
func TestDashboard(t *testing.T) {
	d := readDashboard(t)
	if d.UID == "" || len(d.Templating.List) == 0 || d.Templating.List[0].Name != "datasource" || d.Templating.List[0].Type != "datasource" {
		t.Errorf("uid %q, variables %+v", d.UID, d.Templating.List)
	}
	ids, taken := map[int]string{}, map[[2]int]string{}
	for _, p := range d.Panels {
		if ids[p.ID] != "" || p.ID == 0 {
			t.Errorf("%q and %q have the id %d", p.Title, ids[p.ID], p.ID)
		}
		ids[p.ID] = p.Title
		for x := p.GridPos.X; x < p.GridPos.X+p.GridPos.W; x++ {
			for y := p.GridPos.Y; y < p.GridPos.Y+p.GridPos.H; y++ {
				if other := taken[[2]int{x, y}]; other != "" || x > 23 {
					t.Fatalf("%q lies on %q", p.Title, other)
				}
				taken[[2]int{x, y}] = p.Title
			}
		}
		if p.Type == "row" {
			continue
		}
		if p.Datasource.UID != "${datasource}" || len(p.Targets) == 0 || p.Title == "" {
			t.Errorf("panel %q: data source %q, %d queries", p.Title, p.Datasource.UID, len(p.Targets))
		}
		for _, q := range p.Targets {
			for _, label := range perLabels(q.Expr) {
				if !strings.Contains(q.LegendFormat, "{{"+label+"}}") {
					t.Errorf("panel %q: the legend %q does not tell series apart by %s", p.Title, q.LegendFormat, label)
				}
			}
			if q.Datasource.UID != "${datasource}" || !strings.Contains(q.Expr, `mirror=~"$mirror"`) || q.RefID == "" {
				t.Errorf("panel %q: %+v", p.Title, q)
			}
		}
	}
}

// Every metric that a rule, the dashboard or the document names exists.
func TestMetricsSpokenOf(t *testing.T) {
	all := programsMetrics(t)
	for _, file := range []string{rulesFile, dashboardFile, metricsDoc, "../../contrib/prometheus/rules_test.yml", "../../docs/following.md", "../../docs/serving.md", "../../docs/fleet.md"} {
		data, err := os.ReadFile(file)
		must(t, err)
		for _, name := range metricName.FindAllString(string(data), -1) {
			base := name
			for _, suffix := range []string{"_bucket", "_count", "_sum"} {
				if short := strings.TrimSuffix(name, suffix); all[short].kind == "histogram" {
					base = short
				}
			}
			if all[base].name == "" && !strings.HasSuffix(name, "_") {
				t.Errorf("%s: there is no metric %s", filepath.Base(file), name)
			}
		}
	}
	for _, name := range ofV110 {
		if all[name].name == "" {
			t.Errorf("%s, which v1.1.0 had, is gone", name)
		}
	}
	if got := all["crates_download_requests_total"].labels; !slices.Equal(got, []string{"status", "code"}) {
		t.Errorf("labels %q", got)
	}
}

// TestPromtool: Prometheus accepts the rules and the configuration, and each alert fires when
// it should.
func TestPromtool(t *testing.T) {
	promtool, err := exec.LookPath("promtool")
	if err != nil {
		t.Skip("there is no promtool (Debian: apt-get install prometheus)")
	}
	for _, args := range [][]string{{"check", "config", "scrape.yml"}, {"check", "rules", "rules.yml"}, {"test", "rules", "rules_test.yml"}} {
		cmd := exec.Command(promtool, args...)
		cmd.Dir = filepath.Dir(rulesFile)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("promtool %s: %v\n%s", strings.Join(args, " "), err, out)
		}
	}
	cases, err := os.ReadFile("../../contrib/prometheus/rules_test.yml")
	must(t, err)
	for _, r := range rules(t) {
		if !strings.Contains(string(cases), "alertname: "+r.alert+"\n        exp_alerts:") {
			t.Errorf("rules_test.yml does not let %s go off", r.alert)
		}
	}
}
