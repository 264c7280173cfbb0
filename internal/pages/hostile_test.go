package pages

import (
	"encoding/json"
	"fmt"
	"html"
	"net/http"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/diff"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/index"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/reader"
)

// hostileLine is an index line with a text wherever its author may write one.
func hostileLine(text string) string {
	quoted, err := json.Marshal(text)
	if err != nil {
		panic(err)
	}
	return fmt.Sprintf(`{"name":"hostile","vers":"1.0.0","deps":[{"name":%[1]s,"req":%[1]s,"features":[%[1]s],"optional":true,`+
		`"default_features":false,"target":%[1]s,"kind":"normal","registry":%[1]s,"package":%[1]s},`+
		`{"name":%[1]s,"req":%[1]s,"features":[],"optional":false,"default_features":true,"target":null,"kind":%[1]s}],`+
		`"cksum":"%064[2]x","features":{%[1]s:[%[1]s]},"features2":{"more":[%[1]s]},"yanked":false,"links":%[1]s,"rust_version":%[1]s,"pubtime":%[1]s}`,
		quoted, 7)
}

func manyVersions(n int) []string {
	lines := make([]string, n)
	for i := range lines {
		lines[i] = line("many", fmt.Sprintf("%d.%d.%d", i/100, i/10%10, i%10), `,"pubtime":"2024-03-09T17:00:00Z","rust_version":"1.70"`)
	}
	return lines
}

func TestH9HostileText(t *testing.T) {
	for _, text := range []string{
		`<script>alert(1)</script>`,
		`"><img src=x onerror=alert(1)>`,
		`' onmouseover='alert(1)`,
		`javascript:alert(1)`,
		`</code></td></table></main><h1>gone</h1>`,
		`{{.Checksum}}`,
		"\x1b[31m\u202egpj.exe\u0000",
		`<!--`, `-->`, `]]>`, `&lt;script&gt;`,
	} {
		f := newFixture()
		f.add(hostileLine(text))
		f.about["hostile"] = About{Description: text, License: text, Homepage: text, Repository: text, Documentation: text, Keywords: []string{text}, Categories: []string{text}}
		f.withPast()
		f.past.crates["hostile"], f.past.history["hostile"] = f.crates["hostile"], &reader.History{Until: text, From: text, Earlier: text, Days: []reader.ChangedDay{{
			Day:     index.Day{Date: text},
			Changes: []diff.Change{{Kind: diff.Changed, Key: crate.Key{ID: crate.ID{Name: "hostile", Version: text}}, Fields: []string{text}}},
		}}}
		f.run.Result, f.run.Phase, f.totals.Commit = text, text, text
		h := newHandler(t, f, testURL)
		h.cfg.Labels = true
		for _, path := range []string{"/", "/search?q=" + "hostile", "/crate/hostile", "/crate/hostile/1.0.0", "/crate/hostile/history", "/crate/hostile/at?day=2025-09-28", "/crate/hostile/at?day=" + text, "/crate/" + text, "/crate/hostile/" + text} {
			body := get(h, path).Body.String()
			if strings.ContainsAny(text, `<>"'`) && strings.Contains(body, text) {
				t.Errorf("%s has %q as it is", path, text)
			}
			for _, never := range []string{`href="javascript`, "<img src=x", "<h1>gone", " onmouseover='"} {
				if strings.Contains(body, never) {
					t.Errorf("%s: %q became %q", path, text, never)
				}
			}
			if !strings.HasSuffix(strings.TrimSpace(body), "</html>") {
				t.Errorf("%s: %q ended the page early", path, text)
			}
		}
		if query := get(h, "/search?q=%ff%fe").Body.String(); !utf8.ValidString(query) {
			t.Error("/search has text that is not UTF-8")
		}
		query := get(h, "/search?q="+strings.ReplaceAll(text, "&", "%26")).Body.String()
		if strings.ContainsAny(text, `<>"'`) && strings.Contains(query, text) {
			t.Errorf("/search has %q as it is", text)
		}
	}
}

