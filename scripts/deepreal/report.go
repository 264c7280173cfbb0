package main

import (
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/deep"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/deflate"
)

// A report has the measurements. Times are CPU times.
type report struct {
	encoders map[string]map[deflate.Encoder]int // by year
	reasons  map[string]int                     // why versions are stored verbatim

	versions, equal, inIndex int
	crates, tars, packs      int64 // bytes
	ratios                   []float64
	building                 time.Duration

	reads    []time.Duration
	next     []time.Duration // of the same versions, from a decoded pack
	readTars int64           // bytes
}

func newReport() *report {
	return &report{encoders: map[string]map[deflate.Encoder]int{}, reasons: map[string]int{}}
}

// packed records a pack.
func (r *report) packed(p *deep.Pack, versions []found, took time.Duration) {
	crates := int64(0)
	for n, v := range p.Versions {
		year := versions[n].year
		if r.encoders[year] == nil {
			r.encoders[year] = map[deflate.Encoder]int{}
		}
		r.encoders[year][v.Encoder]++
		if v.Encoder == deep.Verbatim {
			r.reasons[v.Reason.String()]++
		}
		if versions[n].inIndex {
			r.inIndex++
		}
		crates += v.Size
		r.tars += v.TarSize()
	}
	r.versions += len(p.Versions)
	r.crates += crates
	r.packs += p.Size()
	r.building += took
}

// read reads one version, knowing only the place of its pack.
func (r *report) read(segment *deep.Reader, at deep.Placement, v int) error {
	began := now()
	d, err := segment.Directory(at)
	if err != nil {
		return err
	}
	if _, err := segment.Rebuild(context.Background(), d, v); err != nil {
		return err
	}
	r.reads = append(r.reads, now()-began)
	r.readTars += d.Versions[v].TarSize()
	pack, err := segment.Decode(context.Background(), d)
	if err != nil {
		return err
	}
	began = now()
	if _, err := pack.Rebuild(context.Background(), v); err != nil {
		return err
	}
	r.next = append(r.next, now()-began)
	return nil
}

func (r *report) print(w io.Writer) {
	r.printYears(w)
	verbatim := 0
	for _, reason := range slices.Sorted(maps.Keys(r.reasons)) {
		verbatim += r.reasons[reason]
		fmt.Fprintf(w, "verbatim: %d, %s\n", r.reasons[reason], reason)
	}
	fmt.Fprintf(w, "%d versions rebuilt, %d equal, %d with the checksum of the index; %d verbatim (%.2f %%)\n",
		r.versions, r.equal, r.inIndex, verbatim, 100*float64(verbatim)/float64(r.versions))
	fmt.Fprintf(w, "%s of .crate files (%s of tar) in %s: %.4f; of crates the median is %.3f, quartiles %.3f and %.3f\n",
		mb(r.crates), mb(r.tars), mb(r.packs), float64(r.packs)/float64(r.crates), at(r.ratios, 0.5), at(r.ratios, 0.25), at(r.ratios, 0.75))
	fmt.Fprintf(w, "packing: %.1f MB of tar a second, %.0f s a GB of .crate files\n",
		float64(r.tars)/1e6/r.building.Seconds(), r.building.Seconds()/float64(r.crates)*1e9)
	r.printReads(w, "cold reads", r.reads)
	r.printReads(w, "the same of a pack that is decoded already", r.next)
}

func (r *report) printReads(w io.Writer, what string, reads []time.Duration) {
	total := time.Duration(0)
	for _, t := range reads {
		total += t
	}
	fmt.Fprintf(w, "%d %s: median %s, 95 %% within %s, longest %s; %.0f ms a MB of tar\n",
		len(reads), what, ms(at(reads, 0.5)), ms(at(reads, 0.95)), ms(at(reads, 1)), total.Seconds()*1e9/float64(r.readTars))
}

// printYears prints how many crates of each year each encoder made.
func (r *report) printYears(w io.Writer) {
	used := map[deflate.Encoder]bool{}
	for _, encoders := range r.encoders {
		for e := range encoders {
			used[e] = true
		}
	}
	columns := slices.Sorted(maps.Keys(used))
	head, rule := "| year |", "|---|"
	for _, e := range columns {
		name := e.String()
		if e == deep.Verbatim {
			name = "verbatim"
		}
		head, rule = head+" "+name+" |", rule+"---|"
	}
	fmt.Fprintln(w, head)
	fmt.Fprintln(w, rule)
	for _, year := range slices.Sorted(maps.Keys(r.encoders)) {
		row := "| " + year + " |"
		for _, e := range columns {
			cell := ""
			if n := r.encoders[year][e]; n > 0 {
				cell = strconv.Itoa(n)
			}
			row += " " + cell + " |"
		}
		fmt.Fprintln(w, row)
	}
}

// at returns the element at a share of the sorted values: the least at 0, the median at 0.5.
func at[T int64 | float64 | time.Duration](all []T, share float64) T {
	sorted := slices.Sorted(slices.Values(all))
	return sorted[min(int(share*float64(len(sorted))), len(sorted)-1)]
}

func mb(n int64) string { return fmt.Sprintf("%.1f MB", float64(n)/1e6) }

func ms(d time.Duration) string { return fmt.Sprintf("%.1f ms", float64(d.Microseconds())/1e3) }
