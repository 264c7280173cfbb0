package simreg

import (
	"bytes"
	"cmp"
	"compress/gzip"
	"crypto/sha256"
	"errors"
	"io"
	"maps"
	"math/bits"
	"net"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
)

// Every kind does what its comment says, once, and the next request is served
// well.
func TestFaults(t *testing.T) {
	foo := id("foo", "1.0.0")
	good := string(bytesOf(t, New(MustParse(sample)...), foo))
	half := good[:len(good)/2]
	check := func(ok bool) string {
		if ok {
			return ""
		}
		return "not as it should be"
	}
	for _, tt := range []struct {
		row   string
		fault Fault
		want  func(got reply) string
	}{
		{"B1", Fault{Kind: HTML}, func(got reply) string {
			return check(got.err == nil && got.status == 200 && strings.HasPrefix(got.body, "<!DOCTYPE html>"))
		}},
		{"B1", Fault{Kind: JSON}, func(got reply) string {
			return check(got.err == nil && got.status == 200 && strings.HasPrefix(got.body, `{"errors"`))
		}},
		{"B2", Fault{Kind: Truncate}, func(got reply) string {
			return check(errors.Is(got.err, io.ErrUnexpectedEOF) && got.body == half && got.header.Get("Content-Length") == strconv.Itoa(len(good)))
		}},
		{"B3", Fault{Kind: TruncateNoLength}, func(got reply) string {
			return check(got.err == nil && got.body == half && got.header.Get("Content-Length") == "")
		}},
		{"B4", Fault{Kind: LengthTooLarge}, func(got reply) string {
			return check(errors.Is(got.err, io.ErrUnexpectedEOF) && got.body == good)
		}},
		{"B4", Fault{Kind: LengthTooSmall}, func(got reply) string {
			return check(got.err == nil && got.body == half && got.header.Get("Content-Length") == strconv.Itoa(len(half)))
		}},
		{"B4", Fault{Kind: LongBody}, func(got reply) string {
			return check(got.err == nil && len(got.body) == len(good)+1<<10 && strings.HasPrefix(got.body, good))
		}},
		{"B5", Fault{Kind: GzipEncoding}, func(got reply) string {
			return check(got.err == nil && got.body == good && got.header.Get("Content-Encoding") == "gzip")
		}},
		{"B6", Fault{Kind: Endless}, func(got reply) string {
			return check(got.err == nil && len(got.body) == 1<<20 && strings.HasPrefix(got.body, good))
		}},
		{"B7", Fault{Kind: Status, Code: 403}, func(got reply) string { return check(got.status == 403) }},
		{"B9", Fault{Kind: Status, Code: 451}, func(got reply) string { return check(got.status == 451) }},
		{"B10", Fault{Kind: Status, Code: 429, RetryAfter: "99999999999"}, func(got reply) string {
			return check(got.status == 429 && got.header.Get("Retry-After") == "99999999999")
		}},
		{"B11", Fault{Kind: Status}, func(got reply) string { return check(got.status == 503) }},
		{"B12", Fault{Kind: Reset}, func(got reply) string { return check(isErrno(got.err, syscall.ECONNRESET, 10054)) }},
		{"B18", Fault{Kind: Redirect, To: "http://169.254.169.254"}, func(got reply) string {
			return check(got.status == 302 && got.header.Get("Location") == "http://169.254.169.254/foo/foo-1.0.0.crate")
		}},
		{"B20", Fault{Kind: WrongCrate}, func(got reply) string {
			zr, err := gzip.NewReader(strings.NewReader(got.body))
			if err != nil {
				return err.Error()
			}
			data, err := io.ReadAll(zr)
			return check(got.err == nil && err == nil && bytes.Contains(data, []byte("somebody-else-1.0.0/Cargo.toml")))
		}},
		{"B20", Fault{Kind: FlipBit}, func(got reply) string {
			n := 0
			for i := range min(len(got.body), len(good)) {
				n += bits.OnesCount8(got.body[i] ^ good[i])
			}
			return check(got.err == nil && len(got.body) == len(good) && n == 1)
		}},
		{"B22", Fault{Kind: GoAway}, func(got reply) string { return check(got.err == nil && got.body == good && got.close) }},
		{"B22", Fault{Kind: ResetStream}, func(got reply) string { return check(got.err != nil && got.body == half) }},
		{"B23", Fault{Kind: Status, Code: 204}, func(got reply) string { return check(got.status == 204 && got.body == "") }},
		{"B23", Fault{Kind: Status, Code: 206}, func(got reply) string {
			return check(got.status == 206 && got.body == half && got.err == nil)
		}},
		{"B23", Fault{Kind: Status, Code: 304}, func(got reply) string { return check(got.status == 304 && got.body == "") }},
	} {
		t.Run(tt.row+string(tt.fault.Kind), func(t *testing.T) {
			r := New(MustParse(sample)...)
			r.Inject(foo, tt.fault)
			s, client := start(t, r, Options{})
			url := s.BaseURL + "/" + foo.URLPath()
			if got := get(t, client, s.BaseURL+"/Bar/Bar-0.1.0.crate"); got.status != 200 {
				t.Errorf("another crate: %d, %v", got.status, got.err)
			}
			got := get(t, client, url)
			if complaint := tt.want(got); complaint != "" {
				t.Errorf("%s: status %d, %d of %d bytes, error %v, header %v", complaint, got.status, len(got.body), len(good), got.err, got.header)
			}
			if got := get(t, client, url); got.err != nil || got.status != 200 || got.body != good {
				t.Errorf("the next request: %d, %v", got.status, got.err)
			}
			if got := r.Injected(tt.fault.Kind); got != 1 {
				t.Errorf("Injected(%s) = %d, want 1", tt.fault.Kind, got)
			}
		})
	}
}

