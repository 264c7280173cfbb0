package access

import (
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"log/slog"
)

// TestGreedyClient measures what one client that takes all it can get, over 64 connections,
// costs another client: little with limits, much without.
func TestGreedyClient(t *testing.T) {
	if !testing.Verbose() {
		t.Skip("it measures: -v")
	}
	file, secrets := tokens(t, "greedy", "modest")
	f, err := Open(file, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	body := make([]byte, 20<<10)
	crates := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(body) })
	for _, tt := range []struct {
		name   string
		limits Limits
		rounds int
	}{{"without limits", Limits{}, 1}, {"with limits", Limits{Requests: 150, Bytes: 16 << 20, AtOnce: 16}, 5}} {
		server := httptest.NewServer(New(Config{Tokens: f, Limits: tt.limits}, crates))
		ask := func(c *http.Client, secret string) {
			r, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL+"/crates/foo/1.0.0/download", nil)
			r.Header.Set("Authorization", secret)
			resp, err := c.Do(r)
			if err != nil {
				return // the test ends
			}
			_, _ = io.Copy(io.Discard, resp.Body)
			resp.Body.Close()
		}
		c := &http.Client{Transport: &http.Transport{}}
		modest := func(took []time.Duration) []time.Duration {
			for range 60 {
				begin := time.Now()
				ask(c, secrets[1])
				took = append(took, time.Since(begin))
			}
			return took
		}
		var stop, rest atomic.Bool
		var all sync.WaitGroup
		greedy := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}}
		for range 64 {
			all.Go(func() {
				for !stop.Load() {
					if rest.Load() {
						time.Sleep(time.Millisecond)
						continue
					}
					ask(greedy, secrets[0])
				}
			})
		}
		time.Sleep(700 * time.Millisecond) // let the greedy client use up its burst
		var without, with []time.Duration
		for range tt.rounds { // alternately, so that other load on the machine affects both
			rest.Store(true)
			time.Sleep(10 * time.Millisecond)
			without = modest(without)
			rest.Store(false)
			time.Sleep(150 * time.Millisecond) // until it has used up what it regained
			with = modest(with)
		}
		stop.Store(true)
		server.CloseClientConnections()
		all.Wait()
		server.Close()
		slices.Sort(without)
		slices.Sort(with)
		alone, beside := without[len(without)/2], with[len(with)/2]
		t.Logf("%s: median of a request %v alone, %v beside a greedy client: %+.1f %%", tt.name, alone, beside, 100*(float64(beside)/float64(alone)-1))
		if tt.limits != (Limits{}) && beside > 3*alone { // a busy machine can do that much by itself
			t.Errorf("%s: %v alone, %v beside a greedy client", tt.name, alone, beside)
		}
	}
}
