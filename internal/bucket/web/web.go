// Package web reads a bucket through a web server: objects by GET with ranges and ETags
// below an address, as serve offers them below /replicate/, or any server in front of a
// bucket. It cannot list.
package web

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/bucket"
)

const (
	tries   = 4                // of a request that fails with a transient error
	stall   = 30 * time.Second // without a byte
	backoff = 200 * time.Millisecond
)

// Bucket is a bucket that is read over HTTP. Its methods may be called concurrently.
type Bucket struct {
	base    *url.URL // ends with a slash
	client  *http.Client
	stall   time.Duration
	backoff time.Duration
}

var _ bucket.Reader = (*Bucket)(nil)

// Open returns the bucket at an address, which may contain a user and a password. It sends
// no request.
func Open(address string) (*Bucket, error) {
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.RawQuery != "" || u.Fragment != "" {
		return nil, fmt.Errorf("%q is no address of a mirror: one is https://HOST/replicate/", redacted(address))
	}
	if !strings.HasSuffix(u.Path, "/") {
		u.Path, u.RawPath = u.Path+"/", ""
	}
	transport := &http.Transport{
		Proxy: http.ProxyFromEnvironment, DialContext: (&net.Dialer{Timeout: stall}).DialContext, TLSHandshakeTimeout: stall,
		MaxIdleConnsPerHost: 16, IdleConnTimeout: time.Minute, ForceAttemptHTTP2: true,
		DisableCompression: true, // lengths and ETags must be the objects' own
	}
	return &Bucket{u, &http.Client{Transport: transport, CheckRedirect: redirect}, stall, backoff}, nil
}

// redirect follows redirects, as to a CDN, but not from https to http, and not endlessly.
func redirect(next *http.Request, before []*http.Request) error {
	if len(before) >= 5 {
		return errors.New("too many redirects")
	}
	if before[0].URL.Scheme == "https" && next.URL.Scheme != "https" {
		return errors.New("refused a redirect from https to http")
	}
	return nil
}

// redacted returns an address without its secrets.
func redacted(address string) string {
	if u, err := url.Parse(address); err == nil {
		u.User, u.RawQuery = nil, ""
		return u.String()
	}
	return "it"
}

// String implements bucket.Reader.
func (b *Bucket) String() string { return redacted(b.base.String()) }

func (b *Bucket) url(key string) string {
	u := *b.base
	parts := strings.Split(key, "/")
	for i := range parts {
		parts[i] = strings.ReplaceAll(url.PathEscape(parts[i]), "+", "%2B")
	}
	u.RawPath = u.EscapedPath() + strings.Join(parts, "/")
	u.Path += key
	return u.String()
}

// Get implements bucket.Reader.
func (b *Bucket) Get(ctx context.Context, key string, ask bucket.Ask) (io.ReadCloser, bucket.Object, error) {
	if err := cmp.Or(ctx.Err(), bucket.CheckKey(key)); err != nil {
		return nil, bucket.Object{}, err
	}
	a, err := b.ask(ctx, http.MethodGet, key, ask)
	if err != nil {
		return nil, bucket.Object{}, b.failed(key, err)
	}
	return a, a.object, nil
}

// Head implements bucket.Reader.
func (b *Bucket) Head(ctx context.Context, key string) (bucket.Object, error) {
	if err := cmp.Or(ctx.Err(), bucket.CheckKey(key)); err != nil {
		return bucket.Object{}, err
	}
	a, err := b.ask(ctx, http.MethodHead, key, bucket.Ask{})
	if err != nil {
		return bucket.Object{}, b.failed(key, err)
	}
	return a.object, a.Close()
}

// List implements bucket.Reader.
func (b *Bucket) List(context.Context, string) iter.Seq2[bucket.Object, error] {
	return func(yield func(bucket.Object, error) bool) {
		yield(bucket.Object{}, fmt.Errorf("listing %s: %w", b, errors.ErrUnsupported))
	}
}

func (b *Bucket) failed(key string, err error) error {
	var u *url.Error // contains the address, and so secrets
	if errors.As(err, &u) {
		err = u.Err
	}
	return fmt.Errorf("reading %q of %s: %w", key, b, err)
}

// transient is an error after which a retry may succeed.
type transient struct{ err error }

func (t transient) Error() string { return t.err.Error() }
func (t transient) Unwrap() error { return t.err }

// ask repeats a request until there is an answer.
func (b *Bucket) ask(ctx context.Context, method, key string, ask bucket.Ask) (*answer, error) {
	for n := 1; ; n++ {
		a, err := b.once(ctx, method, key, ask)
		if err == nil || n == tries || ctx.Err() != nil || !errors.As(err, new(transient)) {
			return a, err
		}
		select {
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		case <-time.After(b.backoff << n):
		}
	}
}

func (b *Bucket) once(ctx context.Context, method, key string, ask bucket.Ask) (*answer, error) {
	life, stop := context.WithCancelCause(ctx)
	watch := time.AfterFunc(b.stall, func() { stop(errStalled) })
	a, err := b.send(life, method, key, ask)
	if err != nil {
		watch.Stop()
		if context.Cause(life) == errStalled {
			err = transient{errStalled}
		}
		stop(nil)
		return nil, err
	}
	a.watch, a.each, a.stop, a.life = watch, b.stall, func() { stop(nil) }, life
	return a, nil
}

var errStalled = fmt.Errorf("nothing came for %v", stall)

func (b *Bucket) send(ctx context.Context, method, key string, ask bucket.Ask) (*answer, error) {
	req, err := http.NewRequestWithContext(ctx, method, b.url(key), nil)
	if err != nil {
		return nil, err
	}
	if ask.Offset > 0 || ask.Length > 0 {
		to := ""
		if ask.Length > 0 {
			to = strconv.FormatInt(ask.Offset+ask.Length-1, 10)
		}
		req.Header.Set("Range", fmt.Sprintf("bytes=%d-%s", ask.Offset, to))
	}
	if ask.Unless != "" {
		req.Header.Set("If-None-Match", string(ask.Unless))
	}
	if ask.Same != "" {
		req.Header.Set("If-Match", string(ask.Same))
	}
	resp, err := b.client.Do(req)
	if err != nil {
		return nil, transient{err}
	}
	a := &answer{body: resp.Body}
	if err := a.read(resp, key, ask); err != nil {
		return nil, errors.Join(err, resp.Body.Close())
	}
	return a, nil
}
