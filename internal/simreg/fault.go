package simreg

import (
	"cmp"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
)

// Kind is a kind of fault.
type Kind string

// The kinds, with their rows in the fault catalogue. Unless stated otherwise, a response
// has status 200 and the headers of a good one. Kinds marked "raw" violate HTTP/1.1 itself;
// over HTTP/2, where that is impossible, the stream is reset in mid-body instead.
const (
	HTML             Kind = "html"               // B1: an apology page
	JSON             Kind = "json"               // B1: an error object
	Truncate         Kind = "truncate"           // B2: half the body under the right Content-Length
	TruncateNoLength Kind = "truncate-no-length" // B3, raw: HTTP/1.0, no length, half the body
	LengthTooLarge   Kind = "length-too-large"   // B4: the whole body, but less than was announced
	LengthTooSmall   Kind = "length-too-small"   // B4, raw: the body is longer than its Content-Length
	LongBody         Kind = "long-body"          // B4: 1 KiB more than the crate file, with matching lengths
	GzipEncoding     Kind = "gzip-encoding"      // B5: Content-Encoding: gzip for the unchanged file
	Endless          Kind = "endless"            // B6: the file, then zeros until the client leaves
	Status           Kind = "status"             // B7 to B11, B23: Fault.Code, with Fault.RetryAfter
	Reset            Kind = "reset"              // B12, raw: half the body, then a TCP reset
	StallBody        Kind = "stall-body"         // B13: headers, half the body, then silence
	Drip             Kind = "drip"               // B14: one byte per Fault.Delay (1 s if zero)
	StallHeaders     Kind = "stall-headers"      // B15: the request is read but never answered
	StallConnect     Kind = "stall-connect"      // B15: the connection is accepted, then nothing, not even TLS; only for All
	Redirect         Kind = "redirect"           // B18: Fault.To, Fault.Hops
	WrongCrate       Kind = "wrong-crate"        // B20: another crate file, otherwise correct
	FlipBit          Kind = "flip-bit"           // B20: one bit is flipped
	GoAway           Kind = "goaway"             // B22: a response, then GOAWAY (HTTP/1.1: Connection: close)
	ResetStream      Kind = "reset-stream"       // B22: RST_STREAM in mid-body (HTTP/1.1: the connection is closed)
	Down             Kind = "down"               // B25: the whole server is down until Server.Up
	Switch           Kind = "switch"             // B27, raw: 101 Switching Protocols, then silence
	Latency          Kind = "latency"            // a good response after Fault.Delay (1 s if zero)
)

// All stands for every version, including versions that do not exist.
var All crate.ID

// Fault is what happens to some requests for crate files.
type Fault struct {
	Kind Kind
	// Times is the number of requests that it affects; 0 means one, a negative number all.
	Times int
	// After is the number of matching requests that pass first.
	After int
	// Share is the part of those requests, from 0 to 1, that it affects, chosen at random;
	// the others meet the next fault. 0 means all.
	Share float64

	Code       int           // Status: 503 if zero
	RetryAfter string        // Status: the header, in seconds or as a date
	Delay      time.Duration // Drip and Latency
	// To is the target of Redirect: a URL in the form of [Server.BaseURL], to which the
	// path of the file is added. If empty, the same server.
	To string
	// Hops is the number of redirects to the same server before it delivers; 0 means one, a
	// negative number an endless loop.
	Hops int
}

// String returns the name of the fault in [Registry.Sent].
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

// Inject makes f affect requests for the crate file of id, or of [All]. Several faults of
// one id take effect one after the other: each waits until the previous ones are used up,
// unless it has a Share. They precede those of All, which precede Chaos.
func (r *Registry) Inject(id crate.ID, f Fault) {
	f.Kind.mustSuit(id)
	r.script.mu.Lock()
	defer r.script.mu.Unlock()
	r.script.faults[id] = append(r.script.faults[id], newPending(f))
}

// mustSuit panics if k is not a kind, or cannot affect requests for id alone.
func (k Kind) mustSuit(id crate.ID) {
	switch {
	case !slices.Contains(Kinds(), k):
		panic(fmt.Sprintf("simreg: no kind of fault is called %q", k))
	case k == StallConnect && id != All:
		panic("simreg: stall-connect happens before there is a request, so it is for All only")
	}
}

// Heal removes all injected faults, and Chaos.
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

// Brief returns the kinds that end at once, so that a client needs no timeout and only one
// more request.
func Brief() []Kind {
	return []Kind{
		HTML, JSON, Truncate, TruncateNoLength, LengthTooLarge, LengthTooSmall, LongBody,
		Status, Reset, WrongCrate, FlipBit, ResetStream,
	}
}

// Chaos makes the first request for a share (0 to 1) of all versions meet one of the kinds,
// or of [Brief] if there are none. Which version meets which kind depends only on the seed,
// not on the order of requests, so the seed that a test prints reproduces a failure.
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
