package doctor

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"unicode"
)

// An answer is the registry's answer to one request.
type answer struct {
	code   int
	header http.Header
	body   []byte
	url    string // after redirects
}

// beginning returns the start of the body as one line.
func (a *answer) beginning() string {
	const most = 100
	text := strings.Join(strings.FieldsFunc(string(a.body[:min(len(a.body), 4*most)]), func(r rune) bool {
		return unicode.IsSpace(r) || !unicode.IsPrint(r)
	}), " ")
	if len(text) > most {
		text = strings.ToValidUTF8(text[:most], "") + "..."
	}
	return text
}

// isPage reports whether the answer is a web page, as captive portals and proxies send it
// instead of the requested file.
func (a *answer) isPage() bool {
	return strings.Contains(a.header.Get("Content-Type"), "html") || strings.HasPrefix(strings.TrimSpace(a.beginning()), "<")
}

// ask sends a request as cargo does, and reads at most that many bytes.
func (x *exam) ask(ctx context.Context, url string, most int64, header ...string) (*answer, error) {
	resp, err := x.open(ctx, url, header...)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, most+1))
	if err != nil {
		return nil, err
	}
	if int64(len(body)) > most {
		return nil, fmt.Errorf("the answer has more than %d bytes", most)
	}
	return &answer{resp.StatusCode, resp.Header, body, resp.Request.URL.String()}, nil
}

// open sends a request; header is keys and values.
func (x *exam) open(ctx context.Context, url string, header ...string) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("User-Agent", "clonecratesio doctor")
	req.Header.Set("cargo-protocol", "version=1")
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := x.client.Do(req)
	if err == nil && resp.StatusCode == http.StatusSwitchingProtocols {
		resp.Body.Close() // it is the bare connection: reading would never end
		return nil, errors.New("the answer is 101 Switching Protocols, which was not requested")
	}
	return resp, err
}
