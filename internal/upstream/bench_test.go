//go:build unix

package upstream

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"net"
	"net/http"
	"syscall"
	"testing"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
)

// BenchmarkFetch compares a proved fetch with bare net/http under the same
// load. cpu-us/op is of the whole process, the test server included; what
// counts is the difference between the two.
func BenchmarkFetch(b *testing.B) {
	for _, size := range []int{2 << 10, 20 << 10} {
		payload := bytes.Repeat([]byte{'x'}, size)
		base := benchServer(b, payload)
		b.Run(fmt.Sprintf("bare/%dKB", size>>10), func(b *testing.B) {
			client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 128, ReadBufferSize: 32 << 10, DisableCompression: true}}
			defer client.CloseIdleConnections()
			measure(b, func() error {
				resp, err := client.Get(base)
				if err != nil {
					return err
				}
				_, err = io.Copy(io.Discard, resp.Body)
				return closeAfter(resp.Body, err)
			})
		})
		for _, fixed := range []bool{false, true} {
			name := "fetch"
			if fixed {
				name = "fixed128"
			}
			b.Run(fmt.Sprintf("%s/%dKB", name, size>>10), func(b *testing.B) {
				c := newClient(b, Config{})
				if fixed {
					c.limiter.Fix()
				}
				req := Request{
					ID: crate.ID{Name: "a", Version: "1.0.0"}, URL: base,
					Checksum: sha256.Sum256(payload), Spill: noSpill,
				}
				measure(b, func() error {
					body, _, err := c.Fetch(b.Context(), req)
					if err == nil {
						body.Release()
					}
					return err
				})
				b.ReportMetric(float64(c.Status().Limit), "limit")
			})
		}
	}
}

func closeAfter(c io.Closer, err error) error {
	if cerr := c.Close(); err == nil {
		err = cerr
	}
	return err
}

// measure runs one under 128 workers and reports CPU time.
func measure(b *testing.B, one func() error) {
	b.ReportAllocs()
	b.SetParallelism(64)
	before := cpuTime(b)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if err := one(); err != nil {
				b.Error(err)
				return
			}
		}
	})
	b.ReportMetric(float64((cpuTime(b)-before).Microseconds())/float64(b.N), "cpu-us/op")
}

func cpuTime(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// benchServer answers every request with the same canned bytes, at less cost
// than net/http's server.
func benchServer(b *testing.B, payload []byte) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = l.Close() })
	answer := append(fmt.Appendf(nil, "HTTP/1.1 200 OK\r\nContent-Type: application/gzip\r\nContent-Length: %d\r\n\r\n", len(payload)), payload...)
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go answerAll(conn, answer)
		}
	}()
	return "http://" + l.Addr().String() + "/crates/a/a-1.0.0.crate"
}

func answerAll(conn net.Conn, answer []byte) {
	defer func() { _ = conn.Close() }()
	buf := make([]byte, 4<<10)
	for {
		n, err := conn.Read(buf)
		if err != nil {
			return
		}
		if bytes.HasSuffix(buf[:n], []byte("\r\n\r\n")) {
			if _, err := conn.Write(answer); err != nil {
				return
			}
		}
	}
}
