package pages

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
)

// What is in a crate is given out as text or as an image, and never as a page.
func TestRawFiles(t *testing.T) {
	h := newHandler(t, newFixture(), testURL)
	for path, want := range map[string]string{
		"raw/src/lib.rs":       "text/plain; charset=utf-8",
		"raw/crates-io.md":     "text/plain; charset=utf-8",
		"raw/logo.png":         "text/plain; charset=utf-8",
		"image/logo.png":       "image/png",
		"image/src/lib.rs":     "",
		"image/none.png":       "",
		"raw/src":              "",
		"raw/../../etc/passwd": "",
		"raw/":                 "",
	} {
		w := get(h, "/crate/serde/1.0.228/"+path)
		if want == "" {
			if w.Code != http.StatusNotFound {
				t.Errorf("%s: status %d, want 404", path, w.Code)
			}
			continue
		}
		header := w.Header()
		if w.Code != 200 || header.Get("Content-Type") != want || header.Get("X-Content-Type-Options") != "nosniff" || header.Get("Content-Security-Policy") != sandbox {
			t.Errorf("%s: %d, %v", path, w.Code, header)
		}
		if _, name, _ := strings.Cut(path, "/"); w.Body.String() != sources[0][name] {
			t.Errorf("%s: %q", path, w.Body.String())
		}
	}
}

// A version that is not given out, or is damaged, or is not there, is not shown, either: no
// file of it, no README, no difference.
func TestFilesThatAreNotGivenOut(t *testing.T) {
	id := crate.ID{Name: "serde", Version: "1.0.228"}
	pages := []string{"1.0.228/files", "1.0.228/files/src/lib.rs", "1.0.228/raw/src/lib.rs", "1.0.228/image/logo.png", "1.0.228/diff?with=1.0.99", "1.0.99/diff?with=1.0.228"}
	for want, f := range map[string]*fixture{
		"serde is blocked here: &lt;b&gt;a reason&lt;/b&gt;.": {denied: id},
		"The copy of serde 1.0.228 is damaged":                {damaged: id},
	} {
		all := newFixture()
		all.denied, all.damaged = f.denied, f.damaged
		h := newHandler(t, all, testURL)
		for _, page := range pages {
			if w := get(h, "/crate/serde/"+page); w.Code != http.StatusNotFound || !strings.Contains(w.Body.String(), want) || strings.Contains(w.Body.String(), "no_std") {
				t.Errorf("%s: %d, without %q\n%s", page, w.Code, want, w.Body)
			}
		}
		if w := get(h, "/crate/serde/1.0.228"); w.Code != 200 || strings.Contains(w.Body.String(), "In action") {
			t.Errorf("the README is shown: %d", w.Code)
		}
	}
}

// The mirror is asked each time: what was read once is not shown any longer than it may be.
func TestFilesAreDeniedFromThenOn(t *testing.T) {
	f := newFixture()
	h := newHandler(t, f, testURL)
	for _, page := range []string{"", "/files", "/files/src/lib.rs"} {
		if w := get(h, "/crate/serde/1.0.228"+page); w.Code != 200 {
			t.Fatalf("%s: %d", page, w.Code)
		}
	}
	f.denied = crate.ID{Name: "serde", Version: "1.0.228"}
	if w := get(h, "/crate/serde/1.0.228/files/src/lib.rs"); w.Code != http.StatusNotFound {
		t.Errorf("a file is shown that is denied: %d", w.Code)
	}
	if w := get(h, "/crate/serde/1.0.228"); strings.Contains(w.Body.String(), "In action") {
		t.Error("a README is shown that is denied")
	}
}

// A crate file that its author made to be none is told of, and is no error of ours.
func TestNotACrateFile(t *testing.T) {
	f := newFixture()
	id := crate.ID{Name: "serde", Version: "1.0.228"}
	f.files[id] = f.files[id][:50]
	h := newHandler(t, f, testURL)
	if w := get(h, "/crate/serde/1.0.228/files"); w.Code != http.StatusNotFound || !strings.Contains(w.Body.String(), "the crate file ends too early") {
		t.Errorf("%d\n%s", w.Code, w.Body)
	}
	if w := get(h, "/crate/serde/1.0.228"); w.Code != 200 {
		t.Errorf("the page of the version: %d", w.Code)
	}
}

// As many as are let in work with crate files; others are told to come again.
func TestReadingIsBounded(t *testing.T) {
	h := newHandler(t, newFixture(), testURL)
	for range maxReading {
		h.reading <- struct{}{}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest("GET", "/crate/serde/1.0.228/files", nil).WithContext(ctx))
	if w.Code != http.StatusServiceUnavailable || w.Header().Get("Retry-After") == "" {
		t.Errorf("status %d, %v", w.Code, w.Header())
	}
}
