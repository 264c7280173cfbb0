package readme

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"
)

var links = Links{
	Path: "docs/README.md",
	File: func(name string) string {
		if name == "gone.md" {
			return ""
		}
		return "/f/" + name
	},
	Image: func(name string) string {
		if strings.HasSuffix(name, ".png") {
			return "/i/" + name
		}
		return ""
	},
}

func TestRender(t *testing.T) {
	for in, want := range map[string]string{
		"# A *b* `c`":                                             `<h2 id="readme-a-b-c">A <em>b</em> <code>c</code></h2>`,
		"[x](#a-b)":                                               `<p><a href="#readme-a-b" rel="nofollow noreferrer">x</a></p>`,
		"[x](guide.md)":                                           `<p><a href="/f/docs/guide.md" rel="nofollow noreferrer">x</a></p>`,
		"[x](../LICENSE)":                                         `<p><a href="/f/LICENSE" rel="nofollow noreferrer">x</a></p>`,
		"[x](/LICENSE)":                                           `<p><a href="/f/LICENSE" rel="nofollow noreferrer">x</a></p>`,
		"[x](../gone.md)":                                         `<p>x</p>`,
		"[x](../../../etc/passwd)":                                `<p>x</p>`,
		"[x](https://a.example/?q=1&r)":                           `<p><a href="https://a.example/?q=1&amp;r" rel="nofollow noreferrer">x</a></p>`,
		"[x](javascript:alert(1))":                                `<p>x</p>`,
		"[x](JaVaScRiPt:alert(1))":                                `<p>x</p>`,
		"[x](data:text/html,x)":                                   `<p>x</p>`,
		"<a href='//evil.example/'>x</a>":                         `<p>x</p>`,
		"<a href=' javascript:x'>x</a>":                           `<p>x</p>`,
		"![a](logo.png)":                                          `<p><img src="/i/docs/logo.png" alt="a" loading="lazy"/></p>`,
		"![a](https://evil.example/a.png)":                        `<p><em>a</em></p>`,
		"<img src=//evil.example/a.png>":                          `<em>image</em>`,
		"<img src=logo.svg alt=x>":                                `<em>x</em>`,
		"[![b](https://e.example)](https://c.example)":            `<p><a href="https://c.example" rel="nofollow noreferrer"><em>b</em></a></p>`,
		"- [x] a\n- [ ] b":                                        "<ul>\n<li>☑ a</li>\n<li>☐ b</li>\n</ul>",
		"<script>x</script>a":                                     "a",
		"a <script>x</script>":                                    "<p>a </p>",
		"<style>x</style>":                                        "",
		"<p id=main class=x style=y onclick=z>q":                  "<p>q</p>",
		"<iframe src=x></iframe>q":                                "q",
		"<form action=x><input name=q><button>b</button></form>":  "☐b",
		"<h1 id='x y'>q</h1>":                                     "<h2>q</h2>",
		"<svg><script>x</script></svg>":                           "<p></p>",
		"<math><mtext><img src=x onerror=y>":                      "<p></p>",
		"```rust\nfn a() {}\n<b>\n```":                            "<pre><code>fn a() {}\n&lt;b&gt;\n</code></pre>",
		"<details open onclick=x><summary>s</summary>t</details>": `<details open=""><summary>s</summary>t</details>`,
	} {
		got, err := Render([]byte(in), links)
		if err != nil || strings.TrimSpace(string(got)) != want {
			t.Errorf("%q: %v\n got %q\nwant %q", in, err, got, want)
		}
	}
}

// Nothing gets out of its frame: what is closed too often or never is closed once.
func TestBalanced(t *testing.T) {
	for _, in := range []string{
		"</div></section></main></body>a", "<div><div>", "<b>a <i>b</b> c</i>", "<table><tr><td>", "<!-- a", "</p></p>", "<details><summary>",
		"<ul><li><table></ul>", "<a href=x><a href=y>", "<pre><code>",
	} {
		got, err := Render([]byte(in), links)
		if err != nil {
			t.Errorf("%q: %v", in, err)
		}
		checkBalanced(t, in, string(got))
	}
}

// checkBalanced reads HTML token by token: what is opened is closed, in its order.
func checkBalanced(t *testing.T, in, got string) {
	t.Helper()
	var open []string
	for z := html.NewTokenizer(strings.NewReader(got)); ; {
		switch z.Next() {
		case html.ErrorToken:
			if len(open) > 0 {
				t.Errorf("%q leaves open: %q\n%s", in, open, got)
			}
			return
		case html.StartTagToken:
			name, _ := z.TagName()
			if n := string(name); n != "br" && n != "hr" && n != "img" {
				open = append(open, n)
			}
		case html.EndTagToken:
			name, _ := z.TagName()
			if len(open) == 0 || open[len(open)-1] != string(name) {
				t.Fatalf("%q closes %s, open is %q\n%s", in, name, open, got)
			}
			open = open[:len(open)-1]
		}
	}
}

