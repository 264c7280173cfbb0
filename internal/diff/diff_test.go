package diff

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/catalog"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/index"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/index/indextest"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/simreg"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// history is an index in git with several commits.
type history struct {
	t   *testing.T
	reg *simreg.Registry
	dir string
}

func newHistory(t *testing.T, versions string) *history {
	t.Helper()
	indextest.NeedGit(t)
	t.Setenv("GIT_CONFIG_GLOBAL", os.DevNull)
	t.Setenv("GIT_CONFIG_NOSYSTEM", "1")
	return &history{t, simreg.New(simreg.MustParse(versions)...), filepath.Join(t.TempDir(), "index.git")}
}

func (h *history) commit() string {
	h.t.Helper()
	id, err := h.reg.CommitIndex(h.t.Context(), h.dir, "Update")
	if err != nil {
		h.t.Fatal(err)
	}
	return id
}

// config compares two commits.
func (h *history) config(from, to string) Config {
	h.t.Helper()
	ix, err := index.Open(h.t.Context(), h.dir, index.Options{})
	if err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(func() { ix.Close() })
	return Config{Index: ix, From: index.Revision{Commit: from}, To: index.Revision{Commit: to}}
}

// held is a mirror that holds some bytes.
type held map[crate.Key]bool

func (h held) Versions(_ context.Context, name string) (rows []catalog.Version, err error) {
	for key := range h {
		if strings.EqualFold(key.Name, name) {
			rows = append(rows, catalog.Version{ID: key.ID, Checksum: key.Checksum})
		}
	}
	return rows, nil
}

