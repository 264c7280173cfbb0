package upstream

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
)

// fetchItem fetches item i and lets it go.
func fetchItem(t *testing.T, c *Client, i int, change ...func(*Request)) error {
	t.Helper()
	r := want(item(i), payload)
	for _, f := range change {
		f(&r)
	}
	body, _, err := c.Fetch(t.Context(), r)
	if err == nil {
		body.Release()
	}
	return err
}

func isStopped(err error) bool {
	_, ok := errors.AsType[*StoppedError](err)
	return ok
}

// Everything is refused: a ban, or a captive portal in one of its forms.
func TestB8RefusalsInARowStopTheClient(t *testing.T) {
	for _, tt := range []struct {
		name   string
		answer func(net.Conn)
		reason string
	}{
		{"ban", func(c net.Conn) { reply(c, "403 Forbidden", nil) }, "50 crates in a row were refused with 403 Forbidden"},
		{"portal redirects", func(c net.Conn) { reply(c, "302 Found", nil, "Location: http://portal.test/") },
			"50 crates in a row were refused with 302 Found"},
		{"portal shows its page", func(c net.Conn) { reply(c, "200 OK", []byte("<html>")) },
			"50 crates in a row came with wrong bytes"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			withOrigin(t, Config{}, func(_ int, conn net.Conn, _ *http.Request) { tt.answer(conn) },
				func(t *testing.T, c *Client, o *origin) {
					for i := range 50 {
						if err := fetchItem(t, c, i); err == nil || isStopped(err) {
							t.Fatalf("item %d: %v", i, err)
						}
					}
					asked := o.count()
					err := fetchItem(t, c, 50)
					if !isStopped(err) || !strings.Contains(err.Error(), tt.reason) || !strings.Contains(err.Error(), "crate50 1.0.0") {
						t.Errorf("error = %v, want %q", err, tt.reason)
					}
					if _, gone := errors.AsType[*GoneError](err); gone {
						t.Error("an item that was not asked for counts as gone")
					}
					if _, wrong := errors.AsType[*crate.ChecksumError](err); wrong {
						t.Error("an item that was not asked for counts as wrong")
					}
					if o.count() != asked || !isStopped(c.Stopped()) {
						t.Errorf("a stopped client asked again, or does not say so: %v", c.Stopped())
					}
				})
		})
	}
}

func TestB8OneSuccessStartsTheCountAgain(t *testing.T) {
	withOrigin(t, Config{RefusalLimit: 3}, func(n int, conn net.Conn, _ *http.Request) {
		switch {
		case n%3 == 0:
			ok(conn)
		default:
			reply(conn, "403 Forbidden", nil)
		}
	}, func(t *testing.T, c *Client, _ *origin) {
		for i := range 30 {
			if err := fetchItem(t, c, i); isStopped(err) {
				t.Fatal(err)
			}
		}
	})
}

// A run that has only the lost ones left to ask for is not banned.
func TestB8ProbingTheLostOnesIsNoBan(t *testing.T) {
	withOrigin(t, Config{RefusalLimit: 3}, func(_ int, conn net.Conn, _ *http.Request) { reply(conn, "404 Not Found", nil) },
		func(t *testing.T, c *Client, _ *origin) {
			for i := range 30 {
				err := fetchItem(t, c, i, func(r *Request) { r.WasGone = true })
				if _, gone := errors.AsType[*GoneError](err); !gone {
					t.Fatal(err)
				}
			}
		})
}

// Upstream vanishes: all that wait for a slot, a pause or a retry return.
func TestB16B25VanishedUpstreamWakesEverybody(t *testing.T) {
	cfg := Config{Concurrency: 2, FailureLimit: 5, Attempts: 2, RetryBase: time.Minute, RetryMax: time.Minute}
	withOrigin(t, cfg, func(_ int, _ net.Conn, _ *http.Request) {}, func(t *testing.T, c *Client, o *origin) {
		var running sync.WaitGroup
		var mu sync.Mutex
		exhausted, stopped := 0, 0
		for i := range 100 {
			running.Go(func() {
				err := fetchItem(t, c, i)
				mu.Lock()
				defer mu.Unlock()
				if isStopped(err) {
					stopped++
				} else if _, ok := errors.AsType[*FetchError](err); ok {
					exhausted++
				}
			})
		}
		running.Wait()
		if exhausted+stopped != 100 || exhausted < 5 || stopped == 0 {
			t.Errorf("%d exhausted, %d stopped", exhausted, stopped)
		}
		if s := c.Status(); s.Active != 0 || s.Waiting != 0 {
			t.Errorf("status = %+v", s)
		}
		if err := c.Stopped(); !strings.Contains(fmt.Sprint(err), "5 crates in a row failed in all their attempts") {
			t.Errorf("Stopped = %v", err)
		}
	})
}

// Upstream goes away at item k and comes back: a second run transfers only the
// rest.
func TestB25SecondRunTransfersTheRest(t *testing.T) {
	const items = 40
	for k := range items {
		asked := 0
		held := map[crate.ID]bool{}
		run := func(up func() bool) {
			withOrigin(t, Config{FailureLimit: 2, Attempts: 2}, func(_ int, conn net.Conn, _ *http.Request) {
				if up() {
					asked++
					ok(conn)
				}
			}, func(t *testing.T, c *Client, _ *origin) {
				for i := range items {
					if !held[item(i)] && fetchItem(t, c, i) == nil {
						held[item(i)] = true
					}
				}
			})
		}
		run(func() bool { return asked < k })
		if len(held) != k {
			t.Fatalf("the first run holds %d of %d", len(held), k)
		}
		run(func() bool { return true })
		if len(held) != items || asked != items {
			t.Fatalf("vanished at %d: %d held after %d transfers", k, len(held), asked)
		}
	}
}

func TestB16RecoversWhenTheNameResolvesAgain(t *testing.T) {
	withOrigin(t, Config{}, func(_ int, conn net.Conn, _ *http.Request) { ok(conn) },
		func(t *testing.T, c *Client, o *origin) {
			dials := 0
			c.transport.DialContext = func(ctx context.Context, network, addr string) (net.Conn, error) {
				if dials++; dials < 4 {
					return nil, &net.DNSError{Err: "server misbehaving", Name: addr, IsTemporary: true}
				}
				return o.dial(ctx, network, addr)
			}
			body, stats, err := c.Fetch(t.Context(), want(serde, payload))
			if err != nil || stats.Attempts != 4 {
				t.Fatalf("%v after %d attempts", err, stats.Attempts)
			}
			body.Release()
		})
}
