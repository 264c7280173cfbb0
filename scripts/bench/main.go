//go:build linux

// Bench measures a mirror run against curl on the same files: a generated
// registry, served from memory by a bare HTTP/1.1 loop in a process of its own.
// It prints wall time, CPU time per crate and peak memory of both, in turn, and
// the ratios of their medians. Everything stays on the loopback interface.
//
//	go run ./scripts/bench                        # 84,780 crates of 2 KB median
//	go run ./scripts/bench -n 20000 -median 37000 # fewer, larger
//
// With -faults it does without curl, and shows what one run comes to if each of a
// dozen faults hits that part of all requests (faults.go):
//
//	go run ./scripts/bench -n 1700000 -faults 1   # percent
package main

import (
	"bufio"
	"bytes"
	"errors"
	"flag"
	"fmt"
	"log"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/simreg"
)

func main() {
	log.SetFlags(0)
	n := flag.Int("n", 84780, "crates")
	median := flag.Int("median", 2048, "median size of a crate file, bytes")
	rounds := flag.Int("rounds", 3, "counted runs of each")
	dir := flag.String("dir", "", "work in this folder (default: a temporary one)")
	extra := flag.String("flags", "", "more flags for the mirror run, separated by spaces")
	faults := flag.Float64("faults", 0, "let each fault hit so many percent of all requests, and measure one run")
	serve := flag.String("serve", "", "internal: serve this tree")
	serveFaulty := flag.Bool("serve-faults", false, "internal: serve the registry of -faults")
	flag.Parse()
	if *serve != "" {
		log.Fatal(serveTree(*serve))
	}
	if *serveFaulty {
		if err := serveFaults(*dir, *n, *median, *faults/100); err != nil {
			log.Fatal(err)
		}
		return
	}
	err := inFolder(*dir, func(dir string) error {
		b := &bencher{dir: dir, n: *n}
		if *faults > 0 {
			return b.underFaults(*median, *faults/100, strings.Fields(*extra))
		}
		return b.besideCurl(*median, *rounds, strings.Fields(*extra))
	})
	if err != nil {
		log.Fatal(err)
	}
}

// inFolder calls do with dir, or with a temporary folder if that is empty.
func inFolder(dir string, do func(dir string) error) error {
	if dir == "" {
		var err error
		if dir, err = os.MkdirTemp("", "clonecratesio-bench-"); err != nil {
			return err
		}
		defer os.RemoveAll(dir)
	}
	return do(dir)
}

func (b *bencher) besideCurl(median, rounds int, extra []string) error {
	if err := b.prepare(median); err != nil {
		return err
	}
	stop, err := b.startServer()
	if err != nil {
		return err
	}
	defer stop()
	var ours, curls, updates []usage
	for i := range rounds + 1 { // the first warms up
		u, err := b.mirror(extra)
		if err != nil {
			return fmt.Errorf("mirror: %w", err)
		}
		again, err := b.mirror(extra)
		if err != nil {
			return fmt.Errorf("mirror again: %w", err)
		}
		c, err := b.curl()
		if err != nil {
			return fmt.Errorf("curl: %w", err)
		}
		if i > 0 {
			ours, updates, curls = append(ours, u), append(updates, again), append(curls, c)
		}
		if err := errors.Join(os.RemoveAll(b.path("out")), os.RemoveAll(b.path("bundles")), os.RemoveAll(b.path("curl"))); err != nil {
			return err
		}
	}
	fmt.Printf("%d crates, %d CPUs, medians of %d runs (min to max)\n", b.n, runtime.NumCPU(), rounds)
	b.print("mirror", ours)
	b.print("curl", curls)
	b.print("update", updates)
	fmt.Printf("mirror/curl: %.2f of the wall time\n", medianOf(ours, wall)/medianOf(curls, wall))
	return nil
}

type bencher struct {
	dir, base string
	n         int
}

func (b *bencher) path(name string) string { return filepath.Join(b.dir, name) }

// prepare writes the crate files, their index and curl's list, and builds the
// program.
func (b *bencher) prepare(median int) error {
	reg := simreg.Generate(b.n, median, 1)
	if err := reg.WriteTree(b.path("tree")); err != nil {
		return err
	}
	if err := reg.WriteIndex(b.path("index")); err != nil {
		return err
	}
	return b.build("download-crates")
}

func (b *bencher) build(name string) error {
	build := exec.Command("go", "build", "-o", b.path(name), "./cmd/"+name)
	build.Stderr = os.Stderr
	if err := build.Run(); err != nil {
		return fmt.Errorf("building %s: %w", name, err)
	}
	return nil
}

