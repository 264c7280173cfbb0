package mirror

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable/durabletest"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/simreg"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/store"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/upstream"
)

// seams panics over the crate bar wherever a worker calls something, if that is
// the one that shall.
type seams struct {
	store.Store
	Catalog
	fetch Fetcher
	in    string
}

func (s *seams) panic(in string, id crate.ID) {
	if in == s.in && id.Name == "bar" {
		panic("in " + in)
	}
}

func (s *seams) WasGone(ctx context.Context, id crate.ID) (bool, error) {
	s.panic("WasGone", id)
	return s.Catalog.WasGone(ctx, id)
}

func (s *seams) Fetch(ctx context.Context, req upstream.Request) (*upstream.Body, upstream.Stats, error) {
	s.panic("Fetch", req.ID)
	return s.fetch.Fetch(ctx, req)
}

func (s *seams) Put(ctx context.Context, id crate.ID, body store.Body) (store.Placement, error) {
	s.panic("Put", id)
	return s.Store.Put(ctx, id, body)
}

func (s *seams) Adopt(id crate.ID) {
	s.panic("Adopt", id)
	s.Store.Adopt(id)
}

func (s *seams) Open(ctx context.Context, key crate.Key, at store.Placement) (store.Content, error) {
	s.panic("Open", key.ID)
	c, err := s.Store.Open(ctx, key, at)
	return &panickingContent{c, s, key.ID}, err
}

func (s *seams) Quarantine(id crate.ID, at store.Placement, reason string) (string, error) {
	s.panic("Quarantine", id)
	return s.Store.Quarantine(id, at, reason)
}

func (s *seams) NoteMember(id crate.ID, at store.Placement, reason string) (string, error) {
	s.panic("NoteMember", id)
	return s.Store.NoteMember(id, at, reason)
}

func (s *seams) Isolate(id crate.ID, want, sum crate.Checksum, reason string, body store.Body) (string, error) {
	s.panic("Isolate", id)
	return s.Store.Isolate(id, want, sum, reason, body)
}

type panickingContent struct {
	store.Content
	seams *seams
	id    crate.ID
}

func (c *panickingContent) Read(p []byte) (int, error) {
	c.seams.panic("Read", c.id)
	return c.Content.Read(p)
}

// C28: a panic, wherever a worker calls something, costs its item. So many of them
// panic that a place which one of them kept would be missed by the others.
func TestC28PanicInAnySeam(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(2))
	const many = 9
	text := "foo 1.0.0"
	for i := range many {
		text += fmt.Sprintf("\nbar %d.0.0", i)
	}
	for _, tt := range []struct {
		in             string
		held, damaged  bool // before the run, the crates of bar
		bundle, verify bool
		wrong          bool // upstream sends something else
	}{
		{in: "WasGone"}, {in: "Fetch"}, {in: "Put"}, {in: "Put", bundle: true}, {in: "Isolate", wrong: true},
		{in: "Open", held: true, verify: true}, {in: "Read", held: true, verify: true}, {in: "Adopt", held: true, verify: true},
		{in: "Put", held: true, bundle: true}, {in: "Open", held: true, bundle: true},
		{in: "Quarantine", held: true, damaged: true, verify: true},
		{in: "NoteMember", held: true, damaged: true, verify: true, bundle: true},
	} {
		t.Run(fmt.Sprintf("%s,held=%t,bundle=%t", tt.in, tt.held, tt.bundle), func(t *testing.T) {
			w := newWorld(t, parse(text))
			if tt.held && tt.damaged && tt.bundle {
				w.bundle = &bundling{target: 1 << 20}
			}
			if tt.held {
				w.mustRun(nil)
			}
			if tt.damaged {
				w.damageAll("bar")
			}
			if tt.bundle {
				w.bundle = &bundling{target: 1 << 20, add: true}
			}
			if tt.wrong {
				for i := range many {
					w.reg.Inject(crate.ID{Name: "bar", Version: fmt.Sprintf("%d.0.0", i)}, simreg.Fault{Kind: simreg.FlipBit, Times: -1})
				}
			}
			ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
			defer cancel()
			s, err := w.run(ctx, w.disk, func(c *Config) {
				broken := &seams{Store: c.Store, Catalog: c.Catalog, fetch: c.Fetch, in: tt.in}
				c.Store, c.Catalog, c.Fetch = broken, broken, broken
				c.VerifyExisting, c.KeepOpen = tt.verify, true
			})
			if err != nil || s.Failed != int64(many) || s.OK() != 1 {
				t.Fatalf("%v, %+v", err, s.Counts)
			}
			if rec := w.records()["bar 0.0.0"]; rec.OK || !strings.Contains(rec.Error, "panic: in "+tt.in) {
				t.Errorf("record: %+v", rec)
			}
		})
	}
}

