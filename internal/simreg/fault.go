package simreg

import (
	"cmp"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
)

// Kind is a way to misbehave.
type Kind string

// The kinds, with the row of the fault catalogue that each one stands for.
// Unless it says otherwise an answer has status 200 and the headers of a good
// one. Those marked "raw" break HTTP/1.1 itself; over HTTP/2, which has no
// such thing, the stream is reset in mid-body instead.
const (
	HTML             Kind = "html"               // B1: a page that says sorry
	JSON             Kind = "json"               // B1: an error object
	Truncate         Kind = "truncate"           // B2: half the body under the right Content-Length
	TruncateNoLength Kind = "truncate-no-length" // B3, raw: HTTP/1.0, no length, half the body
	LengthTooLarge   Kind = "length-too-large"   // B4: all of the body, then less than was announced
	LengthTooSmall   Kind = "length-too-small"   // B4, raw: the body is longer than its Content-Length
	LongBody         Kind = "long-body"          // B4: 1 KiB more than the crate file, lengths agree
	GzipEncoding     Kind = "gzip-encoding"      // B5: Content-Encoding: gzip on the file as it is
	Endless          Kind = "endless"            // B6: the file, then zeros until the client leaves
	Status           Kind = "status"             // B7 to B11, B23: Fault.Code, with Fault.RetryAfter
	Reset            Kind = "reset"              // B12, raw: half the body, then a TCP reset
	StallBody        Kind = "stall-body"         // B13: headers, half the body, then silence
	Drip             Kind = "drip"               // B14: a byte every Fault.Delay (1 s if zero)
	StallHeaders     Kind = "stall-headers"      // B15: the request is read and never answered
	StallConnect     Kind = "stall-connect"      // B15: the connection is accepted, then nothing, not even TLS; only for All
	Redirect         Kind = "redirect"           // B18: Fault.To, Fault.Hops
	WrongCrate       Kind = "wrong-crate"        // B20: another crate file, in perfect order
	FlipBit          Kind = "flip-bit"           // B20: one bit is not what it was
	GoAway           Kind = "goaway"             // B22: answers, then GOAWAY (HTTP/1.1: Connection: close)
	ResetStream      Kind = "reset-stream"       // B22: RST_STREAM in mid-body (HTTP/1.1: the connection is closed)
	Down             Kind = "down"               // B25: the whole server vanishes until Server.Up
	Switch           Kind = "switch"             // B27, raw: 101 Switching Protocols, then silence
	Latency          Kind = "latency"            // answers well after Fault.Delay (1 s if zero)
)

// All stands for every version, those included that do not exist.
var All crate.ID

// Fault is what happens to some requests for crate files.
type Fault struct {
	Kind Kind
	// Times is how many requests it hits; 0 means one, a negative number all.
	Times int
	// After is how many requests it would hit it lets pass first.
	After int
	// Share is the part, from 0 to 1, of those requests that it hits, chosen at
	// random; the others meet the next fault. 0 means all.
	Share float64

	Code       int           // Status: 503 if zero
	RetryAfter string        // Status: the header as it is, seconds or a date
	Delay      time.Duration // Drip and Latency
	// To is where Redirect points: a URL in the sense of [Server.BaseURL], to
	// which the path of the file is added. If empty, the same server.
	To string
	// Hops is how many redirects the same server makes before it delivers; 0 means one, a
	// negative number that it redirects without end.
	Hops int
}

// String names the fault as [Registry.Sent] does.
func (f *Fault) String() string {
	if f.Kind != Status {
		return string(f.Kind)
	}
	name := fmt.Sprintf("%s %d", f.Kind, f.code())
	if f.RetryAfter != "" {
		name += " Retry-After " + f.RetryAfter
	}
	return name
}

func (f *Fault) code() int { return cmp.Or(f.Code, http.StatusServiceUnavailable) }

func (f *Fault) delay() time.Duration {
	if f.Delay == 0 {
		return time.Second
	}
	return f.Delay
}

// Inject makes f happen to requests for the crate file of id, or of [All]. The
// faults of one id take effect one after the other: each waits until those
// before it are used up, unless it has a Share. They go before those of All, and
// these before Chaos.
func (r *Registry) Inject(id crate.ID, f Fault) {
	f.Kind.mustSuit(id)
	r.script.mu.Lock()
	defer r.script.mu.Unlock()
	r.script.faults[id] = append(r.script.faults[id], newPending(f))
}

// mustSuit panics if k is no kind, or cannot happen to requests for id alone.
func (k Kind) mustSuit(id crate.ID) {
	switch {
	case !slices.Contains(Kinds(), k):
		panic(fmt.Sprintf("simreg: no kind of fault is called %q", k))
	case k == StallConnect && id != All:
		panic("simreg: stall-connect happens before there is a request, so it is for All only")
	}
}

// Heal withdraws every fault that was injected, and Chaos.
func (r *Registry) Heal() {
	r.script.mu.Lock()
	defer r.script.mu.Unlock()
	clear(r.script.faults)
	r.script.chaos = nil
}

// Kinds returns every kind.
func Kinds() []Kind {
	return append(Brief(),
		GzipEncoding, Endless, StallBody, Drip, StallHeaders, StallConnect, Redirect, GoAway, Down, Switch, Latency)
}

// Brief returns the kinds that are over at once, so that a client needs no
// patience to meet them and one more request is all that it takes.
func Brief() []Kind {
	return []Kind{
		HTML, JSON, Truncate, TruncateNoLength, LengthTooLarge, LengthTooSmall, LongBody,
		Status, Reset, WrongCrate, FlipBit, ResetStream,
	}
}

// Chaos lets the first request for a share (0 to 1) of all versions meet one
// of the kinds, [Brief] if there are none. Which version meets what depends on
// the seed alone, not on the order of requests, so a failure is repeated by
// the seed that the test printed.
func (r *Registry) Chaos(seed uint64, share float64, kinds ...Kind) {
	if len(kinds) == 0 {
		kinds = Brief()
	}
	for _, k := range kinds {
		k.mustSuit(crate.ID{Name: "any"})
	}
	r.script.mu.Lock()
	defer r.script.mu.Unlock()
	r.script.chaos = &chaos{seed: seed, share: share, kinds: kinds, met: make(map[crate.ID]bool)}
}