// TestRun: all differences are reported in the order of the index, with what is held.
func TestRun(t *testing.T) {
	h := newHistory(t, "serde 1.0.0\nserde 1.1.0 yanked\ngone 1.0.0\nsame 1.0.0")
	from := h.commit()
	h.reg.Yank(crate.ID{Name: "serde", Version: "1.1.0"}, false)
	h.reg.ReplaceBytes(crate.ID{Name: "serde", Version: "1.0.0"})
	h.reg.Remove(crate.ID{Name: "gone", Version: "1.0.0"})
	h.reg.Add(simreg.MustParse("Ab-x 1.0.0\nab-y 1.0.0")...)
	to := h.commit()
	cfg := h.config(from, to)
	sum, err := h.reg.Checksum(crate.ID{Name: "serde", Version: "1.0.0"})
	if err != nil {
		t.Fatal(err)
	}
	cfg.Holdings = held{{ID: crate.ID{Name: "serde", Version: "1.0.0"}, Checksum: sum}: true}
	var got []string
	s, err := Run(t.Context(), cfg, func(c *Change) error {
		got = append(got, fmt.Sprintf("%s %s crate=%t held=%t", c.Kind, c.ID, c.Crate, *c.Held))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"added Ab-x 1.0.0 crate=true held=false", "added ab-y 1.0.0 crate=true held=false",
		"removed gone 1.0.0 crate=true held=false",
		"republished serde 1.0.0 crate=false held=true", "unyanked serde 1.1.0 crate=false held=false",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	wantSum := &Summary{NewCrates: 2, OldCrates: 1}
	wantSum.Kinds[Added], wantSum.Kinds[Removed], wantSum.Kinds[Republished], wantSum.Kinds[Unyanked] = 2, 1, 1, 1
	if diff := cmp.Diff(wantSum, s); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}

	stop := errors.New("stop")
	if _, err := Run(t.Context(), cfg, func(*Change) error { return stop }); !errors.Is(err, stop) {
		t.Errorf("stopped with %v", err)
	}
	cfg.To = cfg.From
	if s, err := Run(t.Context(), cfg, nil); err != nil || *s != (Summary{}) {
		t.Errorf("the same commit twice: %+v, %v", s, err)
	}
	cfg.To.Commit = strings.Repeat("1", 40)
	if _, err := Run(t.Context(), cfg, nil); err == nil || !strings.Contains(err.Error(), "with 111111111111: git: ") {
		t.Errorf("a commit that is not there: %v", err)
	}
}

// TestUnread: a line that cannot be parsed is reported and counted once, and the rest is
// compared.
func TestUnread(t *testing.T) {
	h := newHistory(t, "foo 1.0.0\nbar 1.0.0\nlink 1.0.0")
	from := h.commit()
	work := t.TempDir()
	for _, cmd := range []string{
		"git clone -q $H w", "cd w && printf 'junk\\x1b\\n' >>3/f/foo && printf '%s\\n' '{\"name\":\"foo\",\"vers\":\"1.1.0\",\"cksum\":\"'$(printf '%064d' 7)'\"}' >>3/f/foo",
		"cd w && rm li/nk/link && ln -s /etc/passwd li/nk/link", "cd w && git add -A && git -c user.name=t -c user.email=t@t commit -qm bad && git push -q origin HEAD:master",
	} {
		c := exec.Command("sh", "-c", cmd)
		c.Dir, c.Env = work, append(os.Environ(), "H="+h.dir)
		if out, err := c.CombinedOutput(); err != nil {
			t.Skipf("%s: %v: %s", cmd, err, out)
		}
	}
	cfg := h.config(from, "")
	cfg.To = index.Revision{Commit: cfg.Index.Commit()}
	var log bytes.Buffer
	cfg.Log = slog.New(slog.NewTextHandler(&log, nil))
	var got []string
	s, err := Run(t.Context(), cfg, func(c *Change) error { got = append(got, c.Kind.String()+" "+c.ID.String()); return nil })
	if err != nil || s.Unread != 2 {
		t.Errorf("%+v, %v; want 2 that were not read", s, err)
	}
	if diff := cmp.Diff([]string{"added foo 1.1.0"}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for _, want := range []string{"3/f/foo:2: ", "li/nk/link: not a regular file, git mode 120000"} {
		if strings.Count(log.String(), want) != 1 {
			t.Errorf("no %q in the log:\n%s", want, &log)
		}
	}
	// In the other direction it is the same; compared with itself, an invalid line is not
	// reported.
	cfg.From, cfg.To = cfg.To, cfg.From
	if s, err := Run(t.Context(), cfg, func(*Change) error { return nil }); err != nil || s.Unread != 2 {
		t.Errorf("back: %+v, %v; want 2 that were not read", s, err)
	}
	if strings.Contains(log.String(), "\x1b") {
		t.Errorf("the log steers the terminal: %q", &log)
	}
}

// A line that is invalid on both sides says nothing about the time between.
func TestUnreadOnBothSides(t *testing.T) {
	bad := func(lines ...string) *index.Difference {
		return &index.Difference{Path: "3/f/foo", Before: file("1.0.0 a", "bad 1.1.0"), After: file(lines...)}
	}
	for _, c := range []struct {
		d    *index.Difference
		want int64
	}{
		{bad("1.0.0 b", "bad 1.1.0"), 0}, {bad("1.0.0 b"), 1}, {bad("bad 1.1.0", "bad 1.2.0"), 1}, {bad("bad 1.2.0"), 2},
	} {
		var s Summary
		cfg := Config{Log: slog.New(slog.DiscardHandler)}
		if cfg.tellUnread(c.d, &s); s.Unread != c.want {
			t.Errorf("%v: %d were not read, want %d", c.d.After.Bad, s.Unread, c.want)
		}
	}
}

func TestSections(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	var s Sections
	for i := range 3 {
		if err := errors.Join(s.Add(Yanked, "y%d\n", i), s.Add(Added, "a%d\n", i)); err != nil {
			t.Fatal(err)
		}
	}
	var out bytes.Buffer
	for _, k := range Kinds {
		if err := s.Copy(&out, k); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(); err != nil || out.String() != "a0\na1\na2\ny0\ny1\ny2\n" {
		t.Errorf("%q, %v", out.String(), err)
	}
	if left, err := os.ReadDir(os.TempDir()); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}
