package origins

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/upstream"
)

// fake is an upstream that answers with err, or a body.
type fake struct {
	asked atomic.Int32
	err   atomic.Pointer[error]
	url   string // asked last
	spill bool   // write to the spill first
}

func (f *fake) set(err error) *fake { f.err.Store(&err); return f }

func (f *fake) Fetch(_ context.Context, req upstream.Request) (*upstream.Body, upstream.Stats, error) {
	f.asked.Add(1)
	f.url = req.URL
	if f.spill {
		if _, err := req.Spill(); err != nil {
			return nil, upstream.Stats{}, err
		}
	}
	if err := f.err.Load(); err != nil && *err != nil {
		return nil, upstream.Stats{Attempts: 2, Bytes: 3}, *err
	}
	return &upstream.Body{Size: 1}, upstream.Stats{Attempts: 1, Bytes: 1}, nil
}

var (
	id      = crate.ID{Name: "a", Version: "1.0.0"}
	gone    = &upstream.GoneError{ID: id}
	broken  = &upstream.FetchError{ID: id, URL: "x", Attempts: 2, Err: errors.New("connection refused")}
	wrong   = &upstream.MismatchError{Err: &crate.ChecksumError{ID: id}}
	stopped = &upstream.StoppedError{Reason: "30 crates in a row failed"}
)

func urls(t *testing.T, s string) crate.URLTemplate {
	t.Helper()
	u, err := crate.ParseURLTemplate(s)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func set(t *testing.T, log *bytes.Buffer, clients ...*fake) *Set {
	var list []Origin
	for i, c := range clients {
		host := string(rune('a' + i))
		list = append(list, Origin{Name: "https://" + host + ".example/{crate}/{version}", Client: c})
		if i > 0 {
			list[i].URLs = urls(t, "https://"+host+".example/crates")
		}
	}
	return New(list, slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug})))
}

func request() upstream.Request { return upstream.Request{ID: id, URL: "https://first.example/a"} }

// What one does not give is asked of the next, and the error of all says what it was.
func TestFallBack(t *testing.T) {
	for _, tt := range []struct {
		name string
		errs []error
		from string // "": an error
		want error  // of that kind
	}{
		{"the first has it", []error{nil, nil}, "https://first.example/a", nil},
		{"gone at the first", []error{gone, nil}, "https://b.example/crates/a/a-1.0.0.crate", nil},
		{"wrong at the first", []error{wrong, nil}, "https://b.example/crates/a/a-1.0.0.crate", nil},
		{"stopped and broken", []error{stopped, broken, nil}, "https://c.example/crates/a/a-1.0.0.crate", nil},
		{"gone everywhere", []error{gone, gone}, "", gone},
		{"gone and broken", []error{gone, broken}, "", broken},
		{"wrong and gone", []error{wrong, gone}, "", wrong},
		{"stopped everywhere", []error{stopped, stopped}, "", stopped},
		{"stopped and gone", []error{stopped, gone}, "", broken},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var log bytes.Buffer
			var clients []*fake
			attempts := 0
			for _, err := range tt.errs {
				clients = append(clients, new(fake).set(err))
				if attempts++; err != nil {
					attempts++
				} else {
					break
				}
			}
			for len(clients) < len(tt.errs) {
				clients = append(clients, new(fake))
			}
			body, stats, err := set(t, &log, clients...).Fetch(t.Context(), request())
			if tt.from != "" {
				if err != nil || body.From != tt.from || stats.Attempts != attempts {
					t.Fatalf("Fetch = %+v, %+v, %v; want it from %s after %d attempts", body, stats, err, tt.from, attempts)
				}
				return
			}
			if same := kind(err) == kind(tt.want); !same {
				t.Fatalf("Fetch: %T %v, want a %T", err, err, tt.want)
			}
		})
	}
}

func kind(err error) string {
	switch {
	case errors.As(err, new(*upstream.StoppedError)):
		return "stopped"
	case errors.As(err, new(*upstream.GoneError)):
		return "gone"
	case errors.As(err, new(*upstream.MismatchError)):
		return "mismatch"
	}
	return "failed"
}

// One that fails is asked last, tried again after a pause that grows, and comes back.
func TestHealth(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		first, second := new(fake).set(broken), new(fake)
		s := set(t, &log, first, second)
		fetch := func() {
			t.Helper()
			if body, _, err := s.Fetch(t.Context(), request()); err != nil {
				t.Fatal(err)
			} else {
				body.Release()
			}
		}
		asks := func(n int, want int32) {
			t.Helper()
			before := first.asked.Load()
			for range n {
				fetch()
			}
			if got := first.asked.Load() - before; got != want {
				t.Errorf("the sick one was asked %d times in %d, want %d", got, n, want)
			}
		}
		asks(10, sickAfter)
		if !strings.Contains(log.String(), `"an upstream fails: it is asked last" upstream="1 a.example"`) {
			t.Error(log.String())
		}
		time.Sleep(firstPause)
		asks(10, 1)
		time.Sleep(firstPause)
		asks(10, 0)
		time.Sleep(firstPause)
		asks(10, 1)
		if v := testutil.ToFloat64(s.metrics.healthy.WithLabelValues("1 a.example")); v != 0 {
			t.Errorf("crates_origin_healthy is %v", v)
		}
		second.set(gone)
		first.set(nil)
		fetch() // it is asked for what no other has, even when it is sick
		second.set(nil)
		asks(10, 10)
		if !strings.Contains(log.String(), "well again") {
			t.Error(log.String())
		}
		first.set(gone)
		asks(10, 10) // to lack files is no illness
	})
}

// One that its breaker stopped gets another client.
func TestRenew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		old, other := new(fake).set(stopped), new(fake)
		fresh := new(fake)
		s := New([]Origin{{Name: "x", Client: old, Renew: func() (Client, error) { return fresh, nil }}, {Client: other}}, slog.New(slog.DiscardHandler))
		for range 5 {
			s.Fetch(t.Context(), request())
		}
		if old.asked.Load() != 1 || fresh.asked.Load() != 0 {
			t.Errorf("the stopped one was asked %d times", old.asked.Load())
		}
		time.Sleep(firstPause)
		for range 5 {
			s.Fetch(t.Context(), request())
		}
		if old.asked.Load() != 1 || fresh.asked.Load() != 5 {
			t.Errorf("after a pause the old client was asked %d times, the new one %d", old.asked.Load(), fresh.asked.Load())
		}
	})
}

type spill struct{ resets int }

func (s *spill) Write(p []byte) (int, error) { return len(p), nil }
func (s *spill) Reset() error                { s.resets++; return nil }

// All origins share one temporary file, as the caller opens one alone.
func TestSpill(t *testing.T) {
	first, second := &fake{spill: true}, &fake{spill: true}
	first.set(wrong)
	opened, sp := 0, new(spill)
	req := request()
	req.Spill = func() (upstream.Spill, error) { opened++; return sp, nil }
	if _, _, err := set(t, new(bytes.Buffer), first, second).Fetch(t.Context(), req); err != nil || opened != 1 || sp.resets != 1 {
		t.Errorf("%v, opened %d times, emptied %d times", err, opened, sp.resets)
	}
}
