package pages

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/index/details"
)

// TestLabels: keywords and categories lead to the crates that have them, if these are found.
func TestLabels(t *testing.T) {
	f := newFixture()
	h := newHandler(t, f, testURL)
	links := []string{
		`<a href="/crates/search?q=keyword:no_std">no_std</a>`, `<a href="/crates/search?q=category:no-std%3a%3ano-alloc">no-std::no-alloc</a>`,
	}
	for _, path := range []string{"/crate/serde", "/crate/serde/1.0.228"} {
		for _, known := range []bool{true, false} {
			h.cfg.Labels = known
			body := get(h, path).Body.String()
			for _, link := range links {
				if strings.Contains(body, link) != known {
					t.Errorf("%s, labels are found: %v, the page has %s: %v", path, known, link, !known)
				}
			}
			if strings.Contains(body, "not one") {
				t.Errorf("%s has a keyword that is none", path)
			}
		}
	}
	f.about["serde"] = About{Keywords: make([]string, 1000), Categories: []string{strings.Repeat("x", maxLabel+1)}, Documentation: "https://serde.rs/doc"}
	for i := range f.about["serde"].Keywords {
		f.about["serde"].Keywords[i] = "many"
	}
	body := get(h, "/crate/serde").Body.String()
	if n := strings.Count(body, "many"); n != maxLabels || strings.Contains(body, "xxxxx") {
		t.Errorf("%d keywords\n%s", n, body)
	}
	if !strings.Contains(body, `href="https://serde.rs/doc"`) || strings.Contains(body, "docs.rs") {
		t.Errorf("the author's documentation is not what is linked\n%s", body)
	}
}

// TestDocsRS: docs.rs has the documentation of crates on crates.io alone.
func TestDocsRS(t *testing.T) {
	f := newFixture()
	for _, foreign := range []bool{false, true} {
		h := New(Config{Mirror: f, About: f.tell, Foreign: foreign})
		body := get(h, "/crate/serde").Body.String()
		if !strings.Contains(body, "https://serde.rs") || strings.Contains(body, "https://docs.rs/serde/") == foreign {
			t.Errorf("of another registry: %v\n%s", foreign, body)
		}
	}
}

// TestFeatures: what a feature turns on is a link if it is a dependency with a page here.
func TestFeatures(t *testing.T) {
	d := details.Details{Features: map[string][]string{
		"default": {"std", "logging"}, "std": {"serde/std", "gone?/std", "renamed?/x"}, "logging": {"dep:log", "log"}, "log": {},
		"old": {"serde", "nothing", "dep:", "/", "?/"},
	}}
	pages := map[string]string{"serde": "serde", "log": "log", "renamed": "other", "std": "std"}
	got, left := featuresOf(&d, pages)
	want := []feature{
		{Name: "default", Enabled: []enabled{{"std", ""}, {"logging", ""}}},
		{Name: "log"},
		{Name: "logging", Enabled: []enabled{{"dep:log", "log"}, {"log", ""}}},
		{Name: "old", Enabled: []enabled{{"serde", "serde"}, {"nothing", ""}, {"dep:", ""}, {"/", ""}, {"?/", ""}}},
		{Name: "std", Enabled: []enabled{{"serde/std", "serde"}, {"gone?/std", ""}, {"renamed?/x", "other"}}},
	}
	if diff := cmp.Diff(want, got); diff != "" || left != 0 {
		t.Errorf("%d left out\n%s", left, diff)
	}
}
