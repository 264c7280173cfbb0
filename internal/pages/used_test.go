package pages

import (
	"context"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/dependants"
)

// readDependants returns what is known of the index files that a fixture has, and those
// of more crates.
func readDependants(t *testing.T, f *fixture, more ...string) *dependants.Watch {
	t.Helper()
	dir := t.TempDir()
	write := func(name, text string) {
		file := filepath.Join(dir, filepath.FromSlash(crate.IndexPath(name)))
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range f.crates {
		write(c.Name, string(c.Body()))
	}
	for _, name := range more {
		dep := `{"name":"serde","req":"^1","features":[],"optional":false,"default_features":true,"target":null,"kind":"dev"}`
		write(name, strings.Replace(line(name, "1.0.0", ""), `"deps":[]`, `"deps":[`+dep+`]`, 1)+"\n")
	}
	w := dependants.NewWatch(dependants.Config{Dir: dir})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	done := make(chan struct{})
	go func() { defer close(done); w.Follow(ctx) }()
	for w.Graph() == nil {
		time.Sleep(time.Millisecond)
	}
	cancel()
	<-done
	return w
}

func TestUsedBy(t *testing.T) {
	f := newFixture()
	h := newHandler(t, f, testURL)
	if w := get(h, "/crate/serde_core/used-by"); w.Code != http.StatusNotFound || !strings.Contains(w.Body.String(), "is being read for it") {
		t.Errorf("before the index was read: %d\n%s", w.Code, w.Body)
	}
	h.cfg.Dependants = readDependants(t, f, "tests-it")
	checkGolden(t, "used", get(h, "/crate/serde_core/used-by").Body.String())
	checkGolden(t, "used-not-held", get(h, "/crate/SERDE/used-by").Body.String())
	if w := get(h, "/crate/serde_core"); !strings.Contains(w.Body.String(), `<a href="/crates/crate/serde_core/used-by">Used by 1</a>`) {
		t.Errorf("no link to it:\n%s", w.Body)
	}
	if w := get(h, "/crate/none/used-by"); w.Code != http.StatusNotFound {
		t.Errorf("of a crate that is not here: %d", w.Code)
	}
	if w := get(h, "/crate/serde_core/used-by?page=7"); !strings.Contains(w.Body.String(), "There is no page 7") {
		t.Errorf("beyond the end:\n%s", w.Body)
	}
}

// The first page leads to the crates that were published last, and to those that others use
// most, as far as they are here.
func TestLeaders(t *testing.T) {
	f := newFixture()
	h := newHandler(t, f, testURL)
	if text := get(h, "/").Body.String(); strings.Contains(text, "leaders") {
		t.Errorf("before the index was read:\n%s", text)
	}
	h.cfg.Dependants = readDependants(t, f, "not-here")
	text := get(h, "/").Body.String()
	for _, want := range []string{
		`<h2>Published last</h2>` + "\n" + `<ul class="leaders"><li><a href="/crates/crate/serde">serde</a> <span class="faint"><time datetime="2025-11-02T09:00:00Z">2025-11-02</time></span></li>`,
		`<li><a href="/crates/crate/serde_core">serde_core</a> <a class="faint" href="/crates/crate/serde_core/used-by">used by 1</a></li>`,
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no %s in\n%s", want, text)
		}
	}
	if strings.Contains(text, "not-here") {
		t.Errorf("a crate that is not here is on the page:\n%s", text)
	}
}
