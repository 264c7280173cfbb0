package prefetch

import (
	"context"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/index"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/index/feed"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/reader"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/store"
)

// pulls is a mirror that pulls what is asked for.
type pulls struct {
	reader.Mirror
	newest map[string]string // versions, by crate
	held   map[crate.ID]bool
	opened int
}

func (p *pulls) Crate(_ context.Context, name string) (*reader.Crate, error) {
	id := crate.ID{Name: name, Version: p.newest[name]}
	return &reader.Crate{Entries: []reader.Entry{{Entry: index.Entry{ID: id}, Held: p.held[id]}}}, nil
}

func (p *pulls) Open(ctx context.Context, id crate.ID) (*reader.File, error) {
	return p.OpenBytes(ctx, crate.Key{ID: id})
}

func (p *pulls) OpenBytes(_ context.Context, key crate.Key) (*reader.File, error) {
	p.held[key.ID] = true
	p.opened++
	return &reader.File{Content: store.InMemory([]byte("x")), ID: key.ID, Checksum: key.Checksum}, nil
}

// What a client had before comes when it is new, once, and nothing else does; what comes is
// the newest version, and it is counted when a client takes it.
func TestPrefetch(t *testing.T) {
	var f feed.Feed
	p := &pulls{newest: map[string]string{}, held: map[crate.ID]bool{}}
	m := New(p, Config{Feed: func(context.Context) (feed.Feed, error) { return f, nil }, Log: slog.New(slog.DiscardHandler)})
	publish := func(name, version string) {
		p.newest[name] = version
		f.Items = append(f.Items, feed.Item{ID: crate.ID{Name: name, Version: version}, At: time.Now()})
	}
	ask := func(name, version string) {
		t.Helper()
		file, err := m.Open(t.Context(), crate.ID{Name: name, Version: version})
		if err != nil {
			t.Fatal(err)
		}
		file.Close()
	}
	round := func(what string, now time.Time, fetched, taken int) {
		t.Helper()
		if err := m.Round(t.Context(), now); err != nil {
			t.Fatal(err)
		}
		if n, k := int(testutil.ToFloat64(m.fetched)), int(testutil.ToFloat64(m.taken)); n != fetched || k != taken {
			t.Errorf("%s: %d fetched ahead, %d taken, want %d, %d", what, n, k, fetched, taken)
		}
	}
	publish("foo", "1.1.0")
	publish("other", "1.1.0")
	round("nobody has asked", time.Now(), 0, 0)
	ask("foo", "1.0.0")
	publish("foo", "1.2.0")
	round("one is wanted", time.Now(), 1, 0)
	if !p.held[crate.ID{Name: "foo", Version: "1.2.0"}] || p.held[crate.ID{Name: "foo", Version: "1.1.0"}] || p.held[crate.ID{Name: "other", Version: "1.1.0"}] {
		t.Errorf("held: %v", p.held)
	}
	round("nothing is new", time.Now(), 1, 0)
	ask("foo", "1.2.0")
	ask("foo", "1.2.0")
	round("taken", time.Now(), 1, 1)
	publish("foo", "1.3.0")
	round("nobody has asked for a week", time.Now().Add(8*24*time.Hour), 1, 1)

	for n := range 2 * perRound {
		name := fmt.Sprintf("c%d", n)
		publish(name, "1.0.0")
		m.wanted.Put(name, time.Now())
	}
	p.opened = 0
	if round("many", time.Now(), 1+perRound, 1); p.opened != perRound {
		t.Errorf("%d were opened in one round", p.opened)
	}
	m.used = bytesHour
	round("the hour is used up", time.Now(), 1+perRound, 1)
}
