package gate

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"log/slog"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/blocks"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/cargotoml"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/index"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/reader"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/runstate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/store"
)

// fake is a mirror in memory.
type fake struct {
	crates     map[string]*reader.Crate // by lower-case name
	about      map[crate.ID]cargotoml.Package
	generation atomic.Uint64
	opened     atomic.Int64
	read       atomic.Int64 // calls of About
}

var _ reader.Mirror = (*fake)(nil)

// epoch is when the first version of each crate in tests was published.
var epoch = time.Date(2026, 8, 1, 0, 0, 0, 0, time.UTC)

// newFake returns a mirror with versions "name vers [day]", in the order given, each published
// on that day after epoch. A day of "-" makes a line without a pubtime.
func newFake(versions ...string) *fake {
	f := &fake{crates: map[string]*reader.Crate{}, about: map[crate.ID]cargotoml.Package{}}
	for n, v := range versions {
		parts := strings.Fields(v)
		id := crate.ID{Name: parts[0], Version: parts[1]}
		pubtime := fmt.Sprintf(`,"pubtime":%q`, epoch.Format(time.RFC3339))
		if len(parts) > 2 && parts[2] == "-" {
			pubtime = ""
		} else if len(parts) > 2 {
			var days int
			fmt.Sscan(parts[2], &days)
			pubtime = fmt.Sprintf(`,"pubtime":%q`, epoch.AddDate(0, 0, days).Format(time.RFC3339))
		}
		sum := crate.Checksum{byte(n), byte(n >> 8), 1}
		yanked := strings.HasSuffix(v, " yanked")
		line := fmt.Sprintf(`{"name":%q,"vers":%q,"deps":[],"cksum":%q,"features":{},"yanked":%v%s}`, id.Name, id.Version, sum, yanked, pubtime)
		c := f.crates[strings.ToLower(id.Name)]
		if c == nil {
			c = &reader.Crate{Name: id.Name, Path: crate.IndexPath(id.Name)}
			f.crates[strings.ToLower(id.Name)] = c
		}
		c.Entries = append(c.Entries, reader.Entry{Entry: index.Entry{ID: id, Checksum: sum, Yanked: yanked, Raw: []byte(line)}, Held: true, Size: 3})
	}
	return f
}

func (f *fake) Crate(_ context.Context, name string) (*reader.Crate, error) {
	if c := f.crates[strings.ToLower(name)]; c != nil {
		again := *c
		return &again, nil
	}
	return nil, fmt.Errorf("%s: %w", name, fs.ErrNotExist)
}

// CrateAt answers for a time at which nothing was yanked.
func (f *fake) CrateAt(ctx context.Context, _, name string) (*reader.Crate, error) {
	c, err := f.Crate(ctx, name)
	if err != nil {
		return nil, err
	}
	c.Entries = slices.Clone(c.Entries)
	for i := range c.Entries {
		c.Entries[i].Yanked = false
	}
	return c, nil
}

func (f *fake) Find(_ context.Context, id crate.ID) (crate.Key, error) {
	c := f.crates[strings.ToLower(id.Name)]
	if c == nil {
		return crate.Key{}, fs.ErrNotExist
	}
	for _, e := range c.Entries {
		if e.Version == id.Version {
			return e.Key(), nil
		}
	}
	return crate.Key{}, fs.ErrNotExist
}

func (f *fake) Open(ctx context.Context, id crate.ID) (*reader.File, error) {
	key, err := f.Find(ctx, id)
	if err != nil {
		return nil, err
	}
	return f.OpenBytes(ctx, key)
}

func (f *fake) OpenBytes(_ context.Context, key crate.Key) (*reader.File, error) {
	f.opened.Add(1)
	if c := f.crates[strings.ToLower(key.Name)]; c != nil {
		key.Name = c.Name
	}
	return &reader.File{Content: store.InMemory([]byte("abc")), ID: key.ID, Checksum: key.Checksum}, nil
}

func (f *fake) About(_ context.Context, key crate.Key) (cargotoml.Package, error) {
	f.read.Add(1)
	if p, ok := f.about[key.ID]; ok {
		return p, nil
	}
	return cargotoml.Package{}, fs.ErrInvalid
}

