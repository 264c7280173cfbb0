package pages

import (
	"flag"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/roundlog"
)

var pictures = flag.String("pictures", "", "folder into which the pictures of the documents are drawn anew")

// TestPictures draws the pictures of README.md and docs/serving.md: pages of a mirror that is
// made up, and looks like a real one.
//
//	go test ./internal/pages -run TestPictures -pictures ../../docs/images
func TestPictures(t *testing.T) {
	if *pictures == "" {
		t.Skip("only with -pictures")
	}
	f := newFixture()
	f.lifelike()
	h := newHandler(t, f, "https://crates.example.org")
	h.cfg.Dependants, h.cfg.Labels = readDependants(t, f), true
	server := httptest.NewServer(http.Handler(h))
	t.Cleanup(server.Close)
	tab := newTab(t, newBrowser(t), h)
	tab.url = server.URL
	for _, p := range []struct {
		name, path string
		height     int64
	}{
		{"start-page", "/", 1000}, {"page-crate", "/crate/serde", 1250}, {"page-source", "/crate/serde/1.0.228/files/src/lib.rs", 540},
		{"page-search", "/search?q=s", 700},
	} {
		tab.do(chromedp.EmulateViewport(1100, p.height, chromedp.EmulateScale(1)))
		tab.open(p.path)
		picture, err := chromedp.Run(tab.ctx, chromedp.CaptureScreenshot())
		if err == nil {
			err = os.WriteFile(filepath.Join(*pictures, p.name+".png"), picture, 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// wellKnown are crates, those first on which others rely.
var wellKnown = []struct {
	name, version, about string
}{
	{"libc", "0.2.177", "Raw FFI bindings to platform libraries like libc."},
	{"syn", "2.0.110", "Parser for Rust source code"},
	{"serde_json", "1.0.145", "A JSON serialization file format"},
	{"rand", "0.9.2", "Random number generators and other randomness functionality."},
	{"log", "0.4.28", "A lightweight logging facade for Rust"},
	{"tokio", "1.48.0", "An event-driven, non-blocking I/O platform for writing asynchronous I/O backed applications."},
	{"anyhow", "1.0.100", "Flexible concrete Error type built on std::error::Error"},
	{"regex", "1.12.2", "An implementation of regular expressions for Rust."},
	{"clap", "4.5.52", "A simple to use, efficient, and full-featured Command Line Argument Parser"},
	{"smallvec", "1.15.1", "'Small vector' optimization: store up to a small number of items on the stack"},
	{"thiserror", "2.0.17", "derive(Error)"},
	{"hyper", "1.8.1", "A protective and efficient HTTP library for all."},
	{"rustls", "0.23.35", "Rustls is a modern TLS library written in Rust."},
	{"socket2", "0.6.1", "Utilities for handling networking sockets with a maximal amount of configuration possible intended."},
	{"sha2", "0.10.9", "Pure Rust implementation of the SHA-2 hash function family"},
	{"url", "2.5.7", "URL library for Rust, based on the WHATWG URL Standard"},
}

// lifelike is a mirror in order, with crates that everybody knows.
func (f *fixture) lifelike() {
	f.healthy()
	now := time.Now().UTC()
	for i, c := range wellKnown {
		deps := ""
		for j := range i { // each needs some of those before it
			if (i+j)%(2+j/3) == 0 {
				deps += fmt.Sprintf(`,{"name":%q,"req":"^%s","features":[],"optional":false,"default_features":true,"target":null,"kind":"normal"}`, wellKnown[j].name, compatible(wellKnown[j].version))
			}
		}
		var lines []string
		for n := range 30 { // ever more of them, over eleven years
			at := now.Add(-time.Duration(float64(30-n)/30*float64(30-n)/30*4000*24)*time.Hour - time.Duration(i*7)*time.Hour)
			version := fmt.Sprintf("0.1.%d", n)
			if n == 29 {
				version, at = c.version, now.Add(-time.Duration(3+5*((i*7)%16))*time.Hour)
			}
			entry := fmt.Sprintf(`{"name":%q,"vers":%q,"deps":[%s],"cksum":"%064x","features":{},"yanked":false,"pubtime":%q}`,
				c.name, version, deps[min(1, len(deps)):], 1000*i+n+1, at.Format(time.RFC3339))
			lines = append(lines, entry)
		}
		f.add(lines...)
		f.about[c.name] = About{Description: c.about, License: "MIT OR Apache-2.0"}
	}
	f.about["serde"] = About{
		Description: "A generic serialization/deserialization framework", License: "MIT OR Apache-2.0",
		Homepage: "https://serde.rs", Repository: "https://github.com/serde-rs/serde", Documentation: "https://docs.rs/serde",
		Keywords: []string{"serde", "serialization", "no_std"}, Categories: []string{"encoding", "no-std"},
	}
	f.health.Rounds.Sizes = nil
	for day := range 120 { // filled in three days, and then followed
		f.health.Rounds.Sizes = append(f.health.Rounds.Sizes, roundlog.Size{
			At: now.Add(time.Duration(day-119) * 24 * time.Hour), Versions: min(int64(520_000*(day+1)), 1_700_624-int64(1100*(119-day))),
		})
	}
}
