package upstream

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
)

// randomBytes are the same each time.
func randomBytes(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.NewChaCha8([32]byte{}).Read(b)
	return b
}

// Every way of marking a body's end, and every size around the borders.
func TestBodiesOfAllSizes(t *testing.T) {
	const threshold = 10_000
	for _, size := range []int{0, 1, 4095, 4096, 4097, 8192, threshold - 1, threshold, threshold + 1, 300_000} {
		content := randomBytes(size)
		framings := map[string]func(net.Conn){
			"length":  func(c net.Conn) { reply(c, "200 OK", content) },
			"closing": func(c net.Conn) { raw(c, "HTTP/1.0 200 OK\r\n\r\n%s", content) },
			"chunked": func(c net.Conn) {
				raw(c, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
				for part := range slices.Chunk(content, 1000) {
					raw(c, "%x\r\n%s\r\n", len(part), part)
				}
				raw(c, "0\r\n\r\n")
			},
		}
		for name, answer := range framings {
			withOrigin(t, Config{MemoryThreshold: threshold}, func(_ int, conn net.Conn, _ *http.Request) { answer(conn) },
				func(t *testing.T, c *Client, _ *origin) {
					spill := new(memSpill)
					r := want(serde, content)
					r.Spill = spill.open
					body, stats, err := c.Fetch(t.Context(), r)
					if err != nil {
						t.Fatalf("%s, %d bytes: %v", name, size, err)
					}
					defer body.Release()
					got := body.Data
					if body.Spill != nil {
						got = spill.Bytes()
					}
					if !bytes.Equal(got, content) || body.Size != int64(size) || stats.Bytes != int64(size) {
						t.Errorf("%s, %d bytes: got %d, Size %d, %+v", name, size, len(got), body.Size, stats)
					}
					if size <= threshold && name == "length" && body.Spill != nil || size > 2*threshold && body.Spill == nil {
						t.Errorf("%s, %d bytes: spilled = %v", name, size, body.Spill != nil)
					}
				})
		}
	}
}

// Buffers beyond the largest pooled one work too.
func TestLargeBodyInMemory(t *testing.T) {
	content := randomBytes(1<<largestBuffer + 1)
	withOrigin(t, Config{MemoryThreshold: 2 << 20}, func(_ int, conn net.Conn, _ *http.Request) { reply(conn, "200 OK", content) },
		func(t *testing.T, c *Client, _ *origin) {
			body, _, err := c.Fetch(t.Context(), want(serde, content))
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(body.Data, content) {
				t.Error("other bytes")
			}
			body.Release()
		})
}

func TestSpillIsEmptiedForARetry(t *testing.T) {
	content := randomBytes(100_000)
	withOrigin(t, Config{MemoryThreshold: 1}, func(n int, conn net.Conn, _ *http.Request) {
		if n < 3 {
			raw(conn, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(content), content[:50_000])
			return
		}
		reply(conn, "200 OK", content)
	}, func(t *testing.T, c *Client, _ *origin) {
		spill := new(memSpill)
		opened := 0
		r := want(serde, content)
		r.Spill = func() (Spill, error) { opened++; return spill, nil }
		body, stats, err := c.Fetch(t.Context(), r)
		if err != nil {
			t.Fatal(err)
		}
		defer body.Release()
		if !bytes.Equal(spill.Bytes(), content) || spill.resets != 2 || opened != 1 || stats.Attempts != 3 {
			t.Errorf("%d bytes after %d resets, opened %d times, %d attempts", spill.Len(), spill.resets, opened, stats.Attempts)
		}
	})
}

func TestSpilledMismatchKeepsEvidence(t *testing.T) {
	content := randomBytes(100_000)
	withOrigin(t, Config{MemoryThreshold: 1}, func(_ int, conn net.Conn, _ *http.Request) { reply(conn, "200 OK", content) },
		func(t *testing.T, c *Client, _ *origin) {
			r := want(serde, payload)
			r.Spill = new(memSpill).open
			_, _, err := c.Fetch(t.Context(), r)
			mismatch, ok := errors.AsType[*MismatchError](err)
			if !ok || !bytes.Equal(mismatch.Evidence.Body, content[:evidenceSize]) {
				t.Errorf("error = %v", err)
			}
		})
}

var errNoSpace = errors.New("no space left")

// A full disk is not upstream's fault: no retry, no step of the breaker, and
// the caller can tell.
func TestSpillErrorsAreOurs(t *testing.T) {
	withOrigin(t, Config{MemoryThreshold: 1, FailureLimit: 1}, func(_ int, conn net.Conn, _ *http.Request) { ok(conn) },
		func(t *testing.T, c *Client, o *origin) {
			for name, open := range map[string]func() (Spill, error){
				"open":  func() (Spill, error) { return nil, errNoSpace },
				"write": (&memSpill{err: errNoSpace}).open,
			} {
				r := want(serde, payload)
				r.Spill = open
				before := o.count()
				_, _, err := c.Fetch(t.Context(), r)
				if !errors.Is(err, errNoSpace) || !strings.Contains(err.Error(), "serde 1.0.0") || o.count() != before+1 {
					t.Errorf("%s: error = %v", name, err)
				}
			}
			if c.Stopped() != nil {
				t.Error(c.Stopped())
			}
		})
}

// slowSpill takes its time for every write.
type slowSpill struct {
	memSpill
	each time.Duration
}

func (s *slowSpill) Write(p []byte) (int, error) {
	time.Sleep(s.each)
	return s.memSpill.Write(p)
}

// A disk that stands still longer than upstream may is not taken for a stall.
func TestSlowDiskIsNoStall(t *testing.T) {
	content := randomBytes(150_000)
	withOrigin(t, Config{MemoryThreshold: 1}, func(_ int, conn net.Conn, _ *http.Request) { reply(conn, "200 OK", content) },
		func(t *testing.T, c *Client, _ *origin) {
			spill := &slowSpill{each: 70 * time.Second}
			c.cfg.Timeout = time.Hour
			r := want(serde, content)
			r.Spill = func() (Spill, error) { return spill, nil }
			body, stats, err := c.Fetch(t.Context(), r)
			if err != nil || stats.Attempts != 1 {
				t.Fatalf("%v after %d attempts", err, stats.Attempts)
			}
			body.Release()
		})
}

// Bodies in memory stay within the budget however many there are; the others
// go to their spill.
func TestMemoryBudget(t *testing.T) {
	const budget = 4 * 8192
	withOrigin(t, Config{MemoryBudget: budget}, func(_ int, conn net.Conn, _ *http.Request) { ok(conn) },
		func(t *testing.T, c *Client, _ *origin) {
			var bodies []*Body
			for i := range 10 {
				r := want(item(i), payload) // 4400 bytes take a buffer of 8192
				r.Spill = new(memSpill).open
				body, _, err := c.Fetch(t.Context(), r)
				if err != nil {
					t.Fatal(err)
				}
				if spilled := body.Spill != nil; spilled != (i >= 4) {
					t.Errorf("body %d: spilled = %v", i, spilled)
				}
				bodies = append(bodies, body)
			}
			for _, b := range bodies {
				b.Release()
				b.Release() // does nothing
			}
			if !c.memory.TryAcquire(budget) || c.Status().Active != 0 {
				t.Errorf("memory or slots were not given back: %+v", c.Status())
			}
		})
}

// Until Release the slot is taken, so that a slow disk slows the fetching.
func TestBodyHoldsItsSlot(t *testing.T) {
	withOrigin(t, Config{Concurrency: 1}, func(_ int, conn net.Conn, _ *http.Request) { ok(conn) },
		func(t *testing.T, c *Client, o *origin) {
			body, _, err := c.Fetch(t.Context(), want(item(1), payload))
			if err != nil {
				t.Fatal(err)
			}
			var running sync.WaitGroup
			running.Go(func() {
				if err := fetchItem(t, c, 2); err != nil {
					t.Error(err)
				}
			})
			synctest.Wait()
			if s := c.Status(); o.count() != 1 || s.Active != 1 || s.Waiting != 1 {
				t.Errorf("%d requests, status %+v", o.count(), s)
			}
			body.Release()
			running.Wait()
		})
}

func TestMetrics(t *testing.T) {
	withOrigin(t, Config{RefusalLimit: 99}, func(n int, conn net.Conn, _ *http.Request) {
		switch n {
		case 1:
			ok(conn)
		case 2:
			reply(conn, "404 Not Found", nil)
		case 3:
			reply(conn, "999 Invented", nil)
		case 4: // closed without an answer
		case 5:
			reply(conn, "200 OK", []byte("wrong"))
		default:
			ok(conn)
		}
	}, func(t *testing.T, c *Client, _ *origin) {
		for i := range 3 {
			_ = fetchItem(t, c, i)
		}
		registry := prometheus.NewPedanticRegistry()
		registry.MustRegister(c.Metrics())
		const names = `
# HELP crates_download_bytes_total Bytes of crate files received, including failed attempts.
# TYPE crates_download_bytes_total counter
crates_download_bytes_total 8805
# HELP crates_download_inflight Download attempts in progress.
# TYPE crates_download_inflight gauge
crates_download_inflight 0
# HELP crates_download_requests_total Download attempts by outcome (ok, error) and HTTP status (net: no complete answer).
# TYPE crates_download_requests_total counter
crates_download_requests_total{code="200",status="error"} 1
crates_download_requests_total{code="200",status="ok"} 2
crates_download_requests_total{code="404",status="error"} 1
crates_download_requests_total{code="net",status="error"} 2
# HELP crates_download_retries_total Download attempts that followed a failed one.
# TYPE crates_download_retries_total counter
crates_download_retries_total 3
# HELP crates_download_concurrency_limit Simultaneous downloads that the adaptive limit currently allows.
# TYPE crates_download_concurrency_limit gauge
crates_download_concurrency_limit 16
`
		err := testutil.GatherAndCompare(registry, strings.NewReader(names), "crates_download_bytes_total",
			"crates_download_inflight", "crates_download_requests_total", "crates_download_retries_total",
			"crates_download_concurrency_limit")
		if err != nil {
			t.Error(err)
		}
		if n, err := testutil.GatherAndCount(registry, "crates_download_duration_seconds"); n != 1 || err != nil {
			t.Errorf("crates_download_duration_seconds: %d, %v", n, err)
		}
	})
}
