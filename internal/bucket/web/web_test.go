package web

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/bucket"
)

// An invalid response is an error; a transient error is retried.
func TestHostileServer(t *testing.T) {
	asked := 0
	answers := map[string]http.HandlerFunc{
		"no length": func(w http.ResponseWriter, _ *http.Request) { w.(http.Flusher).Flush(); io.WriteString(w, "x") },
		"other range": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Range", "bytes 0-4/10")
			w.WriteHeader(206)
			io.WriteString(w, "01234")
		},
		"no total": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Range", "bytes 2-4/*")
			w.WriteHeader(206)
			io.WriteString(w, "234")
		},
		"no ranges":     func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "0123456789") },
		"a login page":  func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(403) },
		"fails at once": func(w http.ResponseWriter, r *http.Request) { asked++; w.WriteHeader(503) },
		"to http":       func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/replicate/x", http.StatusFound) },
	}
	var now http.HandlerFunc
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { now(w, r) }))
	defer server.Close()
	b, err := Open(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	b.backoff = time.Millisecond
	for name, answer := range answers {
		now = answer
		body, _, err := b.Get(t.Context(), "x", bucket.Ask{Offset: 2, Length: 3})
		if err == nil {
			body.Close()
			t.Errorf("%s is taken", name)
		}
	}
	if asked != 4 {
		t.Errorf("asked %d times of a server that answers 503", asked)
	}
	now = func(w http.ResponseWriter, r *http.Request) {
		if asked++; asked < 7 {
			w.WriteHeader(503)
			return
		}
		http.ServeContent(w, r, "", time.Time{}, strings.NewReader("0123456789"))
	}
	data, _, err := bucket.ReadAll(t.Context(), b, "x", bucket.Ask{Offset: 2, Length: 3}, 10)
	if err != nil || string(data) != "234" {
		t.Errorf("%q, %v", data, err)
	}
}

// A range of another object than the requested one is rejected: some caches support ranges
// but not If-Match.
func TestOtherObject(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Header.Del("If-Match")
		w.Header().Set("ETag", `"new"`)
		http.ServeContent(w, r, "", time.Time{}, strings.NewReader("0123456789"))
	}))
	defer server.Close()
	b, err := Open(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	for _, ask := range []bucket.Ask{{Same: `"old"`}, {Same: `"old"`, Offset: 2}, {Same: `"old"`, Length: 2}} {
		if data, _, err := bucket.ReadAll(t.Context(), b, "x", ask, 10); !errors.Is(err, bucket.ErrChanged) {
			t.Errorf("%+v: %q, %v", ask, data, err)
		}
	}
}

func TestAddresses(t *testing.T) {
	for _, text := range []string{"ftp://x/", "https://", "https://x/?a=b", "x", "https://x/#y"} {
		if _, err := Open(text); err == nil {
			t.Errorf("%s is taken", text)
		}
	}
	b, err := Open("https://user:secret@host/replicate")
	if err != nil || b.String() != "https://host/replicate/" {
		t.Errorf("%v, %v", b, err)
	}
	if _, _, err := b.Get(t.Context(), "../x", bucket.Ask{}); err == nil || strings.Contains(err.Error(), "secret") {
		t.Error(err)
	}
	if got := slices.Collect(func(yield func(string) bool) {
		for _, err := range b.List(t.Context(), "") {
			yield(err.Error())
		}
	}); len(got) != 1 {
		t.Errorf("List: %v", got)
	}
}
