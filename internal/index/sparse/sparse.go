// Package sparse reads an index over HTTP, a file at a time, as cargo does
// (RFC 2789; the cargo book, Registry Index, "Sparse Protocol").
//
//   - [Client.Get] asks for the file of one crate, under the condition that it is
//     another than what is here: by its ETag or, if there was none, by the time when
//     it was last modified.
//   - [Client.Config] asks for config.json.
//
// # Whom it believes
//
// No checksum proves a file of an index; TLS authenticates only its server. An answer of
// status 200 is taken only if it can be what was asked for: each line is JSON and whole,
// and the first is about the crate. The page of a captive portal, half a file and an
// empty one are asked for again, past caches, and then refused ([ContentError]). Wrong
// lines are up to the parser of the lines, as with an index in git.
//
// # Limits
//
// A file has at most 64 MiB (the largest of crates.io has 4 MiB), config.json 64 KiB.
package sparse

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/url"
	"strings"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/index"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/upstream"
)

// MaxFile is the largest file taken, in bytes.
const MaxFile = 64 << 20

// Scheme is what the URL of a sparse index begins with, for cargo and here.
const Scheme = "sparse+"

// IsURL reports whether an address names a sparse index.
func IsURL(s string) bool { return strings.HasPrefix(s, Scheme) }

// A Client asks one index. Its methods may be called concurrently.
type Client struct {
	base string // ends in "/"
	up   *upstream.Client
}

// New returns a client for the index at an address, with [Scheme] or without. It
// opens no connection. up should use HTTP/2 where it can (upstream.Config.HTTP
// "best"): the files are small and many.
func New(address string, up *upstream.Client) (*Client, error) {
	base := strings.TrimPrefix(address, Scheme)
	u, err := url.Parse(base)
	switch {
	case err != nil:
		return nil, errors.New("the address of the sparse index is no URL") // url.Parse quotes it, password included
	case u.Scheme != "https" && u.Scheme != "http" || u.Host == "":
		return nil, fmt.Errorf("the address of a sparse index is %s: want sparse+https://HOST/PATH/ (or sparse+http)", u.Redacted())
	case u.RawQuery != "" || u.Fragment != "":
		return nil, fmt.Errorf("the address of a sparse index is %s: want neither ? nor # in it", u.Redacted())
	case !strings.HasSuffix(u.Path, "/"):
		base += "/" // cargo wants it there; nothing else can be meant
	}
	return &Client{base, up}, nil
}

// String returns the address without a password, with [Scheme].
func (c *Client) String() string {
	u, err := url.Parse(c.base)
	if err != nil {
		return Scheme
	}
	return Scheme + u.Redacted()
}

// A Validator is what a server said that tells its answer from others (RFC 9110,
// section 8.8). The zero value asks for the whole file.
type Validator struct {
	ETag, LastModified string
}

// maxValidator bounds each part, bytes; a longer one is not kept.
const maxValidator = 256

// IsZero reports whether there is nothing to ask with.
func (v Validator) IsZero() bool { return v == Validator{} }

// condition is how a request names what is here. An ETag goes before: the other has
// whole seconds, and servers that have both compare the ETag alone.
func (v Validator) condition(h http.Header) {
	switch {
	case v.ETag != "":
		h.Set("If-None-Match", v.ETag)
	case v.LastModified != "":
		h.Set("If-Modified-Since", v.LastModified)
	}
}

func validator(h http.Header) (v Validator) {
	if tag := h.Get("ETag"); len(tag) <= maxValidator {
		v.ETag = tag
	}
	if at := h.Get("Last-Modified"); len(at) <= maxValidator {
		v.LastModified = at
	}
	return v
}

// A File is what an index has of one crate.
type File struct {
	Body []byte // the lines; empty with NotModified
	Validator
	NotModified bool // it is still what the Validator that was given stands for

	answer *upstream.Answer
}

