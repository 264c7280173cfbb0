package upstream

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
)

// Whatever goes wrong once is tried again, within bounds of time.
func TestTransientFaultsAreRetried(t *testing.T) {
	status := func(s string, headers ...string) func(net.Conn) {
		return func(conn net.Conn) { reply(conn, s, []byte("try later"), headers...) }
	}
	const head = "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n"
	for _, tt := range []struct {
		name   string
		fault  func(net.Conn)
		within time.Duration // of virtual time, backoff included
	}{
		{"B1 html page", func(c net.Conn) { reply(c, "200 OK", []byte("<html>")) }, time.Second},
		{"B2 truncated", func(c net.Conn) { raw(c, head+"short", len(payload)) }, time.Second},
		{"B3 truncated without length", func(c net.Conn) { raw(c, "HTTP/1.0 200 OK\r\n\r\n%s", payload[:9]) }, time.Second},
		{"B4 length too small", func(c net.Conn) { raw(c, head+"%s", 9, payload) }, time.Second},
		{"B4 length too large", func(c net.Conn) { raw(c, head+"%s", len(payload)+1, payload) }, time.Second},
		{"B4 longer than it should be", func(c net.Conn) { reply(c, "200 OK", append(payload[:len(payload):len(payload)], 'x')) }, time.Second},
		{"B4 empty", func(c net.Conn) { reply(c, "200 OK", nil) }, time.Second},
		{"B4 garbled chunks", func(c net.Conn) {
			raw(c, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhelloXX")
		}, time.Second},
		{"B5 unknown encoding", func(c net.Conn) { reply(c, "200 OK", payload, "Content-Encoding: br") }, time.Second},
		{"B11 500", status("500 Internal Server Error"), time.Second},
		{"B11 502", status("502 Bad Gateway"), time.Second},
		{"B11 599", status("599 Whatever"), time.Second},
		{"B10 429", status("429 Too Many Requests"), time.Second},
		{"B10 503", status("503 Service Unavailable"), time.Second},
		{"408", status("408 Request Timeout"), time.Second},
		{"425", status("425 Too Early"), time.Second},
		{"B12 cut in the body", func(c net.Conn) { raw(c, head+"%s", len(payload), payload[:len(payload)/2]) }, time.Second},
		{"B12 cut before the answer", func(net.Conn) {}, time.Second},
		{"B12 no HTTP at all", func(c net.Conn) { raw(c, "SSH-2.0-OpenSSH\r\n") }, time.Second},
		{"B13 stall after the headers", func(c net.Conn) { raw(c, head, len(payload)); hang(c) }, 39 * time.Second},
		{"B13 stall in the body", func(c net.Conn) { raw(c, head+"half", len(payload)); hang(c) }, 39 * time.Second},
		{"B14 drip", func(c net.Conn) { drip(c, 1) }, 47 * time.Second},
		{"B15 no answer", hang, 62 * time.Second},
		{"B27 switching protocols", func(c net.Conn) {
			raw(c, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n")
			hang(c)
		}, time.Second},
		{"B27 informational answers without end", func(c net.Conn) { flood(c, "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n") }, time.Second},
		{"B27 headers without end", func(c net.Conn) {
			raw(c, "HTTP/1.1 200 OK\r\n")
			flood(c, "X-Header: "+strings.Repeat("x", 100)+"\r\n")
		}, time.Second},
		{"B27 a header line without end", func(c net.Conn) {
			raw(c, "HTTP/1.1 200 OK\r\nX-Header: ")
			flood(c, strings.Repeat("x", 100))
		}, time.Second},
		{"B27 headers in drips", func(c net.Conn) {
			raw(c, "HTTP/1.1 200 OK\r\n")
			for {
				time.Sleep(time.Second)
				if _, err := io.WriteString(c, "X: y\r\n"); err != nil {
					return
				}
			}
		}, 62 * time.Second},
		{"B27 a redirect whose body stalls", func(c net.Conn) {
			raw(c, "HTTP/1.1 302 Found\r\nLocation: /again\r\nContent-Length: 100\r\n\r\nhalf")
			hang(c)
		}, 62 * time.Second},
		{"B23 204", status("204 No Content"), time.Second},
		{"B23 206", status("206 Partial Content"), time.Second},
		{"B23 304", status("304 Not Modified"), time.Second},
	} {
		t.Run(tt.name, func(t *testing.T) {
			withOrigin(t, Config{}, func(n int, conn net.Conn, _ *http.Request) {
				if n == 1 {
					tt.fault(conn)
					return
				}
				ok(conn)
			}, func(t *testing.T, c *Client, o *origin) {
				start := time.Now()
				body, stats, err := c.Fetch(t.Context(), want(serde, payload))
				if err != nil {
					t.Fatal(err)
				}
				defer body.Release()
				if !bytes.Equal(body.Data, payload) {
					t.Errorf("got %d other bytes", len(body.Data))
				}
				if stats.Retries() != 1 || o.count() != 2 {
					t.Errorf("%d retries, %d requests, want 1 and 2", stats.Retries(), o.count())
				}
				if took := time.Since(start); took > tt.within {
					t.Errorf("took %v, want at most %v", took, tt.within)
				}
				if got := testutil.ToFloat64(c.metrics.retries); got != 1 {
					t.Errorf("crates_download_retries_total = %v", got)
				}
			})
		})
	}
}

// drip sends n bytes a second.
func drip(conn net.Conn, n int) {
	raw(conn, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n", len(payload))
	for part := range slices.Chunk(payload, n) {
		if _, err := conn.Write(part); err != nil {
			return
		}
		time.Sleep(time.Second)
	}
}

// flood writes the same again and again until the client hangs up.
func flood(conn net.Conn, text string) {
	for {
		if _, err := io.WriteString(conn, text); err != nil {
			return
		}
	}
}

// A body that comes steadily, but for too long, is cut as well.
func TestTimeoutIsForTheWholeAttempt(t *testing.T) {
	withOrigin(t, Config{Timeout: 100 * time.Second, MinRate: 1, Attempts: 1}, func(_ int, conn net.Conn, _ *http.Request) { drip(conn, 2) },
		func(t *testing.T, c *Client, _ *origin) {
			start := time.Now()
			_, stats, err := c.Fetch(t.Context(), want(serde, payload))
			if !strings.Contains(fmt.Sprint(err), "the attempt took longer than 1m40s") || time.Since(start) != 100*time.Second {
				t.Errorf("error %v after %v", err, time.Since(start))
			}
			if stats.Bytes < 198 || stats.Bytes > 202 {
				t.Errorf("read %d bytes", stats.Bytes)
			}
		})
}

func TestB5GzipLabelIsNotDecoded(t *testing.T) {
	withOrigin(t, Config{}, func(_ int, conn net.Conn, _ *http.Request) {
		reply(conn, "200 OK", payload, "Content-Encoding: gzip")
	}, func(t *testing.T, c *Client, _ *origin) {
		body, stats, err := c.Fetch(t.Context(), want(serde, payload))
		if err != nil {
			t.Fatal(err)
		}
		defer body.Release()
		if !bytes.Equal(body.Data, payload) || stats.Attempts != 1 {
			t.Errorf("got %d bytes in %d attempts", len(body.Data), stats.Attempts)
		}
	})
}

// Bytes that stay wrong are asked for as often as anything else, past all caches.
func TestB1B20WrongBytes(t *testing.T) {
	page := bytes.Repeat([]byte("<html>"), 2000)
	withOrigin(t, Config{}, func(n int, conn net.Conn, req *http.Request) {
		if past := req.Header.Get("Cache-Control") == "no-cache"; past != (n > 1) {
			t.Errorf("request %d has Cache-Control %q", n, req.Header.Get("Cache-Control"))
		}
		reply(conn, "200 OK", page, "Server: portal", "Set-Cookie: secret=1", "Content-Type: text/html")
	}, func(t *testing.T, c *Client, _ *origin) {
		body, stats, err := c.Fetch(t.Context(), want(serde, payload))
		if body != nil {
			t.Error("wrong bytes were returned")
		}
		sum, typed := errors.AsType[*crate.ChecksumError](err)
		if !typed || sum.ID != serde || sum.Size != int64(len(page)) || stats.Attempts != 6 {
			t.Fatalf("error %v after %d attempts", err, stats.Attempts)
		}
		mismatch, typed := errors.AsType[*MismatchError](err)
		if !typed || !bytes.Equal(mismatch.Evidence.Body, page[:4096]) ||
			mismatch.Evidence.Header.Get("Server") != "portal" || mismatch.Evidence.Header.Get("Set-Cookie") != "" {
			t.Errorf("evidence = %+v", mismatch)
		}
		if s := c.Status(); s.Active != 0 {
			t.Errorf("status = %+v", s)
		}
	})
}

// B20: a connection that leads to a machine with a bad copy is not used again for
// the same file.
func TestB20WrongBytesThenAnotherConnection(t *testing.T) {
	var mu sync.Mutex
	asked := map[string]int{} // by connection
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		if asked[r.RemoteAddr]++; len(asked) == 1 {
			w.Write([]byte("a bad copy"))
			return
		}
		w.Write(payload)
	}))
	defer server.Close()
	c, err := New(Config{RetryBase: time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	req := want(serde, payload)
	req.URL = server.URL + "/serde"
	body, stats, err := c.Fetch(t.Context(), req)
	if err != nil || stats.Attempts != 2 {
		t.Fatalf("%v after %d attempts", err, stats.Attempts)
	}
	body.Release()
	c.Reconnect()
	if body, stats, err = c.Fetch(t.Context(), req); err != nil || stats.Attempts != 1 {
		t.Fatalf("%v after %d attempts", err, stats.Attempts)
	}
	body.Release()
	mu.Lock()
	defer mu.Unlock()
	if len(asked) != 3 {
		t.Errorf("asked over %v", asked)
	}
}

// What failed before in this run is asked for past all caches, and may fail
// however often.
func TestAgainIsNotCounted(t *testing.T) {
	withOrigin(t, Config{FailureLimit: 3, RefusalLimit: 3, Attempts: 2}, func(_ int, conn net.Conn, r *http.Request) {
		if r.Header.Get("Cache-Control") != "no-cache" {
			t.Errorf("Cache-Control %q", r.Header.Get("Cache-Control"))
		}
		if strings.HasSuffix(r.URL.Path, "0.crate") {
			reply(conn, "200 OK", []byte("<html>"))
			return
		}
		reply(conn, "500 Internal Server Error", nil)
	}, func(t *testing.T, c *Client, _ *origin) {
		for i := range 30 {
			if err := fetchItem(t, c, i, func(r *Request) { r.Again = true }); err == nil || isStopped(err) {
				t.Fatal(err)
			}
		}
	})
}

func TestB3UnframedBodyDeservesAllAttempts(t *testing.T) {
	withOrigin(t, Config{}, func(n int, conn net.Conn, _ *http.Request) {
		if n < 5 {
			raw(conn, "HTTP/1.0 200 OK\r\n\r\n%s", payload[:n])
			return
		}
		raw(conn, "HTTP/1.0 200 OK\r\n\r\n%s", payload)
	}, func(t *testing.T, c *Client, _ *origin) {
		body, stats, err := c.Fetch(t.Context(), want(serde, payload))
		if err != nil || stats.Attempts != 5 {
			t.Fatalf("%v after %d attempts", err, stats.Attempts)
		}
		body.Release()
	})
}

func TestB7B9Gone(t *testing.T) {
	for _, status := range []string{"403 Forbidden", "404 Not Found", "410 Gone", "451 Unavailable For Legal Reasons"} {
		withOrigin(t, Config{}, func(_ int, conn net.Conn, _ *http.Request) {
			reply(conn, status, []byte("<Code>AccessDenied</Code>"), "Server: AmazonS3")
		}, func(t *testing.T, c *Client, o *origin) {
			_, stats, err := c.Fetch(t.Context(), want(serde, payload))
			gone, typed := errors.AsType[*GoneError](err)
			if !typed || gone.ID != serde || fmt.Sprint(gone.Evidence.Status) != status[:3] ||
				string(gone.Evidence.Body) != "<Code>AccessDenied</Code>" || gone.Evidence.Header.Get("Server") != "AmazonS3" {
				t.Errorf("%s: error = %#v", status, err)
			}
			wantText := "serde 1.0.0: gone upstream: http://origin.test/crates/serde/serde-1.0.0.crate answered " + status
			if err.Error() != wantText {
				t.Errorf("error = %q, want %q", err, wantText)
			}
			if o.count() != 1 || stats.Attempts != 1 {
				t.Errorf("%s: %d requests", status, o.count())
			}
		})
	}
}

func TestOtherRefusalsAreNotRetried(t *testing.T) {
	for _, status := range []string{"400 Bad Request", "401 Unauthorized", "405 Method Not Allowed"} {
		withOrigin(t, Config{}, func(_ int, conn net.Conn, _ *http.Request) { reply(conn, status, nil) },
			func(t *testing.T, c *Client, o *origin) {
				_, _, err := c.Fetch(t.Context(), want(serde, payload))
				refusal, typed := errors.AsType[*StatusError](err)
				if !typed || fmt.Sprint(refusal.Status) != status[:3] || o.count() != 1 {
					t.Errorf("%s: %v after %d requests", status, err, o.count())
				}
			})
	}
}

func TestB6EndlessBody(t *testing.T) {
	const limit = 1 << 20
	for name, head := range map[string]string{
		"announced":   "HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n",
		"unannounced": "HTTP/1.0 200 OK\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			withOrigin(t, Config{MaxSize: limit}, func(_ int, conn net.Conn, _ *http.Request) {
				raw(conn, "%s", head)
				for chunk := make([]byte, 64<<10); ; {
					if _, err := conn.Write(chunk); err != nil {
						return
					}
				}
			}, func(t *testing.T, c *Client, o *origin) {
				r := want(serde, payload)
				r.Spill = new(memSpill).open
				_, stats, err := c.Fetch(t.Context(), r)
				if !strings.Contains(fmt.Sprint(err), "more than the 1048576 bytes allowed") || o.count() != 1 {
					t.Errorf("error %v after %d requests", err, o.count())
				}
				if stats.Bytes > limit+spillBuffer {
					t.Errorf("read %d bytes", stats.Bytes)
				}
			})
		})
	}
}

func TestAttemptsAreUsedUp(t *testing.T) {
	withOrigin(t, Config{}, func(_ int, conn net.Conn, _ *http.Request) { reply(conn, "500 Internal Server Error", nil) },
		func(t *testing.T, c *Client, o *origin) {
			start := time.Now()
			_, stats, err := c.Fetch(t.Context(), want(serde, payload))
			wantText := "serde 1.0.0: fetching http://origin.test/crates/serde/serde-1.0.0.crate: giving up after 6 attempts: " +
				"the answer is 500 Internal Server Error"
			if fmt.Sprint(err) != wantText || stats.Attempts != 6 || o.count() != 6 {
				t.Errorf("error %q after %d attempts and %d requests", err, stats.Attempts, o.count())
			}
			if took := time.Since(start); took > 15500*time.Millisecond { // 0.5+1+2+4+8 s
				t.Errorf("took %v", took)
			}
		})
}
