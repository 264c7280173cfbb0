//go:build unix

// Benchnet measures downloads over a network: crates from a server a round trip away, over one
// line that all connections share, with TLS. It compares the client of this program, whose
// limiter finds the best number of concurrent requests, with a plain net/http client that uses
// a fixed number and also hashes what it downloads.
//
//	go run ./scripts/benchnet                     # 50 ms, 1 Gbit/s, crates of 4.7 KB
//	go run ./scripts/benchnet -mean 60000         # so large that the line is full
//	go run ./scripts/benchnet -budget 800         # a server that says 429 beyond
//
// The line is a proxy in another process that delays each byte (scripts/internal/line). It
// uses real sockets, but loses no packets and has no congestion window.
package main

import (
	"bufio"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"flag"
	"fmt"
	"io"
	"log"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/upstream"
)

var (
	mean     = flag.Int("mean", 4700, "size of a crate on average, bytes")
	trip     = flag.Duration("rtt", 50*time.Millisecond, "round trip")
	bits     = flag.Float64("rate", 1e9, "of the line, bits a second")
	budget   = flag.Float64("budget", 0, "requests a second that the server answers; beyond, 429 (0: all)")
	duration = flag.Duration("duration", 3*time.Second, "of each trial")
	most     = flag.Int("concurrency", 512, "the most that the limiter may allow")
	serve    = flag.Bool("serve", false, "internal: be the server and the line")
)

func main() {
	log.SetFlags(0)
	flag.Parse()
	var err error
	if *serve {
		err = serveFar()
	} else {
		err = compare()
	}
	if err != nil {
		log.Fatal(err)
	}
}

// files is the number of different crates, which are requested again and again.
const files = 500

// crates returns the bytes of all crates, the same in both processes.
func crates() [][]byte {
	rnd, noise := rand.New(rand.NewPCG(1, 2)), rand.NewChaCha8([32]byte{1})
	all := make([][]byte, files)
	for i := range all {
		all[i] = make([]byte, 1+int(rnd.ExpFloat64()*float64(*mean)))
		noise.Read(all[i]) //nolint:errcheck // never fails
	}
	return all
}

func idOf(i int) crate.ID { return crate.ID{Name: "c" + strconv.Itoa(i), Version: "1.0.0"} }

// far is the server process.
type far struct {
	base  string
	roots *x509.CertPool
	sums  [files]crate.Checksum
}

func start() (f *far, stop func(), err error) {
	cmd := exec.Command(os.Args[0], append([]string{"-serve"}, os.Args[1:]...)...)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		return nil, nil, err
	}
	stop = func() { cmd.Process.Kill(); cmd.Wait() } //nolint:errcheck // it does not end by itself
	f = &far{roots: x509.NewCertPool()}
	for i, data := range crates() {
		f.sums[i] = sha256.Sum256(data)
	}
	r := bufio.NewReader(out)
	addr, err := r.ReadString('\n')
	cert, err2 := r.ReadBytes('#')
	if block, _ := pem.Decode(cert); err != nil || err2 != nil || block == nil || !f.roots.AppendCertsFromPEM(cert[:len(cert)-1]) {
		stop()
		return nil, nil, fmt.Errorf("waiting for the server: %v, %v", err, err2)
	}
	f.base = "https://" + strings.TrimSpace(addr)
	return f, stop, nil
}

func (f *far) url(i int) string { return f.base + "/" + strconv.Itoa(i) }

// tally is the result of a trial.
type tally struct {
	done, bytes, refused atomic.Int64
	limit                int // at the end, if there is a limiter
}

