package registry

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/cargotoml"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/index"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/publicurl"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/reader"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/simreg"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/store"
)

// fake is a mirror of a registry in memory.
type fake struct {
	reader.Mirror // what is not asked for
	reg           *simreg.Registry
	generation    atomic.Uint64
	asked         atomic.Int64 // calls of Crate
	damaged       crate.ID
	busy          crate.ID
	client        string // of the last one who asked for busy
	superseded    map[crate.Key][]byte
	breaks        crate.ID // whose bytes end in the middle with an error
	days          []index.Day
	past          map[string]*fake // by commit
	left          int              // lines that Crate leaves out
	err           error            // of At
}

const registry = `
	foo 1.0.0
	foo 1.1.0 yanked
	foo 2.0.0-rc.1
	Inflector 0.1.0
	b 1.0.0
	qpl 0.0.1+4
	qpl 0.0.1+5
	snake_case 1.0.0
`

func newFake() *fake {
	f := &fake{reg: simreg.New(simreg.MustParse(registry)...)}
	f.generation.Store(1)
	return f
}

func (f *fake) Generation() uint64 { return f.generation.Load() }

func (f *fake) Totals() reader.Totals {
	return reader.Totals{Crates: 5, Versions: 8, Bytes: 800, CommitTime: time.Now().Add(-time.Hour)}
}

func (f *fake) Crate(_ context.Context, name string) (*reader.Crate, error) {
	f.asked.Add(1)
	c := &reader.Crate{Path: crate.IndexPath(name), Left: f.left}
	for _, id := range f.reg.IDs() {
		if strings.EqualFold(id.Name, name) {
			line, _ := f.reg.Entry(id)
			sum, _ := f.reg.Checksum(id)
			c.Name = id.Name
			c.Entries = append(c.Entries, reader.Entry{
				Entry: index.Entry{ID: id, Checksum: sum, Raw: line, Yanked: bytes.Contains(line, []byte(`"yanked":true`))},
				Held:  true, Size: int64(len(f.bytes(id))),
			})
		}
	}
	if c.Name == "" {
		return nil, fmt.Errorf("%s: %w", name, fs.ErrNotExist)
	}
	return c, nil
}

func (f *fake) Days(context.Context) ([]index.Day, error) { return f.days, nil }

// At knows days that are kept (the last is not over), and commits.
func (f *fake) At(_ context.Context, point string) (reader.Past, error) {
	if f.err != nil {
		return reader.Past{}, f.err
	}
	for i, d := range f.days {
		if d.Date == point || strings.HasPrefix(d.Commit, point) {
			return reader.Past{Revision: d.Revision, Final: d.Date == point && i < len(f.days)-1 || d.Commit == point}, nil
		}
	}
	return reader.Past{}, fmt.Errorf("%s: %w", point, fs.ErrNotExist)
}

func (f *fake) CrateAt(ctx context.Context, commit, name string) (*reader.Crate, error) {
	return f.past[commit].Crate(ctx, name)
}

func (f *fake) bytes(id crate.ID) []byte {
	data, _ := f.reg.CrateBytes(id)
	return data
}

func (f *fake) Open(ctx context.Context, id crate.ID) (*reader.File, error) {
	if id == f.busy {
		f.client = store.Client(ctx)
		return nil, fmt.Errorf("opening: %w", &store.BusyError{RetryAfter: 2 * time.Second})
	}
	if id == f.damaged {
		return nil, fmt.Errorf("opening: %w", &reader.DamagedError{ID: id, Err: fs.ErrInvalid})
	}
	data, err := f.reg.CrateBytes(id)
	if err != nil {
		return nil, err
	}
	sum, _ := f.reg.Checksum(id)
	c := store.InMemory(data)
	if id == f.breaks {
		c = &content{Content: c, breakAt: int64(len(data) / 2)}
	}
	return &reader.File{Content: c, ID: id, Checksum: sum}, nil
}

// OpenBytes has the bytes that versions have, and those of superseded.
func (f *fake) OpenBytes(ctx context.Context, key crate.Key) (*reader.File, error) {
	if data, ok := f.superseded[key]; ok {
		return &reader.File{Content: &content{Content: store.InMemory(data)}, ID: key.ID, Checksum: key.Checksum}, nil
	}
	if sum, err := f.reg.Checksum(key.ID); err != nil || sum != key.Checksum {
		return nil, fs.ErrNotExist
	}
	return f.Open(ctx, key.ID)
}

// About knows something of one crate.
func (f *fake) About(_ context.Context, id crate.Key) (cargotoml.Package, error) {
	if id.Name == "foo" {
		return cargotoml.Package{Description: "A foo."}, nil
	}
	return cargotoml.Package{}, nil
}

func (f *fake) Search(query string, offset, limit int) (names []string, total int) {
	for _, name := range []string{"b", "foo", "Inflector", "qpl", "snake_case"} {
		if strings.Contains(strings.ToLower(name), strings.ToLower(query)) {
			names = append(names, name)
		}
	}
	total = len(names)
	names = names[min(offset, total):]
	return names[:min(limit, len(names))], total
}

type content struct {
	store.Content
	breakAt int64
}

func (c *content) ReadAt(p []byte, off int64) (int, error) {
	if c.breakAt == 0 {
		return c.Content.ReadAt(p, off)
	}
	if off >= c.breakAt {
		return 0, fs.ErrInvalid
	}
	return c.Content.ReadAt(p[:min(int64(len(p)), c.breakAt-off)], off)
}

// at is a public URL that is right.
func at(s string) publicurl.URL {
	u, err := publicurl.Parse(s)
	if err != nil {
		panic(err)
	}
	return u
}

// do sends one request to h, headers as pairs of lines "Name: value".
func do(t *testing.T, h http.Handler, method, path string, headers ...string) *http.Response {
	t.Helper()
	r := httptest.NewRequest(method, path, nil)
	for _, line := range headers {
		name, value, _ := strings.Cut(line, ": ")
		r.Header.Add(name, value)
	}
	rec := httptest.NewRecorder()
	h.ServeHTTP(rec, r)
	return rec.Result()
}

func get(t *testing.T, h http.Handler, path string, headers ...string) *http.Response {
	t.Helper()
	return do(t, h, http.MethodGet, path, headers...)
}

func body(t *testing.T, resp *http.Response) string {
	t.Helper()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func wantStatus(t *testing.T, resp *http.Response, want int) {
	t.Helper()
	if resp.StatusCode != want {
		t.Errorf("status %d, want %d", resp.StatusCode, want)
	}
}

func wantHeaders(t *testing.T, resp *http.Response, lines ...string) {
	t.Helper()
	for _, line := range lines {
		name, want, _ := strings.Cut(line, ": ")
		if got := resp.Header.Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
}
