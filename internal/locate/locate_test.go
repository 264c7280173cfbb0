package locate

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
)

// served answers some paths, and counts what it is asked for.
func served(t *testing.T, answers map[string]string) (address string, asked *int) {
	t.Helper()
	asked = new(int)
	var server *httptest.Server
	server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		*asked++
		body, ok := answers[r.URL.Path]
		if !ok {
			http.NotFound(w, r)
			return
		}
		if strings.HasSuffix(r.URL.Path, "/info/refs") {
			w.Header().Set("Content-Type", "application/x-git-upload-pack-advertisement")
		}
		_, _ = io.WriteString(w, strings.ReplaceAll(body, "HERE", server.URL))
	}))
	t.Cleanup(server.Close)
	return server.URL, asked
}

func TestCrates(t *testing.T) {
	for name, tt := range map[string]struct {
		answers map[string]string
		below   string // of the address that is named
		want    string // behind the address of the server
		err     string
	}{
		"a mirror that is called otherwise by its clients": {
			answers: map[string]string{"/index/config.json": `{"dl":"http://localhost:1/crates","api":"http://localhost:1"}`},
			below:   "/", want: "/crates/a/a-1.0.0.crate",
		},
		"a view of a mirror": {
			answers: map[string]string{"/policy/dev/index/config.json": `{"dl":"http://x/policy/dev/crates","api":"http://x/policy/dev","more":1}`},
			below:   "/policy/dev/", want: "/policy/dev/crates/a/a-1.0.0.crate",
		},
		"an index": {
			answers: map[string]string{"/sparse/config.json": `{"dl":"HERE/dl/{crate}/{version}"}`},
			below:   "/sparse/", want: "/dl/a/1.0.0",
		},
		"crates on another host": {
			answers: map[string]string{"/config.json": `{"dl":"https://other.example/crates"}`},
			err:     "/config.json says that the crates are on another host: write https://other.example/crates",
		},
		"a host whose name begins like this one": {
			answers: map[string]string{"/config.json": `{"dl":"http://127.0.0.1.example/crates"}`},
			err:     "on another host",
		},
		"a tree":          {},
		"no dl":           {answers: map[string]string{"/config.json": `{"api":"HERE"}`}},
		"a dl of no use":  {answers: map[string]string{"/config.json": `{"dl":"HERE/{"}`, "/index/config.json": `{"dl":"file:///etc/{crate}"}`}},
		"a page":          {answers: map[string]string{"/config.json": "<html>", "/index/config.json": ""}},
		"a file too long": {answers: map[string]string{"/config.json": `{"dl":"HERE/x"}` + strings.Repeat(" ", maxConfig)}},
	} {
		address, _ := served(t, tt.answers)
		urls, err := Crates(t.Context(), address+tt.below)
		if tt.err != "" {
			if !errors.As(err, new(*ElsewhereError)) || !strings.Contains(err.Error(), tt.err) {
				t.Errorf("%s: %v", name, err)
			}
			continue
		}
		if err != nil || urls.IsZero() != (tt.want == "") {
			t.Errorf("%s: %s, %v", name, urls, err)
			continue
		}
		if tt.want == "" {
			continue
		}
		if got := urls.URL(crate.ID{Name: "a", Version: "1.0.0"}, crate.Checksum{}); got != address+tt.want {
			t.Errorf("%s: %s, want %s", name, got, address+tt.want)
		}
	}
}

func TestIndex(t *testing.T) {
	address, _ := served(t, map[string]string{"/git/index/info/refs": "001e# service", "/index/config.json": `{"dl":"x"}`})
	if got, err := Index(t.Context(), address); err != nil || got != address+"/git/index" {
		t.Errorf("%s, %v", got, err)
	}
	address, _ = served(t, map[string]string{"/index/config.json": `{"dl":"x"}`})
	if _, err := Index(t.Context(), address+"/"); err == nil || err.Error() != address+"/ is a registry with a sparse index: write sparse+"+address+"/index/" {
		t.Error(err)
	}
	address, asked := served(t, nil)
	if got, err := Index(t.Context(), address); err != nil || got != "" || *asked != 3 {
		t.Errorf("%s, %v, %d requests", got, err, *asked)
	}
	if got, err := Index(t.Context(), "http://127.0.0.1:1/"); err != nil || got != "" {
		t.Errorf("%s, %v", got, err)
	}
}

func TestIsRoot(t *testing.T) {
	for address, want := range map[string]bool{
		"http://h": true, "https://h:1/": true, "https://h/a/": true, "http://u:p@h/": true,
		"https://h/crates": false, "http://h/{crate}/": false, "ssh://h/": false, "http://h/?a": false, "http:///": false, "h": false, "": false, "sparse+http://h/": false,
	} {
		if IsRoot(address) != want {
			t.Errorf("%s: %t", address, !want)
		}
	}
}