func TestH9Links(t *testing.T) {
	for _, test := range []struct {
		url  string
		want bool
	}{
		{"https://serde.rs", true},
		{"http://example.org/a?b=c#d", true},
		{"HTTPS://serde.rs", true},
		{"javascript:alert(1)", false},
		{"JavaScript:alert(1)", false},
		{" javascript:alert(1)", false},
		{"java\nscript:alert(1)", false},
		{"data:text/html,<script>", false},
		{"//evil.example", false},
		{"/crate/serde", false},
		{"https:serde.rs", false},
		{"https://" + strings.Repeat("a", maxText), false},
		{"ftp://example.org", false},
		{"", false},
	} {
		if got := len(About{Homepage: test.url}.Links()) == 1; got != test.want {
			t.Errorf("a link to %q: %t, want %t", test.url, got, test.want)
		}
	}
	f := newFixture()
	body := get(newHandler(t, f, testURL), "/crate/serde").Body.String()
	if want := `<a href="https://serde.rs" rel="nofollow noopener noreferrer">Homepage</a>`; !strings.Contains(body, want) {
		t.Errorf("no %s", want)
	}
}

// A crate of another registry is not the one of that name here.
func TestDependenciesOfOtherRegistries(t *testing.T) {
	f := newFixture()
	f.add(`{"name":"uses","vers":"1.0.0","deps":[{"name":"serde_core","req":"^1","kind":"normal"},` +
		`{"name":"serde_json","req":"^1","kind":"normal","registry":"https://other.example/index"}],` +
		fmt.Sprintf(`"cksum":"%064x","features":{},"yanked":false}`, 5))
	body := get(newHandler(t, f, testURL), "/crate/uses/1.0.0").Body.String()
	if !strings.Contains(body, "/crate/serde_core") || strings.Contains(body, "/crate/serde_json") || !strings.Contains(body, "of another registry") {
		t.Errorf("want a link to serde_core and none to serde_json:\n%s", body)
	}
}

// Names come from the path, and are asked for only if a crate can have them.
func TestH4NamesInPaths(t *testing.T) {
	f := newFixture()
	h := newHandler(t, f, testURL)
	for _, path := range []string{
		"/crate/../../etc/passwd", "/crate/..", "/crate/.", "/crate/%2e%2e%2f", "/crate/a\x00b", `/crate/..\..\etc`,
		"/crate//etc/passwd", "//crate/serde", "/crate/a;b", "/crate/serde/..", "/crate/serde/1.0.228/..", "/crate/-a",
		"/crate/" + strings.Repeat("a", 65), "/crate/serde/1", "/crate/serde/1.0.228%00", "/crate/serde/1.0.228/more",
		"/crate/", "/crate", "/crate/serde/", "/static/../web.go", "/static/", "/static/style.css", "/crate/serdé",
		"/crate/serde/" + strings.Repeat("1", 200) + ".0.0",
	} {
		if w := get(h, path); w.Code != http.StatusNotFound || !strings.Contains(w.Body.String(), "<h1>Not found</h1>") {
			t.Errorf("%q: status %d, want 404 and a page", path, w.Code)
		}
	}
	for _, name := range f.asked {
		if crate.CheckName(name) != nil {
			t.Errorf("the mirror was asked for %q", name)
		}
	}
}

