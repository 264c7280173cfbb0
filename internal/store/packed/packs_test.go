package packed

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/deep"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable/durabletest"
)

// Versions of one crate that are asked for in a row are made of one decoded pack.
func TestPackIsKept(t *testing.T) {
	mem := durabletest.NewMem()
	all, other := versions(t, "serde", 3, 2000), versions(t, "syn", 1, 2000)
	pack(t, mem, 0, all, other)
	s := open(t, mem, func(cfg *Config) { cfg.Packs = UsualPacks })
	for _, it := range append(all, other...) {
		wantRead(t, s, it)
	}
	if hits := testutil.ToFloat64(s.cfg.Metrics.packHits); hits != 2 {
		t.Errorf("%v were made of a pack that was kept, want 2", hits)
	}
	s.packs.forgetAll()
	if s.packs.used != 0 || len(s.packs.known) != 0 {
		t.Errorf("%d bytes, %d packs are left", s.packs.used, len(s.packs.known))
	}
	wantRead(t, s, all[0])

	s = open(t, mem, func(cfg *Config) { cfg.Packs = 1 })
	for _, it := range all {
		wantRead(t, s, it)
	}
	if s.packs.used != 0 || testutil.ToFloat64(s.cfg.Metrics.packHits) != 0 {
		t.Error("a pack is kept that is larger than all of them may be")
	}
}

// directories writes packs of one version and reads their directories.
func directories(t *testing.T, names ...string) (list []*deep.Directory, seg *segment) {
	t.Helper()
	mem := durabletest.NewMem()
	var lists [][]*item
	for _, name := range names {
		lists = append(lists, versions(t, name, 1, 2000))
	}
	pack(t, mem, 0, lists...)
	s := open(t, mem, nil)
	seg, err := s.segments.take(lists[0][0].at.Deep)
	must(t, err)
	for d, err := range seg.Directories() {
		must(t, err)
		list = append(list, d)
	}
	return list, seg
}

// Kept packs take no more than they may; the one used last goes last.
func TestPacksAreBounded(t *testing.T) {
	list, seg := directories(t, "a", "b", "c")
	a, b, c := list[0], list[1], list[2]
	p := packs{max: a.Content + b.Content + c.Content - 1}
	defer p.close()
	wantKept := func(d *deep.Directory, want bool) {
		t.Helper()
		_, kept, err := p.take(t.Context(), d, func() (*deep.Decoded, error) { return seg.Decode(t.Context(), d) })
		if must(t, err); kept != want {
			t.Errorf("%s: kept is %t, want %t", d.Name, kept, want)
		}
		if p.used > p.max {
			t.Errorf("%d bytes are kept, at most %d may be", p.used, p.max)
		}
	}
	wantKept(a, false)
	wantKept(b, false)
	wantKept(a, true)
	wantKept(c, false) // b goes
	wantKept(a, true)
	wantKept(b, false) // c goes
	wantKept(c, false)
}

// All who ask for versions of a pack at the same time wait for one decoding. One that
// fails, or panics, costs its own version alone.
func TestOneDecoding(t *testing.T) {
	list, seg := directories(t, "a")
	for what, fail := range map[string]func() (*deep.Decoded, error){
		"success": nil,
		"error":   func() (*deep.Decoded, error) { return nil, errors.New("he went away") },
		"panic":   func() (*deep.Decoded, error) { panic("what a pack") },
	} {
		t.Run(what, func(t *testing.T) {
			p := packs{max: UsualPacks}
			defer p.close()
			var decodings atomic.Int64
			begun, goOn := make(chan struct{}), make(chan struct{})
			good := func() (*deep.Decoded, error) {
				decodings.Add(1)
				return seg.Decode(t.Context(), list[0])
			}
			var all sync.WaitGroup
			all.Go(func() {
				_, err := recovered(func() (*deep.Decoded, error) {
					pack, _, err := p.take(t.Context(), list[0], func() (*deep.Decoded, error) {
						close(begun)
						<-goOn
						if fail != nil {
							return fail()
						}
						return good()
					})
					return pack, err
				})
				if (err == nil) != (fail == nil) {
					t.Errorf("the first: %v", err)
				}
			})
			<-begun
			gone, leave := context.WithCancel(t.Context())
			leave()
			if _, _, err := p.take(gone, list[0], good); !errors.Is(err, context.Canceled) {
				t.Errorf("one who went away: %v", err)
			}
			for range 5 {
				all.Go(func() {
					if pack, _, err := p.take(t.Context(), list[0], good); err != nil || pack == nil {
						t.Errorf("one who waited: %v", err)
					}
				})
			}
			close(goOn)
			all.Wait()
			if n := decodings.Load(); fail == nil && n != 1 || fail != nil && (n < 1 || n > 5) {
				t.Errorf("decoded %d times", n)
			}
		})
	}
}

// Memory is released after a while without requests.
func TestIdlePacksGo(t *testing.T) {
	list, seg := directories(t, "a")
	// Decoded outside of the bubble: a decoder that the pool gets from inside it would panic
	// in every other test.
	decoded, err := seg.Decode(t.Context(), list[0])
	must(t, err)
	synctest.Test(t, func(t *testing.T) {
		p := packs{max: UsualPacks}
		defer p.close()
		take := func() bool {
			_, kept, err := p.take(t.Context(), list[0], func() (*deep.Decoded, error) { return decoded, nil })
			must(t, err)
			return kept
		}
		if take() || !take() {
			t.Error("it is not kept at all")
		}
		sleep(packIdle * 3 / 4)
		if !take() {
			t.Error("it is not kept for long")
		}
		sleep(packIdle * 3 / 4)
		if !take() {
			t.Error("the time does not begin again")
		}
		sleep(packIdle + 1)
		if take() {
			t.Error("it is kept for ever")
		}
	})
}

func sleep(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}
