package pull

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable/durabletest"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/index"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/reader"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/simreg"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/store"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/upstream"
)

// world is a registry, and a disk on which is pulled from it.
type world struct {
	t      testing.TB
	reg    *simreg.Registry
	server *simreg.Server
	disk   durable.FS
	behind *held
	cfg    Config
	up     upstream.Config
}

func newWorld(t testing.TB, versions string) *world {
	return newWorldOf(t, simreg.New(simreg.MustParse(versions)...))
}

func newWorldOf(t testing.TB, reg *simreg.Registry) *world {
	w := &world{t: t, reg: reg, disk: durabletest.NewMem(), behind: &held{}}
	w.behind.of = w
	var err error
	if w.server, err = w.reg.Start(simreg.Options{}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.server.Close)
	w.up = upstream.Config{Attempts: 2, RetryBase: time.Millisecond, RetryMax: time.Millisecond, StallTimeout: 300 * time.Millisecond, HeaderTimeout: 300 * time.Millisecond}
	w.cfg = Config{Behind: w.behind, MaxAge: time.Nanosecond, Log: slog.New(slog.DiscardHandler)}
	return w
}

// open opens what was pulled, with upstream in front.
func (w *world) open() *Mirror {
	w.t.Helper()
	return w.start(w.config())
}

// config is with upstream in front.
func (w *world) config() (cfg Config, closed func()) {
	w.t.Helper()
	urls, err := crate.ParseURLTemplate(w.server.BaseURL)
	w.must(err)
	up := &Upstream{Client: &Client{Make: func() (*upstream.Client, error) { return upstream.New(w.up) }}, Index: w.server.IndexURL, URLs: urls}
	cfg = w.cfg
	cfg.Folder, cfg.Index, cfg.Fetch = w.disk, up, up
	return cfg, up.Close
}

// offline opens it without upstream.
func (w *world) offline() *Mirror {
	cfg := w.cfg
	cfg.Folder = w.disk
	return w.start(cfg, func() {})
}

func (w *world) start(cfg Config, closed func()) *Mirror {
	w.t.Helper()
	m, err := Open(w.t.Context(), cfg)
	w.must(err)
	w.t.Cleanup(func() { m.Close(); closed() })
	return m
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

// versions says which versions are shown, "1.0.0 1.1.0y" with a y for yanked.
func versions(m *Mirror, name string) string {
	c, err := m.Crate(context.Background(), name)
	if err != nil {
		return err.Error()
	}
	var list []string
	for _, e := range c.Entries {
		v := e.Version
		if e.Yanked {
			v += "y"
		}
		list = append(list, v)
	}
	return strings.Join(list, " ")
}

// get reads a crate file, and compares it with the registry's.
func (w *world) get(m *Mirror, id crate.ID) error {
	f, err := m.Open(context.Background(), id)
	if err != nil {
		return err
	}
	defer f.Close()
	got, err := io.ReadAll(f)
	if err != nil {
		return err
	}
	want, err := w.reg.CrateBytes(id)
	if err != nil {
		return err
	}
	if !bytes.Equal(got, want) || f.Checksum != sha256.Sum256(want) {
		return errors.New("other bytes were given than the registry has")
	}
	return nil
}

// held is a mirror that holds some versions of the registry, as it was at an earlier time.
type held struct {
	Nothing
	of *world

	mu    sync.Mutex // guards what follows
	lines map[string][]index.Entry
	bytes map[crate.ID][]byte
	at    time.Time // of its index
	grown uint64
}

// hold has the mirror hold versions, as a sync would.
func (h *held) hold(ids ...crate.ID) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.lines == nil {
		h.lines, h.bytes = map[string][]index.Entry{}, map[crate.ID][]byte{}
	}
	for _, id := range ids {
		line, err := h.of.reg.Entry(id)
		h.of.must(err)
		e, err := index.ParseLine(line)
		h.of.must(err)
		h.bytes[id], err = h.of.reg.CrateBytes(id)
		h.of.must(err)
		h.lines[id.Name] = append(h.lines[id.Name], e)
	}
	h.grown++
}

func (h *held) Crate(_ context.Context, name string) (*reader.Crate, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	c := &reader.Crate{Path: crate.IndexPath(name)}
	for _, e := range h.lines[name] {
		c.Name = e.Name
		c.Entries = append(c.Entries, reader.Entry{Entry: e, Held: true, Size: int64(len(h.bytes[e.ID]))})
	}
	if c.Name == "" {
		return nil, fmt.Errorf("%s: %w", name, fs.ErrNotExist)
	}
	return c, nil
}

func (h *held) Find(_ context.Context, id crate.ID) (crate.Key, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	data, ok := h.bytes[id]
	if !ok {
		return crate.Key{}, fmt.Errorf("%s: %w", id, fs.ErrNotExist)
	}
	return crate.Key{ID: id, Checksum: sha256.Sum256(data)}, nil
}

func (h *held) Open(_ context.Context, id crate.ID) (*reader.File, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	data, ok := h.bytes[id]
	if !ok {
		return nil, fmt.Errorf("%s: %w", id, fs.ErrNotExist)
	}
	return &reader.File{Content: store.InMemory(data), ID: id, Checksum: sha256.Sum256(data)}, nil
}

func (h *held) OpenBytes(ctx context.Context, key crate.Key) (*reader.File, error) {
	f, err := h.Open(ctx, key.ID)
	if err == nil && f.Checksum != key.Checksum {
		return nil, fmt.Errorf("%s: %w", key.ID, fs.ErrNotExist)
	}
	return f, err
}

func (h *held) Pins(_ context.Context, name string) (map[string]crate.Checksum, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	pins := map[string]crate.Checksum{}
	for id, data := range h.bytes {
		if id.Name == name {
			pins[id.Version] = sha256.Sum256(data)
		}
	}
	return pins, nil
}

func (h *held) Holds(name string) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.lines[name]) > 0
}

func (h *held) Search(query string, offset, limit int) ([]string, int) {
	var found []string
	h.mu.Lock()
	defer h.mu.Unlock()
	for name := range h.lines {
		if strings.Contains(name, query) {
			found = append(found, name)
		}
	}
	return found[min(offset, len(found)):min(offset+limit, len(found))], len(found)
}

func (h *held) Generation() uint64 {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.grown
}

func (h *held) Totals() reader.Totals {
	h.mu.Lock()
	defer h.mu.Unlock()
	return reader.Totals{CommitTime: h.at, Empty: "nothing is served"}
}