// Release gives memory back that Body took; see upstream.Answer.
func (f *File) Release() {
	if f.answer != nil {
		f.answer.Release()
	}
	f.answer, f.Body = nil, nil
}

// A ContentError says that what the index keeps sending is no file of the crate.
type ContentError struct {
	Name string
	Err  error
}

func (e *ContentError) Error() string {
	return fmt.Sprintf("the index sent no lines of crate %s: %v", e.Name, e.Err)
}

func (e *ContentError) Unwrap() error { return e.Err }

// Get returns the file of a crate; have is the validator of the one that is here. The
// file must be released.
//
// Errors: fs.ErrNotExist if the index has no such crate; [*ContentError], in what
// package upstream says; others of upstream's.
func (c *Client) Get(ctx context.Context, name string, have Validator) (File, error) {
	return c.get(ctx, name, have, false)
}

// GetAgain is Get past caches and for the whole file, where an answer is in doubt.
func (c *Client) GetAgain(ctx context.Context, name string) (File, error) {
	return c.get(ctx, name, Validator{}, true)
}

func (c *Client) get(ctx context.Context, name string, have Validator, again bool) (File, error) {
	if err := crate.CheckName(name); err != nil {
		return File{}, err
	}
	q := c.question(crate.IndexPath(name), MaxFile)
	q.Again = again
	have.condition(q.Header)
	q.Check = func(a *upstream.Answer) error {
		if err := checkFile(name, a); err != nil {
			return &ContentError{name, err}
		}
		return nil
	}
	answer, err := c.ask(ctx, q)
	if err != nil {
		return File{}, err
	}
	if answer.Status == http.StatusNotModified {
		answer.Release()
		return File{Validator: have, NotModified: true}, nil
	}
	return File{Body: answer.Body, Validator: validator(answer.Header), answer: answer}, nil
}

func (c *Client) question(path string, size int64) upstream.Question {
	return upstream.Question{URL: c.base + path, MaxSize: size, Header: http.Header{
		"Cargo-Protocol": {"version=1"},
		"Accept":         {"text/plain"},
	}}
}

// ask returns an answer of status 200 or 304.
func (c *Client) ask(ctx context.Context, q upstream.Question) (*upstream.Answer, error) {
	answer, err := c.up.Ask(ctx, q)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			answer.Release()
		}
	}()
	switch answer.Status {
	case http.StatusOK, http.StatusNotModified:
		return answer, nil
	case http.StatusForbidden:
		// S3 says so of what is not there to those who may not list it; a gate that
		// bans us says so too, and must not remove a crate.
		if !bytes.Contains(answer.Body, []byte("<Code>AccessDenied</Code>")) {
			err = &upstream.AskError{URL: c.redacted(q.URL), Attempts: 1, Err: &upstream.StatusError{Status: answer.Status}}
			return nil, err
		}
	}
	err = &upstream.AskError{URL: c.redacted(q.URL), Attempts: 1, Err: fmt.Errorf("the answer is %d: %w", answer.Status, fs.ErrNotExist)}
	return nil, err
}

func (c *Client) redacted(address string) string {
	return strings.TrimPrefix(c.String(), Scheme) + strings.TrimPrefix(address, c.base)
}

// Config returns config.json of the index.
func (c *Client) Config(ctx context.Context) (cfg index.Config, err error) {
	answer, err := c.ConfigFile(ctx)
	if err != nil {
		return cfg, err
	}
	return index.ParseConfig(answer)
}

// ConfigFile returns config.json as it is; it is one that [Client.Config] takes.
func (c *Client) ConfigFile(ctx context.Context) ([]byte, error) {
	q := c.question("config.json", index.MaxConfig)
	q.Header.Del("Accept")
	q.Check = func(a *upstream.Answer) error {
		_, err := index.ParseConfig(a.Body)
		return err
	}
	answer, err := c.ask(ctx, q)
	if err != nil {
		return nil, fmt.Errorf("reading config.json of the index: %w", err)
	}
	defer answer.Release()
	return bytes.Clone(answer.Body), nil
}
