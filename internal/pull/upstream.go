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

// maxPause is how long clients are kept waiting that upstream asks to wait.
const maxPause = 2 * time.Second

// Upstream is the index and the crate files of a registry, for as long as a server runs:
// a client that stops itself, as it should in a run, is replaced by another one.
type Upstream struct {
	Index string // the address of the sparse index
	// URLs are where crate files are. If zero, where config.json of the index says, but
	// not in a private network.
	URLs    crate.URLTemplate
	Clients func() (*upstream.Client, error)

	mu     sync.Mutex // guards what follows
	client *upstream.Client
	lines  *sparse.Client
	said   crate.URLTemplate // by config.json
}

// open returns the clients of now.
func (u *Upstream) open() (*upstream.Client, *sparse.Client, error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.client != nil && u.client.Stopped() != nil {
		u.client.Close()
		u.client = nil
	}
	if u.client == nil {
		client, err := u.Clients()
		if err != nil {
			return nil, nil, err
		}
		lines, err := sparse.New(u.Index, client)
		if err != nil {
			return nil, nil, err
		}
		u.client, u.lines = client, lines
	}
	if pause := u.client.Status().Pause; pause > maxPause {
		return nil, nil, fmt.Errorf("upstream asks to wait for %v", pause.Round(time.Second))
	}
	return u.client, u.lines, nil
}

// Get implements Index.
func (u *Upstream) Get(ctx context.Context, name string, have sparse.Validator) (sparse.File, error) {
	_, lines, err := u.open()
	if err != nil {
		return sparse.File{}, err
	}
	return lines.Get(ctx, name, have)
}

// Fetch implements Fetcher; the request needs no URL.
func (u *Upstream) Fetch(ctx context.Context, req upstream.Request) (*upstream.Body, upstream.Stats, error) {
	client, lines, err := u.open()
	if err != nil {
		return nil, upstream.Stats{}, err
	}
	urls := u.URLs
	if urls.IsZero() {
		if urls, err = u.find(ctx, lines); err != nil {
			return nil, upstream.Stats{}, fmt.Errorf("finding out where crates are: %w", err)
		}
		req.Guarded = true
	}
	req.URL = urls.URL(req.ID, req.Checksum)
	return client.Fetch(ctx, req)
}

// find returns where config.json says that crate files are.
func (u *Upstream) find(ctx context.Context, lines *sparse.Client) (crate.URLTemplate, error) {
	u.mu.Lock()
	said := u.said
	u.mu.Unlock()
	if !said.IsZero() {
		return said, nil
	}
	cfg, err := lines.Config(ctx)
	if err != nil {
		return said, err
	}
	if said = crate.CargoURLTemplate(cfg.DL); said.Check() != nil {
		return crate.URLTemplate{}, errors.New("\"dl\" in config.json of the index names no address")
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	u.said = said
	return said, nil
}

// Close closes idle connections.
func (u *Upstream) Close() error {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.client != nil {
		u.client.Close()
	}
	return nil
}