func compare() error {
	fmt.Printf("%v round trip, %.0f Mbit/s, crates of %d bytes on average, %v each, load %s\n", *trip, *bits/1e6, *mean, *duration, load())
	for _, protocol := range []string{"1", "2"} {
		f, stop, err := start()
		if err != nil {
			return err
		}
		best, ours := 0.0, 0.0
		for _, n := range []int{32, 64, 128, 256, 512} {
			best = max(best, measure(fmt.Sprintf("HTTP/%s, %d at a time", protocol, n), func(ctx context.Context, t *tally) error { return f.bare(ctx, protocol, n, t) }))
		}
		ours = measure(fmt.Sprintf("HTTP/%s, limiter", protocol), func(ctx context.Context, t *tally) error { return f.adaptive(ctx, protocol, t) })
		fmt.Printf("limiter: %.2f of the best fixed number\n", ours/best)
		stop()
	}
	return nil
}

// measure runs a trial, prints its rates, and returns crates per second.
func measure(name string, trial func(context.Context, *tally) error) float64 {
	var t tally
	ctx, cancel := context.WithTimeout(context.Background(), *duration)
	defer cancel()
	begun, used := time.Now(), cpu()
	if err := trial(ctx, &t); err != nil && ctx.Err() == nil {
		log.Fatalf("%s: %v", name, err)
	}
	took, n := time.Since(begun).Seconds(), float64(t.done.Load())
	fmt.Printf("%-24s %6.0f crates, %6.1f MB a second, CPU %4.0f µs a crate, %d refused, limit %d\n", name, n/took, float64(t.bytes.Load())/took/1e6,
		(cpu()-used).Seconds()/max(n, 1)*1e6, t.refused.Load(), t.limit)
	return n / took
}

// bare downloads with n concurrent requests.
func (f *far) bare(ctx context.Context, protocol string, n int, t *tally) error {
	client := httpClient(f.roots, protocol, n)
	defer client.CloseIdleConnections()
	return f.each(ctx, n, func(i int) error {
		sum, size, err := get(ctx, client, f.url(i))
		switch {
		case err == errBusy:
			t.refused.Add(1)
			return nil
		case err == nil && sum != f.sums[i]:
			err = fmt.Errorf("crate %d has another checksum", i)
		case err == nil:
			t.done.Add(1)
			t.bytes.Add(size)
		}
		return err
	})
}

// adaptive downloads as a run of this program does.
func (f *far) adaptive(ctx context.Context, protocol string, t *tally) error {
	client, err := upstream.New(upstream.Config{Concurrency: *most, HTTP: protocol, TLS: &tls.Config{RootCAs: f.roots}})
	if err != nil {
		return err
	}
	defer client.Close()
	err = f.each(ctx, 4**most, func(i int) error {
		body, stats, err := client.Fetch(ctx, upstream.Request{
			ID: idOf(i), URL: f.url(i), Checksum: f.sums[i], Spill: func() (upstream.Spill, error) { return discard{}, nil },
		})
		t.refused.Add(int64(stats.Retries()))
		if err == nil {
			t.done.Add(1)
			t.bytes.Add(body.Size)
			body.Release()
		}
		return err
	})
	t.limit = client.Status().Limit
	return err
}

// each calls do with the numbers of crates from n goroutines until ctx is done.
func (f *far) each(ctx context.Context, n int, do func(i int) error) error {
	var wg sync.WaitGroup
	var next atomic.Int64
	errs := make(chan error, n)
	for range n {
		wg.Go(func() {
			for ctx.Err() == nil {
				if err := do(int(next.Add(1)) % files); err != nil {
					errs <- err
					return
				}
			}
		})
	}
	wg.Wait()
	close(errs)
	return <-errs
}

// discard is where large bodies go.
type discard struct{ io.Writer }

func (discard) Write(p []byte) (int, error) { return len(p), nil }
func (discard) Reset() error                { return nil }

func cpu() time.Duration {
	var r syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &r); err != nil {
		log.Fatal(err)
	}
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}

// load returns the load average of the last minute, if the system has one.
func load() string {
	data, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return "unknown"
	}
	first, _, _ := strings.Cut(string(data), " ")
	return first
}
