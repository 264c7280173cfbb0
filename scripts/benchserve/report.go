//go:build linux

package main

import (
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/scripts/internal/turns"
)

func rateOf(r result) float64        { return r.rate }
func cpuUsed(r result) time.Duration { return r.cpu }
func p99Of(r result) time.Duration   { return r.p99 }

// report writes a table in Markdown.
func report(w io.Writer, all []*row) {
	fmt.Fprintf(w, "%d processors, medians of %d rounds by turns of %s each, %d connections\n\n", runtime.NumCPU(), *rounds, *duration, *conns)
	fmt.Fprintln(w, "| asked for | server | requests a second | of nginx | CPU a request | of nginx | p99 |")
	fmt.Fprintln(w, "|---|---|---|---|---|---|---|")
	for _, r := range all {
		web := r.contests[0].results
		for _, c := range r.contests {
			n, cpu := turns.Median(c.results, rateOf), turns.Median(c.results, cpuUsed)
			fmt.Fprintf(w, "| %s | %s | %.0f | %.2f | %.1f µs | %.2f | %.1f ms |\n", r.name, c.server.name,
				n, n/turns.Median(web, rateOf), micros(cpu), float64(cpu)/float64(turns.Median(web, cpuUsed)), micros(turns.Median(c.results, p99Of))/1000)
		}
	}
}

func micros(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }

// seen is the processor time per request relative to nginx's, by row and server, with the
// short rounds of "make bench-smoke".
var seen = map[string]float64{
	"index 200, loose":     1.1,
	"index 304, loose":     1.04,
	"crate small, loose":   1.45,
	"crate small, bundled": 1.35,
	"crate large, loose":   1.17,
	"crate large, bundled": 1.48,
}

// guard fails if a row has become slow. It first measures again the rows that seem so.
func guard(all []*row, dir string) error {
	judge := func() (verdicts []turns.Verdict) {
		for _, r := range all {
			verdicts = append(verdicts, r.verdicts()...)
		}
		return verdicts
	}
	verdicts, err := turns.Settle(judge, func() error {
		return measure(slices.DeleteFunc(slices.Clone(all), func(r *row) bool { return !turns.AnySlow(r.verdicts()) }), dir)
	})
	if err != nil {
		return err
	}
	return turns.Check(os.Stdout, verdicts, *trial)
}

// verdicts returns the verdicts on the servers that are guarded.
func (r *row) verdicts() (all []turns.Verdict) {
	for _, c := range r.contests[1:] {
		name := r.name + ", " + c.server.name
		if was, ok := seen[name]; ok {
			all = append(all, turns.Judge(name, cpus(c.results), cpus(r.contests[0].results), was))
		}
	}
	return all
}

func cpus(results []result) []time.Duration {
	all := make([]time.Duration, len(results))
	for i, r := range results {
		all[i] = r.cpu
	}
	return all
}
