package plainget

import (
	"bytes"
	"context"
	"net/http"
	"net/url"
	"strings"
)

// request is what is taken of a plain one.
type request struct {
	path, host string
	names      [maxHeaders]string // as net/http spells them
	values     [maxHeaders]string
	n          int
}

// maxHeaders is more than cargo and browsers send.
const maxHeaders = 16

// known are the headers of plain requests: none of them says that a body comes, that the
// connection changes (Connection, but for keep-alive, does), or that an answer is to come in
// another way. Host is apart.
var known = map[string]string{}

func init() {
	for _, name := range []string{
		"Accept", "Accept-Encoding", "Accept-Language", "Authorization", "Cache-Control", "Cargo-Protocol", "Connection", "If-Match",
		"If-Modified-Since", "If-None-Match", "If-Range", "If-Unmodified-Since", "Pragma", "Range", "Referer", "User-Agent",
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

// parse reads a whole request, and reports whether it is a plain one.
func (r *request) parse(data []byte) bool {
	if !bytes.HasPrefix(data, get) || !bytes.HasSuffix(data, []byte("\r\n\r\n")) {
		return false
	}
	text := string(data[:len(data)-len(crlf)]) // for as long as someone has a part of it
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

// header reads one, and reports whether it may be in a plain request.
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

// isPath reports whether a target is a path of bytes that need no escape. What "/" and "."
// mean is for the handler.
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

// with makes the request that net/http would have made.
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
