// Package locate finds out what is below an address that names a mirror, or a registry, as
// a whole: people write http://peer:8080/ and mean its crates, its index or its bundles.
//
// A registry says in config.json where its crates are (cargo book, Index Configuration).
// One of ours has that below index/, its index for git at git/index, and says of itself
// an address at which clients find it; peers may find it at another one, so what is below
// the address that was given counts. An address is asked only if it ends with a slash or
// has no path; it is what its operator says, so no other host is.
package locate

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
)

const (
	patience  = 10 * time.Second // for one answer
	maxConfig = 64 << 10         // bytes of config.json
)

// IsRoot reports whether an address may name a whole: it is one of HTTP, without cargo's
// markers, and ends with a slash or has no path.
func IsRoot(address string) bool {
	u, err := url.Parse(address)
	return err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Host != "" && u.RawQuery == "" && u.Fragment == "" &&
		!strings.Contains(address, "{") && (u.Path == "" || strings.HasSuffix(u.Path, "/"))
}

// below is the address of something below an address.
func below(address, path string) string { return strings.TrimSuffix(address, "/") + "/" + path }

// An ElsewhereError says that the crates of a registry are on another host than the one
// that was named; name that one instead.
type ElsewhereError struct{ Config, DL string }

func (e *ElsewhereError) Error() string {
	return fmt.Sprintf("%s says that the crates are on another host: write %s", e.Config, e.DL)
}

// Crates is where the crate files of a registry at an address are; zero: nothing there
// says. Errors: *ElsewhereError; the context's.
func Crates(ctx context.Context, address string) (none crate.URLTemplate, err error) {
	where, c := configOf(ctx, address)
	if c == nil {
		return none, ctx.Err()
	}
	if c.API != "" && c.DL == c.API+"/crates" { // one of ours, whatever it is called by others
		return crate.ParseURLTemplate(below(address, "crates"))
	}
	urls := crate.CargoURLTemplate(c.DL)
	if urls.Check() != nil {
		return none, nil
	}
	named, err := url.Parse(address)
	if err != nil || urls.HasUser() || !strings.HasPrefix(c.DL, named.Scheme+"://"+named.Host+"/") {
		return none, &ElsewhereError{redacted(where), c.DL}
	}
	return urls, nil
}

// An IndexError says which -index-url reads the index of a registry.
type IndexError struct{ Address, Sparse string }

func (e *IndexError) Error() string {
	return fmt.Sprintf("%s is a registry with a sparse index: write %s", e.Address, e.Sparse)
}

// Index is the URL, for git, of the index of a mirror at an address; empty: there is none.
// Errors: *IndexError; the context's.
func Index(ctx context.Context, address string) (string, error) {
	git := below(address, "git/index")
	if _, kind := get(ctx, git+"/info/refs?service=git-upload-pack"); kind == "application/x-git-upload-pack-advertisement" {
		return git, nil
	}
	if where, c := configOf(ctx, address); c != nil {
		return "", &IndexError{redacted(address), "sparse+" + redacted(strings.TrimSuffix(where, configName))}
	}
	return "", ctx.Err()
}

const configName = "config.json"

// config is what we want of config.json.
type config struct {
	DL  string `json:"dl"`
	API string `json:"api"`
}

// configOf reads config.json of a mirror of ours, or of a registry whose index is right
// there; nil: there is none.
func configOf(ctx context.Context, address string) (where string, c *config) {
	for _, path := range []string{"index/" + configName, configName} {
		where = below(address, path)
		body, _ := get(ctx, where)
		c = new(config)
		if json.Unmarshal(body, c) == nil && c.DL != "" {
			return where, c
		}
	}
	return "", nil
}

// client asks no host but the one in its URL.
var client = &http.Client{Timeout: patience, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}

// get returns what is at a URL, if that answers and is not long, and its media type.
// What does not answer is another's to complain about, who has use for it.
func get(ctx context.Context, where string) (body []byte, kind string) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, where, nil)
	if err != nil {
		return nil, ""
	}
	resp, err := client.Do(req)
	if err != nil {
		return nil, ""
	}
	body, err = io.ReadAll(io.LimitReader(resp.Body, maxConfig+1))
	if err = errors.Join(err, resp.Body.Close()); err != nil || resp.StatusCode != http.StatusOK {
		return nil, ""
	}
	if len(body) > maxConfig {
		body = nil
	}
	return body, resp.Header.Get("Content-Type")
}

// redacted is an address without a user and password.
func redacted(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return "it"
	}
	u.User = nil
	return u.String()
}
