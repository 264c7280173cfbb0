package replica

import (
	"context"
	"errors"
	"io"
	"iter"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/bucket"
)

const prefix = "clonecratesio_replica_"

// Requests counts the requests to a bucket.
type Requests struct {
	bucket.Reader
	total *prometheus.CounterVec
	bytes prometheus.Counter
}

// Count returns b with its requests counted.
func Count(b bucket.Reader) *Requests {
	return &Requests{
		Reader: b,
		total: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: prefix + "requests_total", Help: "Requests to the bucket, by kind and outcome; a root that has not changed is unchanged.",
		}, []string{"request", "result"}),
		bytes: prometheus.NewCounter(prometheus.CounterOpts{Name: prefix + "received_bytes_total", Help: "Bytes of objects received from the bucket."}),
	}
}

func (c *Requests) count(request string, err error) {
	result := "ok"
	switch {
	case errors.Is(err, bucket.ErrNotModified):
		result = "unchanged"
	case err != nil:
		result = "error"
	}
	c.total.WithLabelValues(request, result).Inc()
}

// Get implements bucket.Reader.
func (c *Requests) Get(ctx context.Context, key string, ask bucket.Ask) (io.ReadCloser, bucket.Object, error) {
	body, o, err := c.Reader.Get(ctx, key, ask)
	c.count("get", err)
	if err != nil {
		return nil, o, err
	}
	return counted{body, c.bytes}, o, nil
}

// Head implements bucket.Reader.
func (c *Requests) Head(ctx context.Context, key string) (bucket.Object, error) {
	o, err := c.Reader.Head(ctx, key)
	c.count("head", err)
	return o, err
}

// List implements bucket.Reader.
func (c *Requests) List(ctx context.Context, prefix string) iter.Seq2[bucket.Object, error] {
	c.count("list", nil)
	return c.Reader.List(ctx, prefix)
}

type counted struct {
	io.ReadCloser
	bytes prometheus.Counter
}

func (c counted) Read(p []byte) (int, error) {
	n, err := c.ReadCloser.Read(p)
	c.bytes.Add(float64(n))
	return n, err
}

// Collectors returns the metrics of a replica, and of the requests that it and its readers
// made.
func (r *Replica) Collectors(requests *Requests) []prometheus.Collector {
	gauge := func(name, help string, value func(State) float64) prometheus.Collector {
		return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: prefix + name, Help: help}, func() float64 { return value(r.State()) })
	}
	return []prometheus.Collector{
		requests.total, requests.bytes,
		gauge("root_generation", "Generation of the served root.", func(s State) float64 { return float64(s.Root.Generation) }),
		gauge("root_age_seconds", "Age of the served root.", func(s State) float64 { return time.Since(s.Root.Written).Seconds() }),
		gauge("behind_seconds", "How long the replica has been unable to follow the bucket; 0 if it can.", func(s State) float64 {
			if s.Behind.IsZero() {
				return 0
			}
			return time.Since(s.Behind).Seconds()
		}),
	}
}

// Summary is the condition of a replica, for operators.
type Summary struct {
	Bucket     string    `json:"bucket"`
	Generation int64     `json:"generation"`
	Written    time.Time `json:"written"`
	Taken      time.Time `json:"taken"`
	Seen       time.Time `json:"seen,omitzero"`   // when the bucket last had that root
	Behind     time.Time `json:"behind,omitzero"` // since when it cannot be followed
	Error      string    `json:"error,omitzero"`
}

// Summary returns the condition of the replica.
func (r *Replica) Summary() Summary {
	s := r.State()
	sum := Summary{Bucket: r.cfg.Bucket.String(), Generation: s.Root.Generation, Written: s.Root.Written, Taken: s.Taken, Seen: s.Seen, Behind: s.Behind}
	if s.Err != nil {
		sum.Error = s.Err.Error()
	}
	return sum
}
