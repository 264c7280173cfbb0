package gitweb

import (
	"context"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/git"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/index"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/index/indextest"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/reader"
)

var realIndex = flag.String("real-index", "", "a bare clone of an index, which is copied with its objects shared")

// TestRealRegistry measures how long the registry takes after a change of ten crates of the
// real index.
func TestRealRegistry(t *testing.T) {
	if *realIndex == "" {
		t.Skip("no -real-index")
	}
	dir := filepath.Join(t.TempDir(), "index.git")
	indextest.Git(t, *realIndex, "clone", "--quiet", "--bare", "--shared", *realIndex, dir)
	m := openLines(t, dir)
	r, err := OpenRegistry(RegistryConfig{
		Dir: filepath.Join(t.TempDir(), "registry.git"), Index: dir, Mirror: m, Config: []byte("{}"), Log: slog.New(slog.DiscardHandler),
	}, durable.Self("a test"))
	must(t, err)
	defer func() { must(t, r.Close()) }()
	begin := time.Now()
	must(t, r.Update(t.Context()))
	t.Logf("all crates: %v", time.Since(begin).Round(time.Millisecond))
	for n := range 5 {
		changeTen(t, dir, n)
		m.reopen()
		begin = time.Now()
		must(t, r.Update(t.Context()))
		took := time.Since(begin)
		t.Logf("ten crates: %v", took.Round(time.Millisecond))
		if took > 2*time.Second {
			t.Error("want 2 s at most")
		}
		if a, b := indextest.Git(t, r.cfg.Dir, "rev-parse", "master:se/rd/serde"), indextest.Git(t, dir, "rev-parse", "HEAD:se/rd/serde"); a != b {
			t.Errorf("serde is %s, in the index %s", a, b)
		}
	}
}

// changeTen adds a line to each of ten files and commits them.
func changeTen(t *testing.T, dir string, n int) {
	t.Helper()
	var script strings.Builder
	fmt.Fprintf(&script, "commit refs/heads/change%d\ncommitter A <a@b> %d +0000\ndata 1\nx\nfrom HEAD^0\n", n, time.Now().Unix()+int64(n))
	for _, path := range []string{"se/rd/serde", "to/ki/tokio", "li/bc/libc", "ra/nd/rand", "sy/n/syn", "lo/g/log", "qu/ot/quote", "an/yh/anyhow", "re/ge/regex", "cl/ap/clap"} {
		path = strings.NewReplacer("sy/n/syn", "3/s/syn", "lo/g/log", "3/l/log").Replace(path)
		text := indextest.Git(t, dir, "cat-file", "blob", "HEAD:"+path) + "\n"
		name := filepath.Base(path)
		text += fmt.Sprintf("{\"name\":%q,\"vers\":\"9999.0.%d\",\"deps\":[],\"cksum\":%q,\"features\":{},\"yanked\":false}\n", name, n, strings.Repeat("ab", 32))
		fmt.Fprintf(&script, "M 100644 inline %s\ndata %d\n%s\n", path, len(text), text)
	}
	file := filepath.Join(t.TempDir(), "change")
	must(t, os.WriteFile(file, []byte(script.String()), 0o644))
	in, err := os.Open(file)
	must(t, err)
	defer in.Close()
	lock, err := durable.Lock(filepath.Join(t.TempDir(), "lock"), durable.Self("a test"))
	must(t, err)
	defer lock.Release()
	_, err = (&git.Porcelain{Dir: dir, Lock: lock}).Take(t.Context(), in, "fast-import", "--quiet")
	must(t, err)
	indextest.Git(t, dir, "update-ref", "HEAD", fmt.Sprintf("refs/heads/change%d", n))
}

// lines is a mirror that shows all lines of an index.
type lines struct {
	t          *testing.T
	dir        string
	ix         *index.Index
	lookup     *index.Lookup
	generation uint64
}

func openLines(t *testing.T, dir string) *lines {
	l := &lines{t: t, dir: dir}
	l.reopen()
	return l
}

func (l *lines) reopen() {
	l.t.Helper()
	var err error
	l.ix, err = index.Open(l.t.Context(), l.dir, index.Options{GitCache: 32 << 20})
	must(l.t, err)
	l.lookup = l.ix.NewLookup(context.WithoutCancel(l.t.Context()))
	ix, lookup := l.ix, l.lookup
	l.t.Cleanup(func() { must(l.t, lookup.Close()); must(l.t, ix.Close()) })
	l.generation++
}

func (l *lines) Generation() uint64 { return l.generation }

func (l *lines) Crate(ctx context.Context, name string) (*reader.Crate, error) {
	c, err := l.lookup.Crate(ctx, name)
	if err != nil {
		return nil, err
	}
	shown := &reader.Crate{Path: c.Path}
	for i := range c.Entries {
		shown.Entries = append(shown.Entries, reader.Entry{Entry: c.Entries[i]})
	}
	return shown, nil
}
