// Package telemetry is a mirror as numbers for Prometheus: how its runs go ([Run]), what
// it holds and lacks ([Mirror]), and which program says so ([Build]). A run shows its own,
// a server those of whichever process has written the mirror last, under the same names.
//
// Names begin with clonecratesio_; those of rounds with sync_; those of downloads, which
// v1.1.0 had, with crates_. A time that is not known is left out, so that no alarm
// compares with 1970. docs/Prometheus.md lists all of them.
package telemetry

import (
	"runtime"
	"runtime/debug"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

const prefix = "clonecratesio_"

// desc describes a number.
func desc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc(name, help, labels, nil)
}

// sample sends values of gauges.
type sample chan<- prometheus.Metric

func (ch sample) gauge(d *prometheus.Desc, value float64, labels ...string) {
	ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, value, labels...)
}

// time sends a time, unless it is not known.
func (ch sample) time(d *prometheus.Desc, t time.Time, labels ...string) {
	if !t.IsZero() && t.Unix() > 0 {
		ch.gauge(d, float64(t.UnixMilli())/1000, labels...)
	}
}

func (ch sample) flag(d *prometheus.Desc, is bool) {
	value := 0.0
	if is {
		value = 1
	}
	ch.gauge(d, value)
}

// descriptions are what collectors of constant metrics have.
type descriptions []*prometheus.Desc

// Describe implements prometheus.Collector.
func (all descriptions) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range all {
		ch <- d
	}
}

// Build is which program runs.
func Build(version string) prometheus.Collector {
	revision := "unknown"
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" {
				revision = s.Value
			}
		}
	}
	return prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: prefix + "build_info", Help: "The program that runs: always 1.",
		ConstLabels: prometheus.Labels{"version": version, "revision": revision, "goversion": runtime.Version()},
	}, func() float64 { return 1 })
}
