package pull

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/index/sparse"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/upstream"
)

// maxPause is how long clients wait if upstream asks for a pause.
const maxPause = 2 * time.Second

// A Client is an upstream for the lifetime of a server: an upstream.Client that stops
// itself, as it should in a run, is replaced by a new one.
type Client struct {
	Make func() (*upstream.Client, error)

	mu  sync.Mutex // guards what follows
	now *upstream.Client
}

// open returns the current client. Errors: that upstream asks for a pause.
func (c *Client) open() (*upstream.Client, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.now != nil && c.now.Stopped() != nil {
		c.now.Close()
		c.now = nil
	}
	if c.now == nil {
		client, err := c.Make()
		if err != nil {
			return nil, err
		}
		c.now = client
	}
	if pause := c.now.Status().Pause; pause > maxPause {
		return nil, fmt.Errorf("upstream asks to wait for %v", pause.Round(time.Second))
	}
	return c.now, nil
}

// Fetch implements Fetcher and origins.Client, for requests with a URL.
func (c *Client) Fetch(ctx context.Context, req upstream.Request) (*upstream.Body, upstream.Stats, error) {
	client, err := c.open()
	if err != nil {
		return nil, upstream.Stats{}, err
	}
	return client.Fetch(ctx, req)
}

// Close closes idle connections.
func (c *Client) Close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.now != nil {
		c.now.Close()
	}
}

// Upstream is the sparse index of a registry, and its crate files.
type Upstream struct {
	*Client
	Index string // the address of the sparse index
	// URLs is where crate files are. If zero, the index's config.json says.
	URLs crate.URLTemplate
	// Guarded says that only the index names the host of crate files, which must not be in
	// a private network.
	Guarded bool

	said said
}

// lines returns the client of the index.
func (u *Upstream) lines() (*sparse.Client, error) {
	client, err := u.open()
	if err != nil {
		return nil, err
	}
	return sparse.New(u.Index, client)
}

// Get implements Index.
func (u *Upstream) Get(ctx context.Context, name string, have sparse.Validator) (sparse.File, error) {
	lines, err := u.lines()
	if err != nil {
		return sparse.File{}, err
	}
	return lines.Get(ctx, name, have)
}

// Fetch implements Fetcher and origins.Client; the request needs no URL.
func (u *Upstream) Fetch(ctx context.Context, req upstream.Request) (*upstream.Body, upstream.Stats, error) {
	urls := u.URLs
	if urls.IsZero() {
		var err error
		if urls, err = u.said.urls(ctx, u.config); err != nil {
			return nil, upstream.Stats{}, fmt.Errorf("finding out where crates are: %w", err)
		}
	}
	req.Guarded = u.Guarded
	req.URL = urls.URL(req.ID, req.Checksum)
	return u.Client.Fetch(ctx, req)
}

// config returns where the index's config.json says that crate files are.
func (u *Upstream) config(ctx context.Context) (urls crate.URLTemplate, err error) {
	lines, err := u.lines()
	if err != nil {
		return urls, err
	}
	cfg, err := lines.Config(ctx)
	if err != nil {
		return urls, err
	}
	if urls = crate.CargoURLTemplate(cfg.DL); urls.Check() != nil {
		return urls, errors.New("\"dl\" in config.json of the index names no address")
	}
	return urls, nil
}

// saidFor is how long config.json is cached. A registry moves its crate files once in
// years, and keeps the old place for a while.
const saidFor = 10 * time.Minute

// said caches where an index says that crate files are.
type said struct {
	mu    sync.Mutex // guards what follows
	where crate.URLTemplate
	asked time.Time
}

// urls returns the cached answer, or calls config if that is old. If config fails, the old
// answer is used for the same time again.
func (s *said) urls(ctx context.Context, config func(context.Context) (crate.URLTemplate, error)) (crate.URLTemplate, error) {
	s.mu.Lock()
	was, at := s.where, s.asked
	s.mu.Unlock()
	if !was.IsZero() && time.Since(at) < saidFor {
		return was, nil
	}
	now, err := config(ctx)
	if err != nil && was.IsZero() {
		return now, err
	}
	if err != nil {
		now = was
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.where, s.asked = now, time.Now()
	return now, nil
}
