// Package sparse reads an index over HTTP, a file at a time, as cargo does
// (RFC 2789; the cargo book, Registry Index, "Sparse Protocol").
//
//   - [Client.Get] requests the file of one crate, on the condition that it differs
//     from ours: by its ETag or, if there was none, by the time at which
//     it was last modified.
//   - [Client.Config] requests config.json.
//
// # Trust
//
// No checksum verifies an index file; TLS only authenticates its server. An answer with
// status 200 is accepted only if it can be right: each line is complete JSON, and the first
// is about the crate. The page of a captive portal, half a file or an empty one is
// requested again, past caches, and then rejected ([ContentError]). The parser of the lines
// handles wrong lines, as with a git index.
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

// MaxFile is the maximum size of a file, in bytes.
const MaxFile = 64 << 20

// Scheme is the prefix of the URL of a sparse index, as in cargo.
const Scheme = "sparse+"

// IsURL reports whether an address names a sparse index.
func IsURL(s string) bool { return strings.HasPrefix(s, Scheme) }

// A Client requests files of one index. Its methods may be called concurrently.
type Client struct {
	base string // ends in "/"
	up   *upstream.Client
}

// New returns a client for the index at an address, with or without [Scheme]. It opens no
// connection. up should use HTTP/2 if possible (upstream.Config.HTTP "best"), because the
// files are small and many.
func New(address string, up *upstream.Client) (*Client, error) {
	base := strings.TrimPrefix(address, Scheme)
	u, err := url.Parse(base)
	switch {
	case err != nil:
		return nil, errors.New("the address of the sparse index is not a URL") // url.Parse quotes it, password included
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

// A Validator is what distinguishes a server's answer from others (RFC 9110, section 8.8).
// With the zero value, the whole file is requested.
type Validator struct {
	ETag, LastModified string
}

// maxValidator bounds each part, in bytes; a longer one is not kept.
const maxValidator = 256

// IsZero reports whether v is empty.
func (v Validator) IsZero() bool { return v == Validator{} }

// condition adds the condition to a request's headers. An ETag takes precedence: times have
// whole seconds, and servers with both compare only the ETag.
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

// A File is the index file of one crate.
type File struct {
	Body []byte // the lines; empty with NotModified
	Validator
	NotModified bool // it is unchanged since the given Validator

	answer *upstream.Answer
}

// Release returns the memory of Body; see upstream.Answer.
func (f *File) Release() {
	if f.answer != nil {
		f.answer.Release()
	}
	f.answer, f.Body = nil, nil
}

// A ContentError says that what the index keeps sending is not a file of the crate.
type ContentError struct {
	Name string
	Err  error
}

func (e *ContentError) Error() string {
	return fmt.Sprintf("the index sent no lines of crate %s: %v", e.Name, e.Err)
}

func (e *ContentError) Unwrap() error { return e.Err }

// Get returns the file of a crate; have is the validator of ours. The caller must release
// the file.
//
// Errors: fs.ErrNotExist if the index has no such crate; [*ContentError], wrapped in errors
// of package upstream; others of package upstream.
func (c *Client) Get(ctx context.Context, name string, have Validator) (File, error) {
	return c.get(ctx, name, have, false)
}

// GetAgain is Get past caches and for the whole file, for a doubtful answer.
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

// ask returns an answer with status 200 or 304.
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
		// S3 answers so for an absent file to clients without the right to list files. A
		// gateway that bans us answers with this status too, and must not make us remove a
		// crate.
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

// ConfigFile returns the bytes of config.json, which [Client.Config] accepts.
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
