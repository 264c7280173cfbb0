package registry

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics are a handler's counters. No label has a value that a client chooses (H12).
type metrics struct {
	requests *prometheus.CounterVec
	bytes    *prometheus.CounterVec
	duration *prometheus.HistogramVec
	inflight prometheus.Gauge
	damaged  prometheus.Counter
	index    *prometheus.CounterVec
	age      prometheus.Collector

	// Children of the above, resolved once.
	byRoute                               [numberOfRoutes]routeMetrics
	cacheHit, cacheRevalidated, cacheMiss prometheus.Counter
}

type routeMetrics struct {
	requests [len(codeClasses)]prometheus.Counter
	bytes    prometheus.Counter
	duration prometheus.Observer
}

// codeClasses are the first digits of a status. A request that a client aborted before it
// had a status is "none".
var codeClasses = [...]string{"none", "1xx", "2xx", "3xx", "4xx", "5xx"}

func newMetrics(m Mirror) *metrics {
	const prefix = "clonecratesio_serve_"
	out := &metrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: prefix + "requests_total", Help: "Requests answered, by kind of resource and class of status.",
		}, []string{"route", "code"}),
		bytes: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: prefix + "response_bytes_total", Help: "Bytes of response bodies, as sent.",
		}, []string{"route"}),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: prefix + "request_duration_seconds", Help: "Time from the headers of a request to the last byte of its answer.",
			Buckets: prometheus.ExponentialBuckets(0.0001, 4, 10), // 0.1 ms to 26 s
		}, []string{"route"}),
		inflight: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: prefix + "requests_in_flight", Help: "Requests in progress.",
		}),
		damaged: prometheus.NewCounter(prometheus.CounterOpts{
			Name: prefix + "damaged_total", Help: "Requests for stored crates with wrong bytes: answered 500.",
		}),
		index: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: prefix + "index_cache_total", Help: "Requests for index files: from the cache (hit), checked again after a change of the mirror (revalidated), generated (miss).",
		}, []string{"result"}),
		age: prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: prefix + "index_age_seconds", Help: "Age of the served commit of the index; 0 if it is unknown.",
		}, func() float64 { return indexAge(m) }),
	}
	for r, name := range routeNames {
		for i, class := range codeClasses {
			out.byRoute[r].requests[i] = out.requests.WithLabelValues(name, class)
		}
		out.byRoute[r].bytes = out.bytes.WithLabelValues(name)
		out.byRoute[r].duration = out.duration.WithLabelValues(name)
	}
	out.cacheHit = out.index.WithLabelValues("hit")
	out.cacheRevalidated = out.index.WithLabelValues("revalidated")
	out.cacheMiss = out.index.WithLabelValues("miss")
	return out
}

func indexAge(m Mirror) float64 {
	t := m.Totals().CommitTime
	if t.IsZero() {
		return 0
	}
	return time.Since(t).Seconds()
}

// request counts a request.
func (m *metrics) request(r route, code int, bytes int64, took time.Duration) {
	class := code / 100
	if class >= len(codeClasses) {
		class = 0
	}
	of := &m.byRoute[r]
	of.requests[class].Inc()
	of.bytes.Add(float64(bytes))
	of.duration.Observe(took.Seconds())
}

// Describe implements prometheus.Collector.
func (m *metrics) Describe(ch chan<- *prometheus.Desc) {
	for _, c := range m.collectors() {
		c.Describe(ch)
	}
}

// Collect implements prometheus.Collector.
func (m *metrics) Collect(ch chan<- prometheus.Metric) {
	for _, c := range m.collectors() {
		c.Collect(ch)
	}
}

func (m *metrics) collectors() []prometheus.Collector {
	return []prometheus.Collector{m.requests, m.bytes, m.duration, m.inflight, m.damaged, m.index, m.age}
}