// Whatever a crate's author publishes, a page stays one that a phone can bear.
func TestPagesAreBounded(t *testing.T) {
	const most = 150_000 // bytes; of the worst page 1 MB
	deps := make([]string, 0, 1500)
	for _, kind := range []string{"normal", "build", "dev"} {
		for i := range 500 {
			deps = append(deps, fmt.Sprintf(`{"name":"dep-%d","req":"^%d","features":["a","b"],"optional":true,"default_features":false,"target":"cfg(unix)","kind":%q}`, i, i, kind))
		}
	}
	features := make([]string, 5000)
	for i := range features {
		features[i] = fmt.Sprintf(`"feature-%d":["dep:dep-%d"]`, i, i)
	}
	f := newFixture()
	f.add(manyVersions(5000)...)
	f.add(fmt.Sprintf(`{"name":"deps","vers":"1.0.0","deps":[%s],"cksum":"%064x","features":{%s},"yanked":false}`,
		strings.Join(deps[:500], ","), 1, strings.Join(features, ",")))
	f.add(fmt.Sprintf(`{"name":"worst","vers":"1.0.0","deps":[%s],"cksum":"%064x","features":{},"yanked":false}`, strings.Join(deps, ","), 1))
	wide := strings.ReplaceAll(strings.Join(deps, ","), `["a","b"]`, `["`+strings.Repeat("W", 100)+strings.Repeat(`","`+strings.Repeat("W", 100), 20)+`"]`)
	f.add(fmt.Sprintf(`{"name":"wide","vers":"1.0.0","deps":[%s],"cksum":"%064x","features":{},"yanked":false}`, wide, 1))
	f.add(hostileLine(strings.Repeat("W", 20_000)))
	f.add(fmt.Sprintf(`{"name":"long","vers":"1.0.0","deps":[],"cksum":"%064x","features":{},"yanked":false,"junk":%q}`, 1, strings.Repeat("x", maxLine)))
	f.add(fmt.Sprintf(`{"name":"odd","vers":"1.0.0","deps":"none","cksum":"%064x","features":[],"yanked":false}`, 1))
	f.about["hostile"] = About{Description: strings.Repeat("W", 1<<20), License: strings.Repeat("W", 1<<20)}
	f.run.Result = strings.Repeat("W", 60_000)
	h := newHandler(t, f, testURL)
	if n := get(h, "/crate/wide/1.0.0").Body.Len(); n > 1_000_000 {
		t.Errorf("/crate/wide has %d bytes, want at most 1 MB", n)
	}
	for _, test := range []struct{ path, says string }{
		{"/", "Not complete"},
		{"/crate/many", "Page 1 of 100"},
		{"/crate/many?page=100", "Page 100 of 100"},
		{"/crate/many?page=101", "There is no page 101: the last one is 100."},
		{"/crate/many?page=99999999999999999999", "Page 1 of 100"},
		{"/crate/many?page=-3", "Page 1 of 100"},
		{"/crate/deps/1.0.0", "and 350 more: see the"},
		{"/crate/worst/1.0.0", "and 350 more: see the"},
		{"/crate/hostile", "1 version"},
		{"/crate/hostile/1.0.0", "WWW…"},
		{"/crate/long/1.0.0", "too long or too odd to be shown"},
		{"/crate/odd/1.0.0", `<a href="/crates/index/3/o/odd">index file</a>`},
		{"/search?q=" + strings.Repeat("W", 10_000), "Nothing found"},
	} {
		body := get(h, test.path).Body.String()
		if !strings.Contains(body, test.says) {
			t.Errorf("%.40s does not say %q", test.path, test.says)
		}
		if len(body) > most {
			t.Errorf("%.40s has %d bytes, want at most %d", test.path, len(body), most)
		}
		t.Logf("%.40s: %d bytes", test.path, len(body))
	}
}

func FuzzVersionPage(f *testing.F) {
	f.Add(`{"name":"serde","vers":"1.0.228","deps":[{"name":"a","req":"^1","kind":null}],"features":{"default":[]},"pubtime":"2025-09-27T16:51:35Z"}`)
	f.Add(`{"deps":[{"name":"<b>","registry":"x"}],"features":{"a":["b"]},"features2":{"a":["c"]}}`)
	f.Add(`{"deps":null,"features":null,"rust_version":null}`)
	f.Add(`{"deps":[{"name":"a","name":"b"}]}`)
	f.Add(`[]`)
	fixture := newFixture()
	fixture.add(line("fuzz", "1.0.0", ""))
	h := newHandler(f, fixture, testURL)
	f.Fuzz(func(t *testing.T, line string) {
		fixture.crates["fuzz"].Entries[0].Raw = []byte(line)
		for _, path := range []string{"/crate/fuzz", "/crate/fuzz/1.0.0"} {
			w := get(h, path)
			if w.Code != http.StatusOK || !utf8.Valid(w.Body.Bytes()) || !strings.Contains(w.Body.String(), "</html>") {
				t.Errorf("%s: status %d\n%s", path, w.Code, html.EscapeString(w.Body.String()))
			}
		}
	})
}
