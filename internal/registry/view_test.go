package registry

import (
	"context"
	"fmt"
	"io/fs"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/reader"
)

// hiding is a mirror that hides what is not foo 1.0.0.
type hiding struct {
	*fake
	until time.Time // of Crate
}

type hidden struct{ status int }

func (h *hidden) Error() string                { return "hidden" }
func (h *hidden) Refuse() (int, string)        { return h.status, "Rule age hides it." }
func (*hidden) Unwrap() error                  { return fs.ErrNotExist }
func (h *hiding) refusal(status int) error     { return fmt.Errorf("opening: %w", &hidden{status}) }
func (h *hiding) shows(id crate.ID) bool       { return id == crate.ID{Name: "foo", Version: "1.0.0"} }
func (h *hiding) Generation() uint64           { return h.fake.Generation() }
func (h *hiding) Totals() (none reader.Totals) { return none }

func (h *hiding) Crate(ctx context.Context, name string) (*reader.Crate, error) {
	c, err := h.fake.Crate(ctx, name)
	if err != nil {
		return nil, err
	}
	c.Left, c.Until = c.Left+len(c.Entries)-1, h.until
	c.Entries = c.Entries[:1]
	if !h.shows(c.Entries[0].ID) {
		return nil, h.refusal(http.StatusNotFound)
	}
	return c, nil
}

func (h *hiding) Open(ctx context.Context, id crate.ID) (*reader.File, error) {
	if !h.shows(id) {
		return nil, h.refusal(http.StatusForbidden)
	}
	return h.fake.Open(ctx, id)
}

// A view is a registry of its own, which shows what its mirror shows and leads nowhere
// else; beside it stands all that the mirror has.
func TestView(t *testing.T) {
	f := newFake()
	for _, base := range []string{"", "/rust"} {
		h := New(Config{Mirror: f, PublicURL: at("https://mirror.example" + base), Views: []View{{Name: "dev", Mirror: &hiding{fake: f}}}})
		for path, want := range map[string]string{
			"/policy/dev/index/config.json":                `"dl": "https://mirror.example` + base + `/policy/dev/crates"`,
			"/index/config.json":                           `"dl": "https://mirror.example` + base + `/crates"`,
			"/policy/dev/index/3/f/foo":                    `"vers":"1.0.0"`,
			"/policy/dev/index/1/b":                        "404 Rule age hides it.",
			"/index/1/b":                                   `"vers":"1.0.0"`,
			"/policy/dev/crates/b/1.0.0/download":          "403 Rule age hides it.",
			"/policy/dev/api/v1/crates/b":                  `404 {"errors":[{"detail":"Rule age hides it."}]}`,
			"/policy/dev/api/v1/crates/b/1.0.0/download":   `403 {"errors":[{"detail":"Rule age hides it."}]}`,
			"/policy/dev/api/v1/crates/foo":                `"dl_path":"` + base + `/policy/dev/api/v1/crates/foo/1.0.0/download"`,
			"/policy/dev/replicate/mirror.json":            "404",
			"/policy/dev/policy/dev/index/3/f/foo":         "404",
			"/policy/dev/../../crates/b/1.0.0/download":    "404",
			"/policy/other/index/3/f/foo":                  "404",
			"/policy/dev/index/..%2F..%2F..%2Findex/1/b":   "404",
			"/policy/%64ev/index/1/b":                      "404",
			"/policy/dev/log/checkpoint":                   "404",
			"/policy/dev/crates/foo/1.0.0/download?x=/../": "\x1f\x8b",
		} {
			resp := get(t, h, base+path)
			got := body(t, resp)
			if resp.StatusCode != http.StatusOK {
				got = fmt.Sprintf("%d %s", resp.StatusCode, got)
			}
			if !strings.Contains(got, want) || strings.Contains(want, "1.0.0\"") && strings.Contains(got, "1.1.0") {
				t.Errorf("%s%s: %.100q, want %q", base, path, got, want)
			}
		}
	}
}

// What a view shows changes by time, and by what its operator decides: no cache keeps it
// longer than that, the own one too.
func TestViewIsKeptNoLongerThanItIsRight(t *testing.T) {
	f, now := newFake(), time.Now()
	m := &hiding{fake: f, until: now.Add(90 * time.Second)}
	h := New(Config{Mirror: m, Gated: true})
	h.clock = func() time.Time { return now }
	for _, step := range []struct {
		after time.Duration
		want  string
		asked int64
	}{
		{0, "public, max-age=60", 1},
		{31 * time.Second, "public, max-age=59", 1},
		{90*time.Second - time.Millisecond, "public, max-age=0", 1},
		{90 * time.Second, "public, max-age=60", 2},
	} {
		now = m.until.Add(step.after - 90*time.Second)
		if step.asked == 2 {
			m.until = time.Time{}
		}
		resp := get(t, h, "/index/3/f/foo")
		wantHeaders(t, resp, "Cache-Control: "+step.want)
		if n := f.asked.Load(); n != step.asked {
			t.Errorf("after %v: the mirror was asked %d times, want %d", step.after, n, step.asked)
		}
	}
	wantHeaders(t, get(t, h, "/crates/foo/1.0.0/download"), "Cache-Control: public, no-cache")
	private := New(Config{Mirror: m, Private: true})
	wantHeaders(t, get(t, private, "/crates/foo/1.0.0/download"), "Cache-Control: private, max-age=31536000, immutable")
	wantHeaders(t, get(t, private, "/index/3/f/foo"), "Cache-Control: private, max-age=60")
}
