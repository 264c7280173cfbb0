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

// Config configures a [Client]. The zero value works.
type Config struct {
	// Concurrency is the maximum number of requests at a time; the limiter works below it.
	// Default 128.
	Concurrency int

	// Timeout limits one attempt, including the body. Default 300 s.
	Timeout time.Duration
	// StallTimeout is the maximum time without progress in a body. Default 30 s.
	StallTimeout time.Duration
	// MinRate is the minimum average rate of a body over StallTimeout, in bytes per second.
	// It ends trickles that never quite stall. Default 256.
	MinRate int64
	// DialTimeout and TLSTimeout limit connecting and the TLS handshake. Default 30 s and
	// 15 s.
	DialTimeout, TLSTimeout time.Duration
	// HeaderTimeout limits the time until the headers of the response are complete, from
	// the start of the attempt, including connecting. Default 60 s.
	HeaderTimeout time.Duration

	// Attempts is the number of times that a file is tried if errors are transient,
	// including the first. Default 6.
	Attempts int
	// RetryBase and RetryMax determine the pause between attempts: before the n-th retry it
	// is random between 0 and the smaller of RetryBase * 2^(n-1) and RetryMax. Default 500
	// ms and 30 s.
	RetryBase, RetryMax time.Duration

	// MaxSize is the maximum size of a crate file, in bytes. Default 512 MiB.
	MaxSize int64
	// MemoryThreshold is the maximum size of a body kept in memory, in bytes; larger bodies
	// go to Request.Spill. Default 512 KiB.
	MemoryThreshold int64
	// MemoryBudget limits the memory of all bodies together, in bytes. When it is used up,
	// small bodies go to Request.Spill too. Default 64 MiB.
	MemoryBudget int64

	// RefusalLimit is the number of items in a row that may be refused with the same
	// status, without a success between, before the client stops. Default 50.
	RefusalLimit int
	// FailureLimit is the same for items that used all their attempts. Default 30.
	FailureLimit int
	// AllowMissing says that upstream may have only a part of the files. Missing files then
	// do not stop the client, as long as upstream still serves what it served before.
	AllowMissing bool

	// HTTP selects the protocol: "auto" is the default and uses HTTP/1.1, for crate files
	// by package http1, which is cheapest. "1" is HTTP/1.1 by net/http, "2" is HTTP/2, and
	// "best" is HTTP/2 if the server supports it over TLS, which suits the many small files
	// of an index.
	HTTP string
	// UserAgent should name the program, its version and a contact.
	UserAgent string
	// Token is sent with every request for a crate file, to the host of its URL only and
	// not to hosts of redirects. A bare token is sent as "Bearer TOKEN", one with a scheme
	// ("Basic dXNlcjpw") unchanged. A user in the URL takes precedence.
	Token string
	// Tokens are tokens for single hosts, "host" or "host:port" in lower case. They take
	// precedence over Token.
	Tokens map[string]string
	// Rates are limits that clients share. If nil, there are none.
	Rates *Rates
	// AllowHosts are hosts ("host" or "host:port") to which redirects may lead, besides the
	// host of the request, static.crates.io and index.crates.io. They may be in a private
	// network.
	AllowHosts []string

	// MaxConnsPerHost, MaxIdleConns and MaxIdleConnsPerHost default to Concurrency.
	// IdleTimeout, after which an unused connection is closed, defaults to 90 s.
	MaxConnsPerHost, MaxIdleConns, MaxIdleConnsPerHost int
	IdleTimeout                                        time.Duration

	// Dial replaces the dialer, and with it the guard against redirects into private
	// networks. If nil, a net.Dialer is used.
	Dial func(ctx context.Context, network, addr string) (net.Conn, error)
	// TLS is cloned. If nil, the system's roots and TLS 1.2 or newer are used.
	TLS *tls.Config
	// Metrics counts what this client does; clients may share it. If nil, nothing is
	// counted.
	Metrics *Metrics
	// Log receives retries (debug), pauses (warn) and the breaker (error). If
	// nil, nothing is logged.
	Log *slog.Logger
}

const defaultUserAgent = "clonecratesio (+https://github.com/APTlantis/Mirror-Rust-Crates)"

// complete sets defaults and rejects invalid values.
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

// CheckToken returns why token cannot be Config.Token, or nil. The error does not quote it.
func CheckToken(token string) error {
	if strings.ContainsFunc(token, func(r rune) bool { return r < ' ' || r > '~' }) {
		return errors.New("a token has a character that is not printable ASCII: want one line")
	}
	return nil
}

// headerFor returns the headers of a request for u. They are shared and must not be
// changed.
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

// authorization returns the value of the header that sends a token.
func authorization(token string) string {
	if strings.Contains(token, " ") {
		return token
	}
	return "Bearer " + token
}