// startServer starts this program again to serve the tree, and writes curl's
// list once the port is known.
func (b *bencher) startServer() (stop func(), err error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(self, "-serve", b.path("tree"))
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	stop = func() { cmd.Process.Kill(); cmd.Wait() }
	addr, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		stop()
		return nil, fmt.Errorf("waiting for the server: %w", err)
	}
	b.base = "http://" + strings.TrimSpace(addr)
	return stop, b.writeList()
}

func (b *bencher) writeList() error {
	var list bytes.Buffer
	names, err := filepath.Glob(b.path("tree/*/*.crate"))
	if err != nil {
		return err
	}
	for _, name := range names {
		rel, err := filepath.Rel(b.path("tree"), name)
		if err != nil {
			return err
		}
		url := strings.ReplaceAll(filepath.ToSlash(rel), "+", "%2B")
		fmt.Fprintf(&list, "url=%s/%s\noutput=%s\n", b.base, url, filepath.Join(b.path("curl"), rel))
	}
	return os.WriteFile(b.path("curl.cfg"), list.Bytes(), 0o644)
}

// usage is what a finished process has cost.
type usage struct {
	wall, cpu float64 // seconds
	rss       float64 // peak, bytes
}

func run(cmd *exec.Cmd) (usage, error) {
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	u, err := measured(cmd)
	if err != nil {
		return u, fmt.Errorf("%w: %s", err, stderr.Bytes())
	}
	return u, nil
}

// measured runs cmd and tells what that has cost, whether it failed or not.
func measured(cmd *exec.Cmd) (usage, error) {
	start := time.Now()
	err := cmd.Run()
	if cmd.ProcessState == nil {
		return usage{}, err // it never ran
	}
	u := usage{wall: time.Since(start).Seconds(), cpu: (cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()).Seconds()}
	if r, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage); ok {
		u.rss = float64(r.Maxrss) * 1024 // Linux counts KiB
	}
	return u, err
}

func (b *bencher) mirror(extra []string) (usage, error) {
	args := []string{"-index-dir", b.path("index"), "-out", b.path("out"), "-bundles-out", b.path("bundles"),
		"-manifest", b.path("out/manifest.jsonl"), "-crates-base-url", b.base, "-include-yanked", "-listen", "", "-log-level", "warn"}
	return run(exec.Command(b.path("download-crates"), append(args, extra...)...))
}

func (b *bencher) curl() (usage, error) {
	return run(exec.Command("curl", "--silent", "--fail", "--parallel", "--parallel-max", "128", "--create-dirs", "--config", b.path("curl.cfg")))
}

func wall(u usage) float64   { return u.wall }
func cpu(u usage) float64    { return u.cpu }
func memory(u usage) float64 { return u.rss }

func (b *bencher) print(name string, runs []usage) {
	low, high := runs[0].wall, runs[0].wall
	for _, u := range runs {
		low, high = min(low, u.wall), max(high, u.wall)
	}
	fmt.Printf("%-7s %6.2f s (%.2f to %.2f), CPU %5.0f µs a crate, peak %4.0f MB\n", name, medianOf(runs, wall), low, high,
		medianOf(runs, cpu)/float64(b.n)*1e6, medianOf(runs, memory)/1e6)
}

func medianOf(runs []usage, of func(usage) float64) float64 {
	values := make([]float64, len(runs))
	for i, u := range runs {
		values[i] = of(u)
	}
	slices.Sort(values)
	return values[len(values)/2]
}

// serveTree answers GET requests from memory with as little work as can be, so
// that what is measured is the client.
func serveTree(tree string) error {
	answers := map[string][]byte{}
	names, err := filepath.Glob(filepath.Join(tree, "*", "*.crate"))
	if err != nil {
		return err
	}
	for _, name := range names {
		data, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(tree, name)
		if err != nil {
			return err
		}
		head := fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Type: application/gzip\r\nContent-Length: %d\r\n\r\n", len(data))
		answers["/"+strings.ReplaceAll(filepath.ToSlash(rel), "+", "%2B")] = append([]byte(head), data...)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Println(l.Addr())
	for {
		conn, err := l.Accept()
		if err != nil {
			return err
		}
		go answer(conn, answers)
	}
}

// answer serves one keep-alive connection.
func answer(conn net.Conn, answers map[string][]byte) {
	defer conn.Close()
	r := bufio.NewReaderSize(conn, 4096)
	var path string
	for {
		line, err := r.ReadSlice('\n')
		if err != nil {
			return
		}
		if fields := bytes.Fields(line); len(fields) == 3 && string(fields[0]) == "GET" {
			path = string(fields[1])
		}
		if len(bytes.TrimSpace(line)) > 0 {
			continue
		}
		data, ok := answers[path]
		if !ok {
			data = []byte("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
		}
		if _, err := conn.Write(data); err != nil {
			return
		}
	}
}
