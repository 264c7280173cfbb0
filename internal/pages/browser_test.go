package pages

import (
	"context"
	"flag"
	"fmt"
	"math"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/browser"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable/durabletest"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/publicurl"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/reader"
)

var shots = flag.String("shots", "", "folder for pictures of the pages, as Chromium shows them")

// axe is where the rules for accessibility are, which are Deque's and not kept here:
// npm pack axe-core; go test ./internal/pages -run TestBrowser/appearance -axe .../axe.min.js
var axe = flag.String("axe", "", "axe.min.js of axe-core: its rules are tried on each page")

// A tab is a page in a real, headless Chromium.
type tab struct {
	testing.TB
	ctx context.Context
	url string
}

// newBrowser skips the test where there is no Chromium.
func newBrowser(t *testing.T) context.Context {
	t.Helper()
	if testing.Short() {
		t.Skip("takes seconds")
	}
	var binary string
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			binary = path
			break
		}
	}
	if binary == "" {
		t.Skip("there is no chromium in PATH: the pages are not tried in a browser")
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(binary), chromedp.UserDataDir(t.TempDir()),
		chromedp.DisableGPU, chromedp.Flag("disable-component-update", true), chromedp.Flag("disable-quic", true),
		chromedp.Flag("disable-domain-reliability", true), chromedp.Flag("no-pings", true),
		chromedp.Flag("host-resolver-rules", "MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"))
	if os.Getuid() == 0 { // as in a container
		options = append(options, chromedp.NoSandbox)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewExecAllocator(ctx, options...)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx)
	t.Cleanup(cancel)
	if err := chromedp.Do(ctx); err != nil {
		t.Fatal(err)
	}
	return ctx
}

// newTab opens a tab for the pages of h. The test fails if a page writes anything
// to the console: an error, a warning, a violation of the policy.
func newTab(t *testing.T, browser context.Context, h *Handler) *tab {
	t.Helper()
	ctx, cancel := chromedp.NewContext(browser)
	console := chromedp.Console(ctx)
	said := make(chan struct{})
	go func() {
		defer close(said)
		for m, err := range console {
			if err != nil {
				return
			}
			if !strings.HasSuffix(m.URL, missingPage) { // to the console, a 404 is an error
				t.Errorf("console: %s (%s)", m, m.URL)
			}
		}
	}()
	t.Cleanup(func() { cancel(); <-said })
	return &tab{TB: t, ctx: ctx, url: h.cfg.PublicURL.String()}
}

// serveFixture serves a mirror at a port of its own, behind a path prefix.
func serveFixture(t *testing.T, f *fixture) *Handler {
	t.Helper()
	var h *Handler
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.StripPrefix("/pre", h).ServeHTTP(w, r)
	}))
	h = newHandler(t, f, server.URL+"/pre")
	t.Cleanup(func() { h.Close(); server.Close() })
	return h
}

func (tab *tab) do(steps ...chromedp.Action[chromedp.Void]) {
	tab.Helper()
	if err := chromedp.Do(tab.ctx, steps...); err != nil {
		tab.Fatal(err)
	}
}

func (tab *tab) open(path string) {
	tab.Helper()
	tab.do(chromedp.Navigate(tab.url + path))
}

func eval[T any](tab *tab, script string) T {
	tab.Helper()
	v, err := chromedp.Run(tab.ctx, chromedp.Evaluate[T](script))
	if err != nil {
		tab.Fatalf("%s: %v", script, err)
	}
	return v
}

// wait asks until a page is there whole and a condition of it true. A page that is left
// while it is asked gives an error, and the next one the answer.
func (tab *tab) wait(condition string) {
	tab.Helper()
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		is, err := chromedp.Run(tab.ctx, chromedp.Evaluate[bool](`document.readyState !== "loading" && Boolean(`+condition+`)`))
		switch {
		case is && err == nil:
			return
		case time.Now().After(end):
			tab.Fatalf("never became true: %s: %v\n%s", condition, err, eval[string](tab, "document.body.innerText"))
		}
	}
}

// appearance emulates a screen and a taste.
func (tab *tab) appearance(width int64, scheme string) {
	tab.Helper()
	tab.do(chromedp.EmulateViewport(width, 900, chromedp.EmulateScale(1.5)))
	_, err := chromedp.Call(tab.ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
		Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}},
	})
	if err != nil {
		tab.Fatal(err)
	}
}

