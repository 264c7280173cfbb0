package cli

import (
	"cmp"
	"encoding/json"
	"flag"
	"fmt"
	"html"
	"math"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

var panelsDir = flag.String("panels", "", "folder for a picture of the dashboard, drawn from what TestScrape has scraped")

// A series is a result of a panel's query, with the legend that Grafana would show.
type series struct {
	Metric map[string]string
	Values [][2]any
	legend string
}

var labelOf = regexp.MustCompile(`\{\{(\w+)\}\}`)

// legendOf returns the legend that Grafana shows for a series: all labels, unless the panel
// has a format.
func legendOf(format string, labels map[string]string) string {
	if format == "" {
		return fmt.Sprint(labels)
	}
	return labelOf.ReplaceAllStringFunc(format, func(label string) string {
		return labels[strings.Trim(label, "{}")]
	})
}

// ranges returns the series of a panel over the last span, or now if it asks for an instant.
func (s *scraper) ranges(p panel, span time.Duration) (all []series) {
	s.t.Helper()
	now := time.Now()
	for _, q := range p.Targets {
		from := now.Add(-span)
		if q.Instant {
			from = now
		}
		v := url.Values{"query": {asGrafana.Replace(q.Expr)}, "start": {stamp(from)}, "end": {stamp(now)}, "step": {"1"}}
		resp, err := http.Get("http://" + s.at + "/api/v1/query_range?" + v.Encode())
		must(s.t, err)
		var answer struct{ Data struct{ Result []series } }
		err = json.NewDecoder(resp.Body).Decode(&answer)
		resp.Body.Close()
		must(s.t, err)
		for _, r := range answer.Data.Result {
			r.legend = legendOf(q.LegendFormat, r.Metric)
			all = append(all, r)
		}
	}
	return all
}

func stamp(at time.Time) string { return strconv.FormatInt(at.Unix(), 10) }

// points returns the times of a series, in seconds since 1970, and its values.
func (s series) points() (list [][2]float64) {
	for _, v := range s.Values {
		if y, err := strconv.ParseFloat(fmt.Sprint(v[1]), 64); err == nil && !math.IsNaN(y) && !math.IsInf(y, 0) {
			list = append(list, [2]float64{v[0].(float64), y})
		}
	}
	return list
}

// withUnit writes a number in a unit of Grafana's. An unknown unit fails the test.
func withUnit(t *testing.T, v float64, unit string) string {
	t.Helper()
	switch unit {
	case "none":
		return strconv.FormatFloat(v, 'g', 4, 64)
	case "short":
		return scaled(v, 1000, "", " K", " Mil", " Bil")
	case "reqps":
		return scaled(v, 1000, " req/s", "K req/s")
	case "ops":
		return scaled(v, 1000, " ops/s", "K ops/s")
	case "bytes":
		return scaled(v, 1024, " B", " KiB", " MiB", " GiB", " TiB")
	case "Bps":
		return scaled(v, 1000, " B/s", " kB/s", " MB/s", " GB/s")
	case "percentunit":
		return strconv.FormatFloat(100*v, 'g', 3, 64) + "%"
	case "s":
		return seconds(v)
	}
	t.Errorf("Grafana has no unit %q, as far as this test knows", unit)
	return ""
}

// seconds writes a time as Grafana does, in its largest unit.
func seconds(v float64) string {
	if v != 0 && math.Abs(v) < 1 {
		return scaled(1e6*v, 1000, " µs", " ms")
	}
	size, name := 1.0, " s"
	for _, unit := range []struct {
		size float64
		name string
	}{{60, " mins"}, {3600, " hours"}, {86400, " days"}, {7 * 86400, " weeks"}, {365.25 * 86400, " years"}} {
		if math.Abs(v) >= unit.size {
			size, name = unit.size, unit.name
		}
	}
	return strconv.FormatFloat(v/size, 'g', 3, 64) + name
}

func scaled(v, step float64, units ...string) string {
	i := 0
	for ; math.Abs(v) >= step && i < len(units)-1; i++ {
		v /= step
	}
	return strconv.FormatFloat(v, 'g', 3, 64) + units[i]
}

// drawPanels writes the dashboard as HTML and, where there is a Chromium, as a picture.
// Two series of a panel that have the same legend are a fault of the dashboard.
func (s *scraper) drawPanels(dir string, span time.Duration) {
	var b strings.Builder
	b.WriteString(panelsHead)
	for _, p := range readDashboard(s.t).Panels {
		g := p.GridPos
		fmt.Fprintf(&b, `<section class=%s style="grid-area:%d/%d/span %d/span %d"><h2>%s</h2>`, p.Type, g.Y+1, g.X+1, g.H, g.W, html.EscapeString(p.Title))
		all := s.ranges(p, span)
		s.checkLegends(p, all)
		switch p.Type {
		case "stat":
			b.WriteString(s.stat(p, all))
		case "timeseries":
			b.WriteString(s.plot(p, all, span))
		}
		b.WriteString("</section>\n")
	}
	must(s.t, os.MkdirAll(dir, 0o755))
	page, err := filepath.Abs(filepath.Join(dir, "dashboard.html"))
	must(s.t, err)
	must(s.t, os.WriteFile(page, []byte(b.String()), 0o644))
	if chromium, err := exec.LookPath("chromium"); err == nil {
		out, err := exec.Command(chromium, "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--window-size=1200,2260",
			"--user-data-dir="+s.t.TempDir(), "--host-resolver-rules=MAP * ~NOTFOUND", "--screenshot="+filepath.Join(filepath.Dir(page), "dashboard.png"), "file://"+page).CombinedOutput()
		if err != nil {
			s.t.Errorf("chromium: %v %s", err, out)
		}
	}
}

func (s *scraper) checkLegends(p panel, all []series) {
	s.t.Helper()
	seen := map[string]bool{}
	for _, r := range all {
		if r.legend == "" || seen[r.legend] {
			s.t.Errorf("panel %q: more than one series has the legend %q", p.Title, r.legend)
		}
		seen[r.legend] = true
	}
}

// stat returns the newest value of each series, or its name.
func (s *scraper) stat(p panel, all []series) string {
	var b strings.Builder
	for _, r := range all {
		points := r.points()
		if len(points) == 0 {
			continue
		}
		last := points[len(points)-1]
		text, colour := withUnit(s.t, last[1], p.FieldConfig.Defaults.Unit), "green"
		if p.Options.TextMode == "name" {
			text = r.legend
		}
		for _, step := range p.FieldConfig.Defaults.Thresholds.Steps {
			if step.Value == nil || last[1] >= *step.Value {
				colour = step.Color
			}
		}
		fmt.Fprintf(&b, `<b style="color:%s">%s</b>`, colours[colour], html.EscapeString(text))
	}
	return b.String()
}

var colours = map[string]string{"green": "#73bf69", "yellow": "#f2cc0c", "red": "#f2495c"}

// plot draws the lines of a panel over span, from 0 or the minimum to the maximum.
func (s *scraper) plot(p panel, all []series, span time.Duration) string {
	const width, height = 600.0, 150.0
	least, most := 0.0, 0.0
	for _, r := range all {
		for _, v := range r.points() {
			least, most = min(least, v[1]), max(most, v[1])
		}
	}
	most = cmp.Or(most, 1)
	start := float64(time.Now().Add(-span).Unix())
	palette := []string{"#73bf69", "#f2cc0c", "#5794f2", "#ff9830", "#f2495c", "#b877d9", "#8ab8ff", "#fade2a"}
	var lines, legend strings.Builder
	for i, r := range all {
		var path []string
		for _, v := range r.points() {
			path = append(path, fmt.Sprintf("%.1f,%.1f", width*(v[0]-start)/span.Seconds(), height*(1-(v[1]-least)/(most-least))))
		}
		colour := palette[i%len(palette)]
		fmt.Fprintf(&lines, `<polyline points="%s" stroke="%s"/>`, strings.Join(path, " "), colour)
		fmt.Fprintf(&legend, `<i style="--c:%s">%s</i>`, colour, html.EscapeString(r.legend))
	}
	unit := p.FieldConfig.Defaults.Unit
	return fmt.Sprintf(`<div class=plot><p><span>%s</span><span>%s</span><span>%s</span></p><svg viewBox="0 0 600 150" preserveAspectRatio=none>%s</svg></div><footer>%s</footer>`,
		withUnit(s.t, most, unit), withUnit(s.t, (least+most)/2, unit), withUnit(s.t, least, unit), lines.String(), legend.String())
}

const panelsHead = `<!doctype html><meta charset=utf-8><title>CloneCratesio</title><style>
body{margin:8px;background:#111217;color:#ccccdc;font:13px sans-serif;width:1184px;display:grid;grid-template-columns:repeat(24,1fr);grid-auto-rows:24px;gap:6px}
section{background:#181b1f;border:1px solid #2c3235;padding:4px 8px;display:flex;flex-direction:column;overflow:hidden}
.row{background:none;border:0;padding:0}.row h2{font-size:15px;color:#fff}h2{font-size:13px;font-weight:500;margin:0}
b{font-size:26px;margin:auto;font-weight:500}.plot{flex:1;display:flex;min-height:0}p{margin:0;display:flex;flex-direction:column;justify-content:space-between;text-align:right;padding-right:6px;min-width:64px;font-size:11px}
svg{flex:1;min-width:0;height:100%;background:linear-gradient(#2c3235 1px,transparent 1px) 0 0/100% 50%;border-bottom:1px solid #2c3235}polyline{fill:none;stroke-width:1.5;vector-effect:non-scaling-stroke}
footer{font-size:11px;margin-top:4px;display:flex;flex-wrap:wrap;gap:2px 12px}i{font-style:normal}i:before{content:"";display:inline-block;width:12px;height:3px;background:var(--c);margin:0 5px 3px 0}
</style>
`
