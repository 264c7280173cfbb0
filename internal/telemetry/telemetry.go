// Package telemetry reports a mirror to Prometheus: its runs ([Run]), what it holds and
// lacks ([Mirror]), and the program's build ([Build]). A run reports its own metrics, and a
// server those of the process that wrote the mirror last, under the same names.
//
// Names begin with clonecratesio_; those of rounds with sync_; those of downloads, which
// v1.1.0 had, with crates_. An unknown time is left out, so that no alarm compares with
// 1970. docs/Prometheus.md lists all metrics.
package telemetry

import (
	"runtime"
	"runtime/debug"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

const prefix = "clonecratesio_"

// desc describes a metric.
func desc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc(name, help, labels, nil)
}

// sample sends the values of gauges.
type sample chan<- prometheus.Metric

func (ch sample) gauge(d *prometheus.Desc, value float64, labels ...string) {
	ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, value, labels...)
}

// time sends a time, unless it is unknown.
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

// descriptions are the descriptions of collectors of constant metrics.
type descriptions []*prometheus.Desc

// Describe implements prometheus.Collector.
func (all descriptions) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range all {
		ch <- d
	}
}

// Build reports which program runs.
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
		Name: prefix + "build_info", Help: "The build of the running program: always 1.",
		ConstLabels: prometheus.Labels{"version": version, "revision": revision, "goversion": runtime.Version()},
	}, func() float64 { return 1 })
}