// shoot saves a picture, if one is asked for.
func (tab *tab) shoot(name string) {
	tab.Helper()
	if *shots == "" {
		return
	}
	picture, err := chromedp.Run(tab.ctx, chromedp.FullScreenshot(100))
	if err == nil {
		err = os.WriteFile(filepath.Join(*shots, name+".png"), picture, 0o644)
	}
	if err != nil {
		tab.Fatal(err)
	}
}

// accessible tries the rules of axe on the page, as it looks now.
func (tab *tab) accessible(name, rules string) {
	tab.Helper()
	if rules == "" {
		return
	}
	eval[any](tab, rules+"; undefined")
	found, err := chromedp.Run(tab.ctx, chromedp.Evaluate[[]string](
		`axe.run().then(r => r.violations.map(v => v.id + ": " + v.help + ": " + v.nodes.slice(0, 3).map(n => n.html).join(" | ")))`, chromedp.EvalAwaitPromise))
	if err != nil {
		tab.Fatal(err)
	}
	if len(found) > 0 {
		tab.Errorf("%s: %s", name, strings.Join(found, "\n"))
	}
}

func TestBrowser(t *testing.T) {
	browser := newBrowser(t)
	t.Run("search to download", func(t *testing.T) { testSearchToDownload(t, browser) })
	t.Run("copy", func(t *testing.T) { testCopy(t, browser) })
	t.Run("keyboard", func(t *testing.T) { testKeyboard(t, browser) })
	t.Run("appearance", func(t *testing.T) { testAppearance(t, browser) })
	t.Run("live progress", func(t *testing.T) { t.Parallel(); testLiveProgress(t, browser) }) // these two wait
	t.Run("without JavaScript", func(t *testing.T) { t.Parallel(); testWithoutJavaScript(t, browser) })
}

func testSearchToDownload(t *testing.T, browser context.Context) {
	h := serveFixture(t, newFixture())
	tab := newTab(t, browser, h)
	tab.open("/")
	tab.do(chromedp.SendKeys("#q", "serde\r"))
	tab.wait(`location.pathname === "/pre/search" && document.querySelectorAll(".results li").length === 4`)
	tab.do(chromedp.Click(`.results a`))
	tab.wait(`location.pathname === "/pre/crate/serde"`)
	if got, want := eval[string](tab, `document.querySelector("tbody th").innerText`), "2.0.0-rc.1+build.7"; got != want {
		t.Errorf("the first version is %q, want %q", got, want)
	}
	tab.do(chromedp.Click(`.tabs a:nth-child(2)`))
	tab.wait(`location.pathname === "/pre/crate/serde/1.0.228"`)
	if got, want := eval[string](tab, `document.querySelector("a[download]").href`), tab.url+"/crates/serde/serde-1.0.228.crate"; got != want {
		t.Errorf("the download is at %q, want %q", got, want)
	}
	tab.do(chromedp.Click(`.deps a`))
	tab.wait(`location.pathname === "/pre/crate/serde_core"`)
}

func testLiveProgress(t *testing.T, browser context.Context) {
	f := newFixture()
	h := serveFixture(t, f)
	tab := newTab(t, browser, h)
	tab.open("/")
	tab.wait(`document.getElementById("run").innerText === "Last run"`)
	for work := int64(1000); work <= 3000; work += 1000 {
		f.setRun(running(work))
		tab.wait(fmt.Sprintf(`document.querySelector(".done")?.innerText.startsWith("40%d,000 of 1,700,624")`, work/1000))
	}
	ended := running(4000)
	ended.Ended, ended.Result = time.Now(), "complete"
	f.setRun(ended)
	tab.wait(`document.querySelector(".outcome")?.innerText.startsWith("Complete.")`)
}

