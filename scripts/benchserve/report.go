//go:build linux

package main

import (
	"errors"
	"fmt"
	"io"
	"runtime"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/scripts/internal/turns"
)

func rateOf(r result) float64        { return r.rate }
func cpuUsed(r result) time.Duration { return r.cpu }
func p99Of(r result) time.Duration   { return r.p99 }

// report prints a table in Markdown.
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

// limits are the most that a request may take of our processors for each that it takes
// of nginx's, by row and server: one and a half of what was seen when they were written,
// and a little more where short rounds differ. Processor time is what a machine that
// others use distorts least.
var limits = map[string]float64{
	"index 200 loose":     2.6,
	"index 304 loose":     3.2,
	"crate small loose":   5.0,
	"crate small bundled": 5.2,
	"crate large loose":   3.6,
	"crate large bundled": 4.4,
}

// withinLimits reports the rows in which we have become slow.
func withinLimits(all []*row) error {
	var errs []error
	for _, r := range all {
		for _, c := range r.contests[1:] {
			limit, ok := limits[r.name+" "+c.server.name]
			ratio := float64(turns.Median(c.results, cpuUsed)) / float64(turns.Median(r.contests[0].results, cpuUsed))
			if ok && ratio > limit {
				errs = append(errs, fmt.Errorf("%s, %s: %.2f of nginx's processor time, %.2f at most", r.name, c.server.name, ratio, limit))
			}
		}
	}
	return errors.Join(errs...)
}