// Markdown that is made to be slow, or to become large, is refused or takes a time that
// is bounded.
func TestHostileMarkdown(t *testing.T) {
	fill := func(s string) string { return strings.Repeat(s, MaxSize/len(s)) }
	lines := func(line func(n int) string) string {
		var b strings.Builder
		for n := 0; b.Len() < MaxSize; n++ {
			b.WriteString(line(n))
		}
		return b.String()
	}
	for name, in := range map[string]string{
		"elements":   fill("<b><i><a>"),
		"quotes":     fill(">"),
		"lists":      fill("- "),
		"numbers":    fill("1. "),
		"columns":    strings.Repeat("|a", 1000) + "\n" + strings.Repeat("|-", 1000) + "\n" + fill("x\n"),
		"links":      fill("[a]("),
		"references": "[x]: " + strings.Repeat("/y", 900) + "\n\n" + fill("[x]\n"),
	} {
		if _, err := Render([]byte(in), links); !errors.Is(err, ErrHostile) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, in := range map[string]string{
		"brackets":  fill("["),
		"emphasis":  fill("**a*b"),
		"nested":    lines(func(n int) string { return strings.Repeat(" ", 2*n) + "- a\n" }),
		"backticks": lines(func(n int) string { return strings.Repeat("`", n) + " " }),
	} {
		start := time.Now()
		got, err := Render([]byte(in), links)
		if took := time.Since(start); err != nil || took > 20*time.Second {
			t.Errorf("%s: %v, after %v", name, err, took)
		}
		checkBalanced(t, name, string(got))
	}
}

// A README that is too long is cut at the end of a line.
func TestCut(t *testing.T) {
	got, err := Render([]byte(strings.Repeat("word\n\n", MaxSize)), links)
	if err != nil || !strings.HasSuffix(string(got), "<p>word</p>\n") || strings.Count(string(got), "word") != MaxSize/len("word\n\n") {
		t.Errorf("%v, %d paragraphs", err, strings.Count(string(got), "word"))
	}
}

// Who does not wait gets what has become of it the next time, and few are rendered in vain.
func TestRenderer(t *testing.T) {
	r := NewRenderer()
	ctx, cancel := context.WithCancel(t.Context())
	r.slots <- struct{}{}
	r.slots <- struct{}{}
	cancel()
	if _, err := r.Render(ctx, "a", []byte("# a"), links); !errors.Is(err, context.Canceled) {
		t.Errorf("it does not wait its turn: %v", err)
	}
	<-r.slots
	if got, err := r.Render(t.Context(), "a", []byte("# a"), links); err != nil || !strings.Contains(string(got), "readme-a") {
		t.Errorf("%q, %v", got, err)
	}
	if got, err := r.Render(ctx, "a", nil, links); err != nil || !strings.Contains(string(got), "readme-a") {
		t.Errorf("it is not remembered: %q, %v", got, err)
	}
}

func FuzzRender(f *testing.F) {
	for _, seed := range []string{"# a\n[b](c.md)", "<a href=javascript:x>", "![x](y.png)", "|a|\n|-|\n|b|", "</div><p onclick=x>", "<svg><style><img src=x>"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, in string) {
		if len(in) > 2000 {
			return
		}
		out, err := Render([]byte(in), links)
		if err != nil {
			return
		}
		checkBalanced(t, in, string(out))
		if err := onlyOurs(string(out)); err != nil {
			t.Fatalf("%q: %v\n%s", in, err, out)
		}
	})
}

// onlyOurs reads HTML as a browser does and looks for what must not be there.
func onlyOurs(text string) error {
	for z := html.NewTokenizer(strings.NewReader(text)); ; {
		switch z.Next() {
		case html.ErrorToken:
			return nil
		case html.StartTagToken, html.SelfClosingTagToken:
			tok := z.Token()
			for _, a := range tok.Attr {
				value := strings.ToLower(a.Val)
				switch {
				case tok.Data == "a" && a.Key == "href" && (strings.HasPrefix(value, "#"+anchor) || strings.HasPrefix(value, "/f/") ||
					strings.HasPrefix(value, "http://") || strings.HasPrefix(value, "https://") || strings.HasPrefix(value, "mailto:")):
				case tok.Data == "img" && a.Key == "src" && strings.HasPrefix(value, "/i/"):
				case tok.Data == "img" && (a.Key == "alt" || a.Key == "loading"):
				case a.Key == "id" && strings.HasPrefix(a.Val, anchor), a.Key == "rel", tok.Data == "details" && a.Key == "open":
				default:
					return fmt.Errorf("<%s %s=%q>", tok.Data, a.Key, a.Val)
				}
			}
			switch tok.Data {
			case "script", "style", "iframe", "object", "embed", "form", "input", "svg", "math", "link", "meta", "base", "template":
				return fmt.Errorf("<%s>", tok.Data)
			}
		}
	}
}