func testCopy(t *testing.T, tabs context.Context) {
	h := serveFixture(t, newFixture())
	tab := newTab(t, tabs, h)
	_, err := chromedp.CallBrowser(tab.ctx, browser.SetPermission, browser.SetPermissionParams{
		Permission: &browser.PermissionDescriptor{Name: "clipboard-read"}, Setting: browser.PermissionSettingGranted,
	})
	if err != nil {
		t.Fatal(err)
	}
	config := strings.TrimSpace(publicurl.CargoConfig(publicurl.Index(tab.url)))
	const readClipboard = `navigator.clipboard.readText()`
	for _, clipboard := range []string{
		"", // the way of secure pages
		`Object.defineProperty(navigator, "clipboard", {value: undefined, configurable: true})`, // that of the others
	} {
		tab.open("/")
		eval[any](tab, clipboard+"; undefined")
		tab.do(chromedp.Click(`.copy`))
		tab.wait(`document.querySelector(".copy").innerText === "Copied" && document.getElementById("said").innerText === "Copied"`)
		eval[any](tab, `delete navigator.clipboard; undefined`)
		got, err := chromedp.Run(tab.ctx, chromedp.Evaluate[string](readClipboard, chromedp.EvalAwaitPromise))
		if err != nil {
			t.Fatal(err)
		}
		if strings.TrimSpace(got) != config {
			t.Errorf("copied %q, want %q", got, config)
		}
		eval[any](tab, `navigator.clipboard.writeText("")`)
	}
}

// testKeyboard: the first stop skips to the content, "/" leads to the search box, each stop is
// seen, and the last one is in the last part of the page.
func testKeyboard(t *testing.T, browser context.Context) {
	tab := newTab(t, browser, serveFixture(t, newFixture()))
	tab.open("/crate/serde")
	tab.do(chromedp.KeyEvent("\t"))
	tab.wait(`document.activeElement.className === "skip" && document.activeElement.getBoundingClientRect().top >= 0`)
	tab.do(chromedp.KeyEvent("\r"))
	tab.wait(`location.hash === "#main"`)
	tab.do(chromedp.KeyEvent("/"))
	tab.wait(`document.activeElement.id === "q"`) // the event of a character comes all the same from here, and not from a keyboard
	tab.open("/crate/serde")
	var stops []string
	for range 100 {
		tab.do(chromedp.KeyEvent("\t"))
		stop := eval[string](tab, `(e => e === document.body ? "" : e.outerHTML.slice(0, 80) + (getComputedStyle(e).outlineStyle === "none" ? " cannot be seen" : ""))(document.activeElement)`)
		if stop == "" {
			break
		}
		if stops = append(stops, stop); strings.HasSuffix(stop, "cannot be seen") {
			t.Error(stop)
		}
	}
	if n := len(stops); n < 20 || n == 100 || !strings.Contains(stops[n-1], "serde_core") { // what the feature std turns on
		t.Errorf("%d stops: %s", n, strings.Join(stops, "\n"))
	}
}

// pictured are the pages that are looked at, with what must be seen of them.
var pictured = []struct {
	name, path string
	change     func(*fixture, *Handler)
}{
	{"home", "/", nil},
	{"home-healthy", "/", func(f *fixture, _ *Handler) { f.healthy() }},
	{"home-ailing", "/", func(f *fixture, _ *Handler) { f.ailing() }},
	{"missing-versions", "/missing", func(f *fixture, _ *Handler) { f.ailing() }},
	{"home-run", "/", simulate},
	{"home-old", "/", func(f *fixture, _ *Handler) {
		f.totals.CommitTime = time.Now().Add(-100 * time.Hour)
		f.run.Result = "exit 3: 12 of 1,700,624 versions are not held; the first is serde 1.0.228: 503 Service Unavailable"
		f.run.Errors = 12
	}},
	{"home-new", "/", func(f *fixture, _ *Handler) { f.run, f.totals = nil, reader.Totals{} }},
	{"search", "/search?q=serde", nil},
	{"search-none", "/search?q=serdx", nil},
	{"crate", "/crate/serde", nil},
	{"used", "/crate/serde_core/used-by", nil},
	{"crate-many", "/crate/many", func(f *fixture, _ *Handler) { f.add(manyVersions(5000)...) }},
	{"version", "/crate/serde/1.0.228", nil},
	{"version-yanked", "/crate/serde/1.0.171", nil},
	{"version-hostile", "/crate/hostile/1.0.0", func(f *fixture, _ *Handler) { f.add(hostileLine(strings.Repeat("W", 400))) }},
	{"crate-past", "/crate/serde", func(f *fixture, _ *Handler) { f.withPast() }},
	{"history", "/crate/serde/history", func(f *fixture, _ *Handler) { f.withPast() }},
	{"day", "/crate/serde/at?day=2025-09-28", func(f *fixture, _ *Handler) { f.withPast() }},
	{"files", "/crate/serde/1.0.228/files", nil},
	{"file", "/crate/serde/1.0.228/files/src/lib.rs", nil},
	{"compare", "/crate/serde/1.0.228/diff?with=1.0.99", nil},
	{"missing", missingPage, nil},
}

