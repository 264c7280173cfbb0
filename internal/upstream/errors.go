package upstream

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
)

// Evidence is what upstream sent instead of the crate file.
type Evidence struct {
	URL    string      // that answered, after redirects, without password; shortened if it is long
	Status int         // HTTP status
	Header http.Header // the headers present among evidenceHeaders
	Body   []byte      // the first evidenceSize bytes
}

const evidenceSize = 4096

// Headers returns the headers as one line, "Age: 3; Via: 1.1 proxy".
func (e *Evidence) Headers() string {
	lines := make([]string, 0, len(e.Header))
	for _, name := range slices.Sorted(maps.Keys(e.Header)) {
		lines = append(lines, name+": "+e.Header.Get(name))
	}
	return strings.Join(lines, "; ")
}

// evidenceHeaders are headers that tell which cache or gateway answered. None of them can
// be a secret, as cookies and challenges are.
var evidenceHeaders = []string{
	"Age", "Cache-Control", "Cf-Ray", "Content-Encoding", "Content-Length", "Content-Type", "Date", "Etag",
	"Last-Modified", "Location", "Retry-After", "Server", "Via",
	"X-Amz-Cf-Id", "X-Amz-Cf-Pop", "X-Amz-Id-2", "X-Amz-Request-Id", "X-Amz-Version-Id", "X-Cache", "X-Cache-Hits", "X-Served-By",
}

// gatherEvidence collects what may go into a report, of bounded size.
func gatherEvidence(resp *http.Response, body []byte) *Evidence {
	const longest = 256 // bytes of a header's value
	kept := http.Header{}
	for _, name := range evidenceHeaders {
		if v := resp.Header.Get(name); v != "" {
			kept.Set(name, v[:min(len(v), longest)])
		}
	}
	return &Evidence{
		URL:    shown(resp.Request.URL.Redacted()),
		Status: resp.StatusCode,
		Header: kept,
		Body:   append([]byte(nil), body[:min(len(body), evidenceSize)]...),
	}
}

// maxShown bounds an address that upstream chose, in messages, manifests and notes, in
// bytes: a redirect may lead to one of 180 KB.
const maxShown = 1 << 10

// shown returns an address, or its beginning if it is long.
func shown(address string) string {
	if len(address) <= maxShown {
		return address
	}
	return address[:maxShown] + "..."
}

// A GoneError says that upstream permanently refuses one file, with status 403 (with which
// its storage says "not found"), 404, 410 or 451. The file may come back, so a later run
// should ask again.
type GoneError struct {
	ID       crate.ID
	Evidence Evidence
}

func (e *GoneError) Error() string {
	return fmt.Sprintf("%s: gone upstream: %s answered %s", e.ID, e.Evidence.URL, statusText(e.Evidence.Status))
}

// A MismatchError says that upstream keeps sending bytes other than those that the index
// names, even when caches were asked to revalidate.
type MismatchError struct {
	Err      *crate.ChecksumError
	Attempts int
	Evidence Evidence
}

func (e *MismatchError) Error() string {
	return fmt.Sprintf("%v (%s, %d attempts)", e.Err, e.Evidence.URL, e.Attempts)
}

func (e *MismatchError) Unwrap() error { return e.Err }

// A FetchError says that a file could not be downloaded: all attempts failed, a retry would
// not change the answer, or a local error occurred.
type FetchError struct {
	ID       crate.ID
	URL      string // as asked, without password
	Attempts int
	Answered bool  // upstream answered the last attempt, but with something unusable
	Err      error // of the last attempt
}

func (e *FetchError) Error() string {
	if e.Attempts > 1 {
		return fmt.Sprintf("%s: fetching %s: giving up after %d attempts: %v", e.ID, e.URL, e.Attempts, e.Err)
	}
	return fmt.Sprintf("%s: fetching %s: %v", e.ID, e.URL, e.Err)
}

func (e *FetchError) Unwrap() error { return e.Err }

// A StatusError is an answer other than 200 that does not mean "gone".
type StatusError struct{ Status int }

func (e *StatusError) Error() string {
	text := "the answer is " + statusText(e.Status)
	if e.Status == http.StatusUnauthorized {
		text += ": upstream wants a token, -upstream-token-file FILE, or another one"
	}
	return text
}

func statusText(code int) string {
	if text := http.StatusText(code); text != "" {
		return fmt.Sprintf("%d %s", code, text)
	}
	return fmt.Sprint(code)
}

// A StoppedError says that the breaker stopped the client. Nothing is lost; the next run
// resumes.
type StoppedError struct {
	Reason string // what was observed
	Hint   string // what to do
	// Last is the error that was one too many. It concerns a crate other than the one whose
	// Fetch returned this, so errors.As must not find it here.
	Last error
}

func (e *StoppedError) Error() string {
	return fmt.Sprintf("stopped: %s; %s; last error: %v", e.Reason, e.Hint, e.Last)
}
