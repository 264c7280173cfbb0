// Package locate finds the crates, the index or the bundles below an address that names a
// whole mirror or registry: people write http://peer:8080/ and mean one of these.
//
// The config.json of a registry says where its crates are (cargo book, Index Configuration). A
// mirror of ours has config.json below index/ and its git index at git/index. The address that
// it gives there is for clients; a peer may reach it at another one, so what is below the
// given address counts. An address is queried only if it ends with a slash or has no path. No
// host but the one that the operator named is queried.
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
	patience  = 10 * time.Second // for one response
	maxConfig = 64 << 10         // maximum size of config.json, bytes
)

// IsRoot reports whether an address may name a whole mirror or registry: it is an HTTP address
// without cargo's markers, and ends with a slash or has no path.
func IsRoot(address string) bool {
	u, err := url.Parse(address)
	return err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Host != "" && u.RawQuery == "" && u.Fragment == "" &&
		!strings.Contains(address, "{") && (u.Path == "" || strings.HasSuffix(u.Path, "/"))
}

// below returns the address of a path below an address.
func below(address, path string) string { return strings.TrimSuffix(address, "/") + "/" + path }

// An ElsewhereError says that the crates of a registry are on a host other than the one given;
// the user should name that host instead.
type ElsewhereError struct{ Config, DL string }

func (e *ElsewhereError) Error() string {
	return fmt.Sprintf("%s says that the crates are on another host: write %s", e.Config, e.DL)
}

// Crates returns the URL template of the crate files of the registry at an address, or zero if
// nothing there says. Errors: *ElsewhereError; the context's.
func Crates(ctx context.Context, address string) (none crate.URLTemplate, err error) {
	where, c := configOf(ctx, address)
	if c == nil {
		return none, ctx.Err()
	}
	if c.API != "" && c.DL == c.API+"/crates" { // a mirror of ours, whatever address it gives
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

// Index returns the git URL of the index of a mirror at an address, or "" if there is none.
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

// config is the part of config.json that we use.
type config struct {
	DL  string `json:"dl"`
	API string `json:"api"`
}

// configOf returns config.json of a mirror of ours, or of a registry whose index is directly
// at the address; nil if there is none.
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

// client sends requests only to the host in the URL.
var client = &http.Client{Timeout: patience, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}

// get returns the content of a URL and its media type, if the host responds and the content is
// short. It reports no errors: the caller that needs the URL does.
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

// redacted returns an address without user and password.
func redacted(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return "it"
	}
	u.User = nil
	return u.String()
}
