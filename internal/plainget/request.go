package plainget

import (
	"bytes"
	"context"
	"net/http"
	"net/url"
	"strings"
)

// A request holds the parsed parts of a plain request.
type request struct {
	path, host string
	names      [maxHeaders]string // in net/http's canonical form
	values     [maxHeaders]string
	n          int
}

// maxHeaders is the maximum number of headers. cargo and browsers send fewer.
const maxHeaders = 16

// known maps the headers that plain requests may have to their canonical form. None of them
// announces a body, changes the connection (Connection may only be keep-alive) or changes how
// the response is sent. Host is handled separately.
var known = map[string]string{}

func init() {
	for _, name := range []string{
		"Accept", "Accept-Encoding", "Accept-Language", "Authorization", "Cache-Control", "Cargo-Protocol", "Connection", "If-Match",
		"If-Modified-Since", "If-None-Match", "If-Range", "If-Unmodified-Since", "Range", "Referer", "User-Agent",
		"Via", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Real-Ip", "X-Request-Id",
	} {
		known[name], known[strings.ToLower(name)] = name, name
	}
}

var (
	get     = []byte("GET ")
	version = []byte(" HTTP/1.1")
	crlf    = []byte("\r\n")
)

// parse parses a complete request, and reports whether it is plain.
func (r *request) parse(data []byte) bool {
	if !bytes.HasPrefix(data, get) || !bytes.HasSuffix(data, []byte("\r\n\r\n")) {
		return false
	}
	text := string(data[:len(data)-len(crlf)]) // a copy: handlers may keep parts of it
	line, rest, _ := strings.Cut(text, "\r\n")
	path, ok := strings.CutSuffix(line[len(get):], string(version))
	if !ok || !isPath(path) {
		return false
	}
	r.path = path
	for rest != "" {
		line, rest, ok = strings.Cut(rest, "\r\n")
		if !ok || !r.header(line) {
			return false
		}
	}
	return r.host != ""
}

// header parses a header, and reports whether a plain request may have it.
func (r *request) header(line string) bool {
	name, value, ok := strings.Cut(line, ":")
	value = strings.Trim(value, " ")
	if !ok || !isPrintable(value) {
		return false
	}
	if name == "Host" || name == "host" {
		if r.host != "" || !isHost(value) {
			return false
		}
		r.host = value
		return true
	}
	name, ok = known[name]
	if name == "Connection" && !strings.EqualFold(value, "keep-alive") {
		return false
	}
	if !ok || r.n == maxHeaders || r.has(name) {
		return false
	}
	r.names[r.n], r.values[r.n] = name, value
	r.n++
	return true
}

func (r *request) has(name string) bool {
	for i := range r.n {
		if r.names[i] == name {
			return true
		}
	}
	return false
}

// isPath reports whether a request target is a path without escapes. It does not clean the
// path: the handler interprets "//" and "..".
func isPath(s string) bool {
	for i := range len(s) {
		if c := s[i]; !isAlnum(c) && strings.IndexByte("/-_.+~", c) < 0 {
			return false
		}
	}
	return strings.HasPrefix(s, "/") && !strings.HasPrefix(s, "//")
}

func isHost(s string) bool {
	for i := range len(s) {
		if c := s[i]; !isAlnum(c) && strings.IndexByte("-_.:[]", c) < 0 {
			return false
		}
	}
	return s != ""
}

func isAlnum(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
}

func isPrintable(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}

// with returns the request that net/http would have made.
func (r *request) with(ctx context.Context, remote string) *http.Request {
	made := new(struct {
		url    url.URL
		values [maxHeaders]string
	})
	made.url.Path, made.values = r.path, r.values
	header := make(http.Header, r.n)
	for i := range r.n {
		header[r.names[i]] = made.values[i : i+1 : i+1]
	}
	plain := http.Request{
		Method: http.MethodGet, URL: &made.url, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: header, Body: http.NoBody, Host: r.host, RemoteAddr: remote, RequestURI: r.path,
	}
	return plain.WithContext(ctx)
}