// Every read of a bundle in turn fails once, while crates move into it, while loose files
// are removed, and while what is held is hashed. It costs one crate at most, which is
// named; the run continues, and the next one succeeds.
func TestUnreadableBundleCostsOneCrate(t *testing.T) {
	for _, verify := range []bool{false, true} {
		for n, met := 1, true; met; n++ {
			met = false
			w := newWorld(t, parse(small))
			w.mustRun(nil)
			w.bundle = &bundling{target: 1000}
			if verify {
				w.mustRun(nil)
			}
			var mu sync.Mutex // guards reads and met
			reads := 0
			bad := durabletest.Hook(w.disk, func(op durabletest.Op) (f durabletest.Fault) {
				if op.Kind == durabletest.OpRead && strings.HasPrefix(op.Name, "bundle-") {
					mu.Lock()
					defer mu.Unlock()
					if reads++; reads == n {
						met = true
						f.Err = syscall.EIO
					}
				}
				return f
			})
			s, err := w.run(context.Background(), bad, func(c *Config) { c.VerifyExisting = verify })
			if err != nil {
				t.Fatalf("verify=%t, read %d failed: %v", verify, n, err)
			}
			if !met {
				break
			}
			if s.Unreadable > 1 || s.Sound() && s.Unreadable != 0 || s.OK() < 4 {
				t.Errorf("verify=%t, read %d failed: %+v", verify, n, s.Counts)
			}
			for _, f := range s.Failures {
				if text := f.Err.Error(); !strings.Contains(text, f.ID.String()) || !strings.Contains(text, "bundle-") || strings.Contains(text, "not a bundle") {
					t.Errorf("verify=%t, read %d failed: %v", verify, n, text)
				}
			}
			w.mustRun(nil)
		}
	}
}

// A sector of a bundle is permanently unreadable: each run reports that and continues,
// the loose file of that crate stays, and hashing all puts it into another bundle.
func TestUnreadableSector(t *testing.T) {
	w := newWorld(t, parse(small))
	w.mustRun(nil)
	w.bundle = &bundling{target: 1 << 20}
	run := func(verify bool) (*Summary, error) {
		return w.run(context.Background(), w.disk, func(c *Config) {
			c.Store, c.VerifyExisting = &badSector{finisher: c.Store.(finisher)}, verify
		})
	}
	for range 2 {
		s, err := run(false)
		if err != nil || s.Unreadable != 1 || s.Sound() || !s.Complete(false) || len(s.Failures) != 1 || s.Failures[0].ID != foo1 {
			t.Fatalf("%v, %+v, %v", err, s.Counts, s.Failures)
		}
		if _, err := content(w.disk, foo1); err != nil {
			t.Fatalf("the loose file is not kept: %v", err)
		}
		if _, err := content(w.disk, ox); err == nil {
			t.Errorf("the loose file of another crate is still there")
		}
	}
	if s, err := run(true); err != nil || !s.Sound() || !s.Complete(false) {
		t.Fatalf("%v, %+v", err, s.Counts)
	}
	if _, err := content(w.disk, foo1); err == nil || w.catalog.versions[foo1].Bundle == "bundle-0000.tar.zst" {
		t.Errorf("in another bundle: %+v, loose: %v", w.catalog.versions[foo1], err)
	}
}

type finisher interface {
	store.Store
	store.Finisher
}

// badSector cannot read foo 1.0.0 in the first bundle.
type badSector struct{ finisher }

func (b *badSector) Open(ctx context.Context, key crate.Key, at store.Placement) (store.Content, error) {
	c, err := b.finisher.Open(ctx, key, at)
	if err == nil && key.ID == foo1 && at.Bundle == "bundle-0000.tar.zst" {
		return nil, errors.Join(&fs.PathError{Op: "read", Path: at.Bundle, Err: syscall.EIO}, c.Close())
	}
	return c, err
}

// damageAll damages the stored bytes of a crate's versions, loose or bundled.
func (w *world) damageAll(name string) {
	w.t.Helper()
	for id, v := range w.catalog.versions {
		if id.Name != name {
			continue
		}
		if v.Loose {
			w.damage(id, []byte("something else"))
			continue
		}
		flip(w.t, w.disk, v.Bundle, v.Offset+v.FrameSize/2)
	}
}