// Time passes in no time: the server is in memory.
func TestPatienceUnderSynctest(t *testing.T) {
	for _, tt := range []struct {
		row   string
		fault Fault
		after time.Duration // when the answer is complete; 0: never
	}{
		{"B13", Fault{Kind: StallBody}, 0},
		{"B15", Fault{Kind: StallHeaders}, 0},
		{"B15", Fault{Kind: StallConnect}, 0},
		{"B14", Fault{Kind: Drip}, time.Duration(len(bytesOf(t, New(MustParse(sample)...), id("foo", "1.0.0")))-1) * time.Second},
		{"latency", Fault{Kind: Latency, Delay: 3 * time.Hour}, 3 * time.Hour},
	} {
		t.Run(tt.row+string(tt.fault.Kind), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := New(MustParse(sample)...)
				r.Inject(All, tt.fault)
				s, client := start(t, r, Options{Memory: true})
				const patience = 24 * time.Hour
				client.Timeout = patience
				began := time.Now()
				got := get(t, client, s.BaseURL+"/foo/foo-1.0.0.crate")
				if want := cmp.Or(tt.after, patience); time.Since(began) != want {
					t.Errorf("it took %v, want %v", time.Since(began), want)
				}
				if (got.err == nil) != (tt.after > 0) {
					t.Errorf("error = %v", got.err)
				}
			})
		})
	}
}

func TestB15StallConnectStallsTLS(t *testing.T) {
	r := New(MustParse(sample)...)
	r.Inject(All, Fault{Kind: StallConnect})
	s, _ := start(t, r, Options{TLS: true})
	client := s.Client()
	defer client.CloseIdleConnections()
	client.Timeout = 50 * time.Millisecond
	var timeout net.Error
	if got := get(t, client, s.BaseURL+"/foo/foo-1.0.0.crate"); !errors.As(got.err, &timeout) || !timeout.Timeout() {
		t.Errorf("error = %v, want a time-out", got.err)
	}
	client.Timeout = 0
	if got := get(t, client, s.BaseURL+"/foo/foo-1.0.0.crate"); got.err != nil {
		t.Errorf("the next connection: %v", got.err)
	}
}

func TestB18Redirects(t *testing.T) {
	foo := id("foo", "1.0.0")
	r := New(MustParse(sample)...)
	s, client := start(t, r, Options{})
	client.CheckRedirect = nil
	r.Inject(foo, Fault{Kind: Redirect})
	r.Inject(foo, Fault{Kind: Redirect, Hops: 9})
	for range 2 {
		if got := get(t, client, s.BaseURL+"/"+foo.URLPath()); got.err != nil || got.body != string(bytesOf(t, r, foo)) {
			t.Errorf("after the redirects: %d, %v", got.status, got.err)
		}
	}
	r.Inject(foo, Fault{Kind: Redirect, Hops: -1})
	if got := get(t, client, s.BaseURL+"/"+foo.URLPath()); got.err == nil || !strings.Contains(got.err.Error(), "stopped after 10 redirects") {
		t.Errorf("a loop gives %d, %v", got.status, got.err)
	}
	if got := r.Requests(foo); got != 3 {
		t.Errorf("Requests = %d, want 3: hops are no requests", got)
	}
}

func TestB22HTTP2(t *testing.T) {
	foo := id("foo", "1.0.0")
	r := New(MustParse(sample)...)
	s, client := start(t, r, Options{HTTP2: true})
	url := s.BaseURL + "/" + foo.URLPath()
	for _, kind := range []Kind{ResetStream, Reset, LengthTooSmall, TruncateNoLength} {
		r.Inject(foo, Fault{Kind: kind})
		if got := get(t, client, url); got.err == nil || !strings.Contains(got.err.Error(), "stream error") {
			t.Errorf("%s: error = %v, want a stream error", kind, got.err)
		}
	}
	r.Inject(foo, Fault{Kind: GoAway})
	for range 2 {
		if got := get(t, client, url); got.err != nil || got.proto != 2 || got.body != string(bytesOf(t, r, foo)) {
			t.Errorf("around GOAWAY: HTTP/%d, %d, %v", got.proto, got.status, got.err)
		}
	}
}

