//go:build linux

// Benchserve compares clonecratesio serve with nginx, by turns and on loopback, on the same
// index files and the same crates: nginx has the tree of clonecratesio export, serve has the
// crates loose and in bundles. It needs git, nginx, wrk and openssl; -clonecratesio names the
// built program.
//
//	go build -o /some/where/ ./cmd/clonecratesio
//	go run ./scripts/benchserve -clonecratesio /some/where/clonecratesio
//
// Each row is one kind of request. It is sent to each server by turns, so that other load on
// the machine affects all alike. The medians are printed, and their ratios to nginx's are the
// result. Processor time is the server's own, per request: of all figures it depends least on
// other load.
//
// A bare net/http server with all files in memory is measured as well: its time is the least
// that a server of net/http can take.
//
// With -cargo N, the real cargo fetches N crates from each of them instead, over HTTP and over
// TLS, through a line with a round trip of -latency.
package main

import (
	"context"
	"errors"
	"flag"
	"log"
	"os"
	"time"
)

var (
	program  = flag.String("clonecratesio", "clonecratesio", "the `PROGRAM`")
	versions = flag.Int("versions", 2000, "in the registry of small crates")
	median   = flag.Int("median", 4700, "`BYTES` of a small crate file")
	large    = flag.Int("large", 84_000, "`BYTES` of a large one")
	rounds   = flag.Int("rounds", 5, "of each measurement")
	duration = flag.Duration("duration", 3*time.Second, "of a round")
	conns    = flag.Int("conns", 64, "connections of wrk")
	only     = flag.String("rows", "", "measure rows whose names match this `EXPRESSION` alone")
	keep     = flag.String("dir", "", "keep mirrors in `DIR`, and use those that are there")
	smoke    = flag.Bool("smoke", false, "exit 1 if a ratio of processor times is above its limit")
	trial    = flag.Bool("trial", false, "exit 1 unless each ratio is above its limit: for a program that was made slower")
	crates   = flag.Int("cargo", 0, "have cargo fetch `N` crates instead")
	listen   = flag.String("listen", "", "of the bare server, which this program starts")
	latency  = flag.Duration("latency", 0, "of the line between cargo and a server, there and back")
)

func main() {
	log.SetFlags(0)
	flag.Parse()
	if root := os.Getenv(bareFolder); root != "" {
		log.Fatal(serveBare(root))
	}
	if err := run(context.Background()); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context) (err error) {
	if *keep != "" {
		return bench(ctx, *keep)
	}
	dir, err := os.MkdirTemp("", "benchserve-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	return bench(ctx, dir)
}

func bench(ctx context.Context, dir string) error {
	if *crates > 0 {
		return benchCargo(ctx, dir)
	}
	b, err := prepare(ctx, dir)
	if err != nil {
		return err
	}
	defer b.stop()
	all, err := b.rows()
	if err != nil {
		return err
	}
	if err := measure(all, dir); err != nil {
		return err
	}
	report(os.Stdout, all)
	if guarded() {
		return guard(all, dir)
	}
	return nil
}

func guarded() bool { return *smoke || *trial }

// measure measures all servers of all rows by turns.
func measure(all []*row, dir string) error {
	for round := range *rounds + 1 { // the first round warms up
		for _, r := range all {
			for _, c := range r.contests {
				result, err := c.run(dir, r.conns)
				if err != nil {
					return err
				}
				if round > 0 {
					c.results = append(c.results, result)
				}
			}
		}
	}
	return nil
}
