package upstream

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// Config tunes a [Client]. The zero value works.
type Config struct {
	// Concurrency is the most requests at a time; the limiter works below it.
	// Default 128.
	Concurrency int

	// Timeout is the whole time of one attempt, body included. Default 300 s.
	Timeout time.Duration
	// StallTimeout is how long a body may stand still. Default 30 s.
	StallTimeout time.Duration
	// MinRate is what a body must bring on average over StallTimeout, in bytes
	// a second. It cuts drips that never quite stall. Default 256.
	MinRate int64
	// DialTimeout and TLSTimeout bound connecting and the TLS handshake.
	// Default 30 s and 15 s.
	DialTimeout, TLSTimeout time.Duration
	// HeaderTimeout is how long the headers of the answer may take from the
	// start of the attempt, connecting included. Default 60 s.
	HeaderTimeout time.Duration

	// Attempts is how often a file is tried when errors are transient, the
	// first time included. Default 6.
	Attempts int
	// RetryBase and RetryMax shape the pause between attempts: before the n-th
	// retry it is random between 0 and the smaller of RetryBase * 2^(n-1) and
	// RetryMax. Default 500 ms and 30 s.
	RetryBase, RetryMax time.Duration

	// MaxSize is the largest crate file accepted, in bytes. Default 512 MiB.
	MaxSize int64
	// MemoryThreshold is the largest body kept in memory, in bytes; larger ones
	// go to Request.Spill. Default 512 KiB.
	MemoryThreshold int64
	// MemoryBudget bounds all bodies in memory together, in bytes. When it is
	// used up, small bodies go to Request.Spill too. Default 64 MiB.
	MemoryBudget int64

	// RefusalLimit is how many items in a row may be refused with the same
	// status, with no success between, before the client stops. Default 50.
	RefusalLimit int
	// FailureLimit is the same for items that used up their attempts. Default 30.
	FailureLimit int
	// AllowMissing says that upstream may have a part of the files only. Files
	// that are not there do not stop the client then, as long as it still gives
	// out what it gave out before.
	AllowMissing bool

	// HTTP chooses the protocol: "auto" (the default; HTTP/1.1, for crate files by package
	// http1, which costs the least), "1" (by net/http), "2", or "best": HTTP/2 where the
	// server agrees to it over TLS, which suits the many small files of an index.
	HTTP string
	// UserAgent should name the program, its version and a contact.
	UserAgent string
	// Token goes with every request for a crate file, to the host of its URL and
	// no other that it redirects to. A bare one is sent as "Bearer TOKEN", one
	// with a scheme ("Basic dXNlcjpw") as it is. A user in the URL goes before.
	Token string
	// Tokens are those for single hosts, "host" or "host:port" in lower case; for these
	// they go before Token.
	Tokens map[string]string
	// Rates are caps that clients share. If nil, there are none.
	Rates *Rates
	// AllowHosts are hosts ("host" or "host:port") to which redirects may lead, beside the
	// host of the request, static.crates.io and index.crates.io. They may be in a private
	// network.
	AllowHosts []string

	// MaxConnsPerHost, MaxIdleConns and MaxIdleConnsPerHost default to
	// Concurrency; IdleTimeout, after which an unused connection is closed, to
	// 90 s.
	MaxConnsPerHost, MaxIdleConns, MaxIdleConnsPerHost int
	IdleTimeout                                        time.Duration

	// Dial replaces the dialer, and with it the guard against redirects into
	// private networks. If nil, a net.Dialer is used.
	Dial func(ctx context.Context, network, addr string) (net.Conn, error)
	// TLS is cloned. If nil, the system's roots and TLS 1.2 or newer.
	TLS *tls.Config
	// Metrics count what this client does, with others. If nil, it is not counted.
	Metrics *Metrics
	// Log receives retries (debug), pauses (warn) and the breaker (error). If
	// nil, nothing is logged.
	Log *slog.Logger
}

const defaultUserAgent = "clonecratesio (+https://github.com/APTlantis/Mirror-Rust-Crates)"

