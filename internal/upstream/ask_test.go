package upstream

import (
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

func asker(t *testing.T, cfg Config, answer http.HandlerFunc) (*Client, string) {
	t.Helper()
	srv := httptest.NewServer(answer)
	t.Cleanup(srv.Close)
	cfg.RetryBase, cfg.RetryMax = time.Millisecond, time.Millisecond
	c, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c, srv.URL
}

// A large answer takes from the memory budget until it is released; one beyond the
// bound is refused, however small it was packed.
func TestAskLarge(t *testing.T) {
	pack := func(n int) []byte {
		var b bytes.Buffer
		z := gzip.NewWriter(&b)
		z.Write(make([]byte, n))
		z.Close()
		return b.Bytes()
	}
	const most = 3 << 20
	for size, good := range map[int]bool{1 << 10: true, smallAnswer: true, most: true, most + 1: false, 4 * most: false} {
		body := pack(size)
		c, at := asker(t, Config{MemoryBudget: 4 << 20}, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Encoding", "gzip")
			w.Write(body)
		})
		a, err := c.Ask(t.Context(), Question{URL: at, MaxSize: most})
		if !good {
			if err == nil || !strings.Contains(err.Error(), "more than the 3145728 bytes allowed") {
				t.Errorf("%d bytes, packed in %d: %v, want a refusal", size, len(body), err)
			}
		} else if err != nil || len(a.Body) != size || a.Read != int64(len(body)) {
			t.Errorf("%d bytes, packed in %d: %v, %v", size, len(body), a, err)
		} else {
			if held := !c.memory.TryAcquire(4 << 20); held != (size >= smallAnswer) {
				t.Errorf("%d bytes: memory is held: %v", size, held)
			} else if !held {
				c.memory.Release(4 << 20)
			}
			a.Release()
			a.Release()
		}
		if !c.memory.TryAcquire(4 << 20) {
			t.Errorf("%d bytes: memory was not given back", size)
		}
	}
}

// Answers of the wrong kind stop the client like crate files with wrong bytes.
func TestAskStops(t *testing.T) {
	c, at := asker(t, Config{Attempts: 2, RefusalLimit: 3}, func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "please log in") })
	no := errors.New("it is no index")
	for i := range 4 {
		_, err := c.Ask(t.Context(), Question{URL: at, MaxSize: 99, Check: func(*Answer) error { return no }})
		if stopped := errors.As(err, new(*StoppedError)); err == nil || stopped != (i == 3) || !stopped && !errors.Is(err, no) {
			t.Errorf("question %d: %v", i, err)
		}
	}
}

// The host is left alone for as long as it asks.
func TestAskPauses(t *testing.T) {
	var asked atomic.Int32
	c, at := asker(t, Config{}, func(w http.ResponseWriter, r *http.Request) {
		if asked.Add(1) == 1 {
			w.Header().Set("Retry-After", "1")
			w.WriteHeader(http.StatusTooManyRequests)
		}
	})
	start := time.Now()
	a, err := c.Ask(t.Context(), Question{URL: at, MaxSize: 99})
	if err != nil || a.Status != 200 || time.Since(start) < 900*time.Millisecond {
		t.Errorf("Ask = %v, %v after %v", a, err, time.Since(start))
	}
}

// Neither errors nor logs have the password of a URL.
func TestAskKeepsSecrets(t *testing.T) {
	c, at := asker(t, Config{Attempts: 1}, func(w http.ResponseWriter, r *http.Request) {
		if user, password, _ := r.BasicAuth(); user != "me" || password != "secret" {
			t.Errorf("the server got user %q and password %q", user, password)
		}
		w.WriteHeader(500)
	})
	_, err := c.Ask(t.Context(), Question{URL: strings.Replace(at, "://", "://me:secret@", 1), MaxSize: 99})
	if err == nil || strings.Contains(err.Error(), "secret") || !strings.Contains(err.Error(), "me:xxxxx@") {
		t.Errorf("Ask: %v", err)
	}
}

// A token for a host goes there alone, and before the one for all.
func TestTokensOfHosts(t *testing.T) {
	var got atomic.Value
	answer := func(w http.ResponseWriter, r *http.Request) { got.Store(r.Header.Get("Authorization")) }
	_, other := asker(t, Config{}, answer)
	c, at := asker(t, Config{Token: "general", Tokens: map[string]string{strings.TrimPrefix(other, "http://"): "Basic special"}}, answer)
	for address, want := range map[string]string{at: "Bearer general", other: "Basic special"} {
		if _, err := c.Ask(t.Context(), Question{URL: address, MaxSize: 99}); err != nil || got.Load() != want {
			t.Errorf("%s got %q, %v; want %q", address, got.Load(), err, want)
		}
	}
	if _, err := New(Config{Tokens: map[string]string{"a/b": "x"}}); err == nil {
		t.Error("a token for what is no host was taken")
	}
}