func (f *fake) Days(context.Context) ([]index.Day, error) { return nil, nil }
func (f *fake) At(context.Context, string) (reader.Past, error) {
	return reader.Past{}, index.ErrNoPast
}
func (f *fake) Search(string, int, int) (names []string, total int) { return nil, 0 }
func (f *fake) Holds(name string) bool                              { return f.crates[strings.ToLower(name)] != nil }
func (f *fake) Generation() uint64                                  { return f.generation.Load() }
func (f *fake) Totals() reader.Totals                               { return reader.Totals{} }
func (f *fake) Run() (runstate.State, bool)                         { return runstate.State{}, false }
func (f *fake) History(context.Context, string, string) (*reader.History, error) {
	return nil, index.ErrNoPast
}

// world is a mirror with a policy and blocks in files, and a clock.
type world struct {
	*Mirror
	t      *testing.T
	behind *fake
	file   string // of the policy
	state  string // of blocks
	source *Source
	watch  *blocks.Watch
	now    time.Time
}

// newWorld returns a world whose policy is text, or that has no policy if text is empty.
func newWorld(t *testing.T, f *fake, text string) *world {
	t.Helper()
	w := &world{t: t, behind: f, file: filepath.Join(t.TempDir(), "policy.toml"), state: t.TempDir(), now: epoch.AddDate(0, 1, 0)}
	log := slog.New(slog.DiscardHandler)
	cfg := Config{Behind: f, Clock: func() time.Time { return w.now }}
	var err error
	if text != "" {
		w.write(text)
		if w.source, err = OpenSource(t.Context(), w.file, log); err != nil {
			t.Fatal(err)
		}
		cfg.Policy = w.source
	}
	if w.watch, err = blocks.NewWatch(t.Context(), func() {
		if w.Mirror != nil {
			w.Changed()
		}
	}, log, blocks.Folder(w.state)); err != nil {
		t.Fatal(err)
	}
	cfg.Blocks = w.watch
	w.Mirror = New(cfg)
	if w.source != nil {
		w.source.OnChange(w.Changed)
	}
	return w
}

func (w *world) write(text string) {
	w.t.Helper()
	if err := os.WriteFile(w.file, []byte(text), 0o644); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) block(spec, reason string) {
	w.t.Helper()
	b, err := blocks.Parse(spec)
	if err != nil {
		w.t.Fatal(err)
	}
	b.Reason, b.By, b.Since = reason, "alice", epoch
	err = blocks.Folder(w.state).Change(w.t.Context(), func(l *blocks.List) (*blocks.List, error) { return l.With(b) })
	if err != nil {
		w.t.Fatal(err)
	}
	w.watch.Look(w.t.Context())
}

// shows returns the versions of a crate that the index has, or the text of a refusal.
func (w *world) shows(name string) string {
	w.t.Helper()
	c, err := w.Crate(w.t.Context(), name)
	if refusal, ok := err.(*Refusal); ok {
		status, text := refusal.Refuse()
		return fmt.Sprint(status, " ", text)
	}
	if err != nil {
		w.t.Fatal(err)
	}
	var versions []string
	for _, e := range c.Entries {
		versions = append(versions, e.Version)
	}
	return strings.Join(versions, " ")
}

// gives returns "yes" if the mirror serves a crate file, or else the text of the refusal.
func (w *world) gives(id crate.ID) string {
	w.t.Helper()
	c := w.behind.crates[strings.ToLower(id.Name)]
	byName, err := w.Open(w.t.Context(), id)
	if err == nil {
		byName.Close()
	}
	for _, e := range c.Entries {
		if e.Version != id.Version {
			continue
		}
		f, sumErr := w.OpenBytes(w.t.Context(), e.Key())
		if sumErr == nil {
			f.Close()
		}
		if (err == nil) != (sumErr == nil) {
			w.t.Errorf("%s: by name %v, by checksum %v", id, err, sumErr)
		}
	}
	if err == nil {
		return "yes"
	}
	refusal, ok := errors.AsType[*Refusal](err)
	if !ok {
		w.t.Fatal(err)
	}
	status, text := refusal.Refuse()
	if status != http.StatusForbidden {
		w.t.Errorf("%s: status %d", id, status)
	}
	return text
}