const missingPage = "/crate/serd"

// On a phone nothing is wider than the screen, in the light or in the dark. A plain run
// looks at some of the pages; make slow, and who asks for pictures or rules, at all.
func testAppearance(t *testing.T, browser context.Context) {
	var rules []byte
	if *axe != "" {
		var err error
		if rules, err = os.ReadFile(*axe); err != nil {
			t.Fatal(err)
		}
	}
	looked := pictured
	if *axe == "" && *shots == "" {
		looked = durabletest.Sample(5, pictured)
	}
	for _, p := range looked {
		f := newFixture()
		h := serveFixture(t, f)
		h.cfg.Dependants = readDependants(t, f)
		if p.change != nil {
			p.change(f, h)
			h.cfg.Health = f.healthOf()
			h.live.look()
		}
		tab := newTab(t, browser, h)
		papers := make(map[string]bool)
		tab.open(p.path)
		for _, scheme := range []string{"light", "dark"} {
			tab.appearance(375, scheme)
			if wide := eval[int](tab, `document.documentElement.scrollWidth`); wide > 375 {
				t.Errorf("%s is %d pixels wide on a phone of 375", p.name, wide)
			}
			small := eval[[]string](tab, `[...document.querySelectorAll("button, .button, input, .pager a, .results a, .links a, summary")]
				.filter(e => e.offsetHeight && e.offsetHeight < 36 && !e.closest("td")).map(e => e.outerHTML)`)
			if len(small) > 0 {
				t.Errorf("%s: too small for a finger: %s", p.name, small)
			}
			tab.accessible(p.name+" on a phone, "+scheme, string(rules))
			papers[eval[string](tab, `getComputedStyle(document.body).backgroundColor`)] = true
			tab.shoot(p.name + "-phone-" + scheme)
			tab.appearance(1200, scheme)
			tab.accessible(p.name+", "+scheme, string(rules))
			tab.shoot(p.name + "-" + scheme)
		}
		if len(papers) != 2 {
			t.Errorf("%s looks the same in the light and in the dark: %v", p.name, papers)
		}
	}
}

func testWithoutJavaScript(t *testing.T, browser context.Context) {
	f := newFixture()
	f.setRun(running(1000))
	h := serveFixture(t, f)
	tab := newTab(t, browser, h)
	_, err := chromedp.Call(tab.ctx, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true})
	if err != nil {
		t.Fatal(err)
	}
	f.withPast()
	tab.open("/crate/serde/history")
	tab.do(chromedp.Click(".calendar button"))
	tab.wait(`location.pathname + location.search === "/pre/crate/serde/at?day=2025-11-01" && document.querySelector("tbody tr")`)
	tab.open("/")
	f.setRun(running(2000))
	tab.wait(`document.querySelector(".done")?.innerText.startsWith("402,000 of")`) // by loading it again
	if eval[bool](tab, `[...document.querySelectorAll(".copy")].some(e => e.offsetHeight > 0)`) {
		t.Error("a copy button is shown that cannot work")
	}
}

// simulate is five minutes of a run with a pace that changes.
func simulate(f *fixture, h *Handler) {
	now, work := time.Now(), int64(0)
	h.live.mu.Lock()
	for i := range 62 {
		work += int64(5 * (1400 + 500*math.Sin(float64(i)/7) + 160*math.Sin(float64(i*i))))
		if i > 38 && i < 43 {
			work -= 4000
		}
		s := running(work)
		s.Updated = now.Add(time.Duration(i-61) * step)
		h.live.history.add(s)
	}
	h.live.mu.Unlock()
	f.setRun(running(work))
}
