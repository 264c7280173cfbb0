package clone

import (
	"bytes"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable/durabletest"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/index"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/index/indextest"
)

func TestMain(m *testing.M) {
	durabletest.ScratchInMemory()
	durabletest.GarbageWaits()
	goleak.VerifyTestMain(m)
}

// An upstream is a registry, its git index, and a directory that follows it.
type upstream struct {
	*indextest.Upstream
	dir string
	log bytes.Buffer
}

func newUpstream(t *testing.T, versions string) *upstream {
	t.Helper()
	return &upstream{Upstream: indextest.NewUpstream(t, versions), dir: filepath.Join(t.TempDir(), "mirror", "index")}
}

func (u *upstream) update(change func(*Config)) (Updated, error) {
	cfg := Config{Dir: u.dir, URL: u.Git, Log: slog.New(slog.NewTextHandler(&u.log, nil))}
	if change != nil {
		change(&cfg)
	}
	return Update(u.T.Context(), cfg)
}

func (u *upstream) mustUpdate(change func(*Config)) Updated {
	u.T.Helper()
	up, err := u.update(change)
	if err != nil {
		u.T.Fatal(err)
	}
	return up
}

// wantSame wants the index that follows to say what the registry does.
func (u *upstream) wantSame() {
	u.T.Helper()
	want := u.T.TempDir()
	if err := u.Reg.WriteIndex(want); err != nil {
		u.T.Fatal(err)
	}
	if diff := cmp.Diff(readIndex(u.T, openIndex(u.T, want)), readIndex(u.T, openIndex(u.T, u.dir))); diff != "" {
		u.T.Errorf("the index (-upstream +mirror):\n%s", diff)
	}
}

// kinds are the forms in which an index is kept.
var kinds = map[string]func(*testing.T, *upstream){
	"bare":     func(t *testing.T, u *upstream) { u.mustUpdate(nil) },
	"checkout": func(t *testing.T, u *upstream) { u.mustUpdate(func(cfg *Config) { cfg.Checkout = true }) },
	"v1.1.0's checkout with its history": func(t *testing.T, u *upstream) {
		indextest.Git(t, t.TempDir(), "clone", "-q", "file://"+u.Git, u.dir)
	},
	"v1.1.0's shallow checkout": func(t *testing.T, u *upstream) {
		indextest.Git(t, t.TempDir(), "clone", "-q", "--depth=1", "file://"+u.Git, u.dir)
	},
}

// someKinds are n of them, all if the test is thorough.
func someKinds(n int) []string { return durabletest.Sample(n, slices.Sorted(maps.Keys(kinds))) }

func openIndex(t *testing.T, dir string) *index.Index {
	t.Helper()
	x, err := index.Open(t.Context(), dir, index.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := x.Close(); err != nil {
			t.Error(err)
		}
	})
	return x
}

// readIndex returns all that an index says as text.
func readIndex(t *testing.T, x *index.Index) (got []string) {
	t.Helper()
	for c, err := range x.Crates(t.Context(), nil) {
		if err != nil || c.Err != nil || c.Bad != nil {
			t.Fatal(err, c)
		}
		got = append(got, fmt.Sprintf("%s %s", c.Path, c.Blob))
		for _, e := range c.Entries {
			got = append(got, fmt.Sprintf(" %d %v %v %v %q", e.Line, e.ID, e.Checksum, e.Yanked, e.Raw))
		}
	}
	return got
}

func everything(t *testing.T, dir string) map[string]string {
	t.Helper()
	all := map[string]string{}
	err := filepath.WalkDir(dir, func(file string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		content, err := os.ReadFile(file)
		all[file] = string(content)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}
