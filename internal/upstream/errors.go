package upstream

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
)

// Evidence is what upstream sent when it did not send the crate file.
type Evidence struct {
	URL    string      // that answered, after redirects, without password; its beginning if it is long
	Status int         // HTTP status
	Header http.Header // those of evidenceHeaders that were there
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

// evidenceHeaders tell which cache or gate answered. Nothing that could be a
// secret (cookies, challenges) is among them.
var evidenceHeaders = []string{
	"Age", "Cache-Control", "Cf-Ray", "Content-Encoding", "Content-Length", "Content-Type", "Date", "Etag",
	"Last-Modified", "Location", "Retry-After", "Server", "Via",
	"X-Amz-Cf-Id", "X-Amz-Cf-Pop", "X-Amz-Id-2", "X-Amz-Request-Id", "X-Amz-Version-Id", "X-Cache", "X-Cache-Hits", "X-Served-By",
}

// gatherEvidence keeps what may go into a report, of bounded size.
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

// maxShown bounds an address that upstream chose, in messages, manifests and
// notes, bytes: a redirect may lead to one of 180 KB.
const maxShown = 1 << 10

// shown returns an address, or the beginning of it.
func shown(address string) string {
	if len(address) <= maxShown {
		return address
	}
	return address[:maxShown] + "..."
}

// A GoneError says that upstream refuses one file permanently: status 403 (how its
// storage says "not there"), 404, 410 or 451. It may come back, so a later run should ask
// again.
type GoneError struct {
	ID       crate.ID
	Evidence Evidence
}

func (e *GoneError) Error() string {
	return fmt.Sprintf("%s: gone upstream: %s answered %s", e.ID, e.Evidence.URL, statusText(e.Evidence.Status))
}

// A MismatchError says that upstream keeps sending bytes that are not those
// that the index names, also when caches were asked to step aside.
type MismatchError struct {
	Err      *crate.ChecksumError
	Attempts int
	Evidence Evidence
}

func (e *MismatchError) Error() string {
	return fmt.Sprintf("%v (%s, %d attempts)", e.Err, e.Evidence.URL, e.Attempts)
}

func (e *MismatchError) Unwrap() error { return e.Err }

// A FetchError says that a file could not be had: attempts used up, an answer
// that no retry would change, or a local error.
type FetchError struct {
	ID       crate.ID
	URL      string // as asked, without password
	Attempts int
	Answered bool  // upstream was there: what it sent in the last attempt was of no use
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
	Reason string // what was seen
	Hint   string // what to do
	// Last is the error that was one too many. It is about another crate than
	// the one whose fetch returned this, so errors.As must not find it here.
	Last error
}

func (e *StoppedError) Error() string {
	return fmt.Sprintf("stopped: %s; %s; last error: %v", e.Reason, e.Hint, e.Last)
}