func TestB25DownAfterKRequests(t *testing.T) {
	r := New(MustParse(sample)...)
	r.Inject(All, Fault{Kind: Down, After: 2})
	s, client := start(t, r, Options{})
	url := s.BaseURL + "/foo/foo-1.0.0.crate"
	for i := range 4 {
		if got := get(t, client, url); (got.err == nil) != (i < 2) {
			t.Errorf("request %d: %v", i, got.err)
		}
	}
	if err := s.Up(); err != nil {
		t.Fatal(err)
	}
	if got := get(t, client, url); got.err != nil {
		t.Errorf("after Up: %v", got.err)
	}
}

func TestFaultsQueueUp(t *testing.T) {
	foo := id("foo", "1.0.0")
	r := New(MustParse(sample)...)
	s, client := start(t, r, Options{})
	r.Inject(All, Fault{Kind: Status, Code: 500, Times: -1})
	r.Inject(foo, Fault{Kind: Status, Code: 404, Times: 2})
	r.Inject(foo, Fault{Kind: Status, Code: 410, After: 1})
	var got []int
	for range 6 {
		got = append(got, get(t, client, s.BaseURL+"/"+foo.URLPath()).status)
	}
	r.Heal()
	got = append(got, get(t, client, s.BaseURL+"/"+foo.URLPath()).status)
	if want := []int{404, 404, 500, 410, 500, 500, 200}; !slices.Equal(got, want) {
		t.Errorf("statuses %v, want %v", got, want)
	}
}

func TestInjectRefusesNonsense(t *testing.T) {
	for _, tt := range []struct {
		id   crate.ID
		kind Kind
	}{{All, "html5"}, {All, ""}, {id("foo", "1.0.0"), StallConnect}} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("Inject(%v, %q) did not panic", tt.id, tt.kind)
				}
			}()
			New().Inject(tt.id, Fault{Kind: tt.kind})
		}()
	}
}

func TestChaos(t *testing.T) {
	r := Generate(200, 600, 1)
	s, client := start(t, r, Options{})
	const seed, share = 7, 0.5
	fetch := func() (failed []crate.ID) {
		for _, id := range r.IDs() {
			got := get(t, client, s.BaseURL+"/"+id.URLPath())
			sum, _ := r.Checksum(id)
			if got.err != nil || got.status != 200 || sha256.Sum256([]byte(got.body)) != sum {
				failed = append(failed, id)
			}
		}
		return failed
	}
	r.Chaos(seed, share)
	first, second := fetch(), fetch()
	r.Chaos(seed, share)
	again := fetch()
	if n := float64(len(first)) / float64(r.Len()); n < share-0.1 || n > share+0.1 {
		t.Errorf("a share of %.2f failed, want about %.2f", n, share)
	}
	if len(second) != 0 {
		t.Errorf("%v failed twice", second)
	}
	if !slices.Equal(again, first) {
		t.Errorf("the same seed makes %v fail, then %v", first, again)
	}
	for _, kind := range Brief() {
		if r.Injected(kind) == 0 {
			t.Errorf("%s never happened", kind)
		}
	}
}

// A fault with a share hits so many of all requests, in an order that the seed
// decides, and leaves the others to the faults behind it.
func TestFaultsWithAShare(t *testing.T) {
	foo := id("foo", "1.0.0")
	statuses := func(seed uint64) (got []int, sent map[string]int) {
		r := newRegistry(seed, MustParse(sample))
		s, client := start(t, r, Options{})
		r.Inject(All, Fault{Kind: Status, Code: 500, Times: -1, Share: 0.2})
		r.Inject(All, Fault{Kind: Status, RetryAfter: "1", Times: -1, Share: 0.2})
		r.Inject(All, Fault{Kind: Status, Code: 404, Times: 1, Share: 0.2})
		for range 500 {
			got = append(got, get(t, client, s.BaseURL+"/"+foo.URLPath()).status)
		}
		return got, r.Sent()
	}
	got, sent := statuses(1)
	count := map[int]int{}
	for _, status := range got {
		count[status]++
	}
	if count[500] < 70 || count[500] > 130 || count[503] < 50 || count[503] > 110 || count[404] != 1 {
		t.Errorf("of 500 requests %v met a status, want about 100 of 500, 80 of 503 and one 404", count)
	}
	want := map[string]int{"status 500": count[500], "status 503 Retry-After 1": count[503], "status 404": 1}
	if !maps.Equal(sent, want) {
		t.Errorf("Sent() = %v, want %v", sent, want)
	}
	if again, _ := statuses(1); !slices.Equal(again, got) {
		t.Error("the same seed gives other faults")
	}
	if other, _ := statuses(2); slices.Equal(other, got) {
		t.Error("another seed gives the same faults")
	}
}
