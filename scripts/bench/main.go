//go:build linux

// Bench compares a mirror run with curl on the same files: a generated registry, which another
// process serves from memory with a bare HTTP/1.1 loop. It prints wall time, CPU time and peak
// memory of each, measured by turns, and the ratios of their medians. The runs download
// everything into loose files and into bundles, then nothing new, then one version in a
// hundred more. All traffic stays on loopback.
//
//	go run ./scripts/bench                        # 84,780 crates of 2 KB median
//	go run ./scripts/bench -n 20000 -median 37000 # fewer, larger
//	go run ./scripts/bench -n 10000 -latency 50ms -rate 1000 # from afar, at 1 Gbit/s
//	go run ./scripts/bench -rivals -v110 DIR      # with panamax, get-all-crates, romt, v1.1.0
//
// With -faults it runs without curl. Each of a dozen faults hits the given share of all
// requests, and it prints how a run fares (faults.go):
//
//	go run ./scripts/bench -n 1700000 -faults 1   # percent
package main

import (
	"errors"
	"flag"
	"fmt"
	"log"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

var (
	n       = flag.Int("n", 84780, "crates")
	median  = flag.Int("median", 2048, "median size of a crate file, bytes")
	rounds  = flag.Int("rounds", 3, "counted runs of each")
	folder  = flag.String("dir", "", "work in this folder (default: a temporary one)")
	extra   = flag.String("flags", "", "more flags for the mirror run, separated by spaces")
	latency = flag.Duration("latency", 0, "of the network, there and back")
	rate    = flag.Float64("rate", 0, "of the network, Mbit/s in all; 0: any")
	program = flag.String("clonecratesio", "", "the `PROGRAM` (default: it is built)")
	smoke   = flag.Bool("smoke", false, "exit 1 if a ratio of processor times is above its limit")
	trial   = flag.Bool("trial", false, "exit 1 unless each ratio is above its limit: for a program that was made slower")
	rivals  = flag.Bool("rivals", false, "measure other mirrors in place of curl: panamax, get-all-crates and romt where they are, v1.1.0 with -v110")
	v110    = flag.String("v110", "", "`folder` of the programs of CloneCratesio v1.1.0, for -rivals")
	faults  = flag.Float64("faults", 0, "let each fault hit so many percent of all requests, and measure one run")

	serve       = flag.String("serve", "", "internal: serve this tree")
	makes       = flag.String("make", "", "internal: make the crate files and their index in this folder")
	serveFaulty = flag.Bool("serve-faults", false, "internal: serve the registry of -faults")
)

func main() {
	log.SetFlags(0)
	flag.Parse()
	if err := run(); err != nil {
		log.Fatal(err)
	}
}

func run() error {
	switch {
	case *serve != "":
		return serveTree(*serve)
	case *makes != "":
		return makeFiles(*makes)
	case *serveFaulty:
		return serveFaults(*folder, *n, *median, *faults/100)
	}
	return inFolder(*folder, func(dir string) error {
		b := &bencher{dir: dir, n: *n}
		if *faults > 0 {
			return b.underFaults(*median, *faults/100, strings.Fields(*extra))
		}
		if *rivals {
			return b.besideRivals()
		}
		return b.besideCurl()
	})
}

// inFolder calls do with dir, or with a temporary folder if dir is empty.
func inFolder(dir string, do func(dir string) error) (err error) {
	if dir == "" {
		if dir, err = os.MkdirTemp("", "clonecratesio-bench-"); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	}
	return do(dir)
}

type bencher struct {
	dir, base, program string
	n                  int
}

func (b *bencher) path(name string) string { return filepath.Join(b.dir, name) }

// build builds the program, unless a flag names it.
func (b *bencher) build() (err error) {
	if *program != "" {
		b.program, err = filepath.Abs(*program)
		return err
	}
	b.program = b.path("clonecratesio")
	build := exec.Command("go", "build", "-o", b.program, "./cmd/clonecratesio")
	build.Stderr = os.Stderr
	if err := build.Run(); err != nil {
		return fmt.Errorf("building the program: %w", err)
	}
	return nil
}
