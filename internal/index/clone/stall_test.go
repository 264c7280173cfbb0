package clone

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// A silentServer takes connections and says nothing. open is how many there are: at none,
// nothing that git ran is left.
func silentServer(t *testing.T) (addr string, open *atomic.Int64) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	open = new(atomic.Int64)
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			open.Add(1)
			go func() {
				defer open.Add(-1)
				defer conn.Close()
				_, _ = io.Copy(io.Discard, conn)
			}()
		}
	}()
	return l.Addr().String(), open
}

// TestB26SilentUpstream: an update does not wait forever for a silent upstream, and ends
// at once when it is stopped; so does what git runs.
func TestB26SilentUpstream(t *testing.T) {
	const soon = 300 * time.Millisecond
	stop := errors.New("stopped")
	for name, test := range map[string]struct {
		scheme string
		silent time.Duration
		stop   time.Duration
		want   string
	}{
		"git, silent":   {"git", soon, time.Hour, "has sent nothing for 300ms: check the network, or try again later"},
		"http, silent":  {"http", soon, time.Hour, ""}, // git notices, or we
		"git, stopped":  {"git", time.Hour, soon, "stopped"},
		"http, stopped": {"http", time.Hour, soon, "stopped"},
	} {
		for _, kind := range []string{"clone", "fetch"} {
			t.Run(name+", "+kind, func(t *testing.T) {
				u := newUpstream(t, "foo 1.0.0")
				if kind == "fetch" {
					u.mustUpdate(nil)
				}
				addr, open := silentServer(t)
				ctx, cancel := context.WithCancelCause(t.Context())
				defer cancel(nil)
				defer time.AfterFunc(test.stop, func() { cancel(stop) }).Stop()
				begun := time.Now()
				up, err := Update(ctx, Config{Dir: u.dir, URL: test.scheme + "://" + addr + "/x", silence: test.silent})
				if err == nil || !strings.Contains(err.Error(), test.want) || up.Changed() {
					t.Errorf("%+v, error %v, want %q", up, err, test.want)
				}
				if stopped := test.stop < time.Hour; stopped != errors.Is(err, stop) {
					t.Errorf("error %v", err)
				}
				if took := time.Since(begun); took > 20*time.Second {
					t.Errorf("it took %v", took)
				}
				// On a busy machine git may have been ended before it connected.
				for end := time.Now().Add(10 * time.Second); open.Load() > 0; time.Sleep(5 * time.Millisecond) {
					if time.Now().After(end) {
						t.Fatal("something of git's is still connected")
					}
				}
				if kind == "fetch" {
					u.wantSame()
				}
			})
		}
	}
}