// complete puts defaults in place of zeros and refuses nonsense.
func (c *Config) complete() error {
	durations := []struct {
		name     string
		value    *time.Duration
		fallback time.Duration
	}{
		{"Timeout", &c.Timeout, 300 * time.Second},
		{"StallTimeout", &c.StallTimeout, 30 * time.Second},
		{"DialTimeout", &c.DialTimeout, 30 * time.Second},
		{"TLSTimeout", &c.TLSTimeout, 15 * time.Second},
		{"HeaderTimeout", &c.HeaderTimeout, 60 * time.Second},
		{"RetryBase", &c.RetryBase, 500 * time.Millisecond},
		{"RetryMax", &c.RetryMax, 30 * time.Second},
		{"IdleTimeout", &c.IdleTimeout, 90 * time.Second},
	}
	for _, d := range durations {
		if err := fill(d.name, d.value, d.fallback); err != nil {
			return err
		}
	}
	if err := fill("Concurrency", &c.Concurrency, 128); err != nil {
		return err
	}
	counts := []struct {
		name     string
		value    *int
		fallback int
	}{
		{"Attempts", &c.Attempts, 6},
		{"RefusalLimit", &c.RefusalLimit, 50},
		{"FailureLimit", &c.FailureLimit, 30},
		{"MaxConnsPerHost", &c.MaxConnsPerHost, c.Concurrency},
		{"MaxIdleConns", &c.MaxIdleConns, c.Concurrency},
		{"MaxIdleConnsPerHost", &c.MaxIdleConnsPerHost, c.Concurrency},
	}
	for _, n := range counts {
		if err := fill(n.name, n.value, n.fallback); err != nil {
			return err
		}
	}
	sizes := []struct {
		name     string
		value    *int64
		fallback int64
	}{
		{"MinRate", &c.MinRate, 256},
		{"MaxSize", &c.MaxSize, 512 << 20},
		{"MemoryThreshold", &c.MemoryThreshold, 512 << 10},
		{"MemoryBudget", &c.MemoryBudget, 64 << 20},
	}
	for _, n := range sizes {
		if err := fill(n.name, n.value, n.fallback); err != nil {
			return err
		}
	}
	c.HTTP = cmp.Or(c.HTTP, "auto")
	if !slices.Contains([]string{"auto", "1", "2", "best"}, c.HTTP) {
		return fmt.Errorf("protocol %q is none of auto, 1, 2, best", c.HTTP)
	}
	if err := CheckToken(c.Token); err != nil {
		return err
	}
	for host, token := range c.Tokens {
		if err := errors.Join(CheckHost(host), CheckToken(token)); err != nil {
			return err
		}
	}
	c.UserAgent = cmp.Or(c.UserAgent, defaultUserAgent)
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return nil
}

func fill[T int | int64 | time.Duration](name string, value *T, fallback T) error {
	if *value < 0 {
		return fmt.Errorf("%s is %v, want 0 (for the default of %v) or more", name, *value, fallback)
	}
	if *value == 0 {
		*value = fallback
	}
	return nil
}

// CheckToken reports why token cannot be Config.Token, or nil. It does not quote
// it.
func CheckToken(token string) error {
	if strings.ContainsFunc(token, func(r rune) bool { return r < ' ' || r > '~' }) {
		return errors.New("a token has a character that is not printable ASCII: want one line")
	}
	return nil
}

// headerFor returns the headers of a request that begins at u. They are shared, and
// must not be changed.
func (c *Client) headerFor(u *url.URL, past bool) http.Header {
	h := c.header
	if past {
		h = c.noCache
	}
	token := cmp.Or(c.cfg.Tokens[strings.ToLower(u.Host)], c.cfg.Tokens[strings.ToLower(u.Hostname())])
	if token == "" {
		return h
	}
	h = h.Clone()
	h.Set("Authorization", authorization(token))
	return h
}

// authorization returns the header in which a token is sent.
func authorization(token string) string {
	if strings.Contains(token, " ") {
		return token
	}
	return "Bearer " + token
}
