package replica

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/bucket"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/bucket/buckettest"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/home"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/reader"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/replica/replicatest"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/root"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/store"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/store/overlay"
)

// watched is a replica and its readers, with the requests that they make counted.
type watched struct {
	*site
	*Replica
	bucket *buckettest.Faulty
	view   *reader.View
}

func watch(t *testing.T, p *replicatest.Publisher) *watched {
	t.Helper()
	w := &watched{site: newSite(t, p), bucket: buckettest.NewFaulty(p.Bucket)}
	w.dirs.Remote = overlay.New(w.bucket)
	var err error
	w.Replica, err = Open(t.Context(), Config{Dirs: w.dirs, Bucket: w.bucket, Show: w.dirs.Remote.Show})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.Replica.Close() })
	w.view, err = reader.Open(t.Context(), reader.Config{Dirs: w.dirs, Limits: home.Limits{FetchedCache: 1 << 30}, Interval: 10 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.view.Close() })
	return w
}

func id(text string) crate.ID {
	name, version, _ := strings.Cut(text, " ")
	return crate.ID{Name: name, Version: version}
}

func (w *watched) read(ctx context.Context, text string) ([]byte, error) {
	f, err := w.view.Open(ctx, id(text))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(f)
}

// wantCrate reads a crate, and says how many requests that took.
func (w *watched) wantCrate(text string) int {
	w.t.Helper()
	before := len(w.bucket.Requests())
	want, err := w.p.Reg.CrateBytes(id(text))
	if err != nil {
		w.t.Fatal(err)
	}
	if got, err := w.read(w.t.Context(), text); err != nil || !bytes.Equal(got, want) {
		w.t.Errorf("%s: %d bytes, %v; want %d", text, len(got), err, len(want))
	}
	return len(w.bucket.Requests()) - before
}

// A crate costs one range GET the first time, for however many ask, and none after
// that, also after a restart.
func TestOneRequestACrate(t *testing.T) {
	p := replicatest.New(t, bucket.Memory(), "foo 1.0.0\nbar 1.0.0\nlarge 1.0.0\n  size 5000000")
	w := watch(t, p)
	for _, text := range []string{"foo 1.0.0", "bar 1.0.0", "large 1.0.0"} {
		for i, want := range []int{1, 0, 0} {
			if got := w.wantCrate(text); got != want {
				t.Errorf("%s, time %d: %d requests, want %d: %q", text, i, got, want, w.bucket.Requests())
			}
		}
	}
	if err := errors.Join(w.view.Close(), w.Replica.Close()); err != nil {
		t.Fatal(err)
	}
	again := &watched{site: w.site, bucket: w.bucket}
	again.dirs.Remote = overlay.New(w.bucket)
	again.dirs.Remote.Show(p.Root)
	view, err := reader.Open(t.Context(), reader.Config{Dirs: again.dirs, Limits: home.Limits{FetchedCache: 1 << 30}})
	if err != nil {
		t.Fatal(err)
	}
	defer view.Close()
	again.view = view
	if n := again.wantCrate("foo 1.0.0") + again.wantCrate("large 1.0.0"); n != 0 {
		t.Errorf("%d requests after a restart", n)
	}
}

func TestManyAskForOneCrate(t *testing.T) {
	p := replicatest.New(t, bucket.Memory(), "foo 1.0.0\nbar 1.0.0")
	w := watch(t, p)
	before := len(w.bucket.Requests())
	var all sync.WaitGroup
	for range 50 {
		all.Go(func() {
			if _, err := w.read(t.Context(), "foo 1.0.0"); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if n := len(w.bucket.Requests()) - before; n > 2 { // one may come when the first flight has just ended
		t.Errorf("%d requests", n)
	}
}

// H5: what the bucket has in the place of a crate is not given out, nor kept; a bucket
// that is away is no damage.
func TestH5BucketHasOtherBytes(t *testing.T) {
	p := replicatest.New(t, bucket.Memory(), "foo 1.0.0\nbar 1.0.0")
	w := watch(t, p)
	key := root.Key(root.BundlesDir, p.Root.Bundles[0].Name)
	good := p.Get(key)
	bad := bytes.Clone(good)
	for i := range bad[:len(bad)-200] {
		bad[i] ^= 0x10
	}
	put(t, p, key, bad)
	if got, err := w.read(t.Context(), "foo 1.0.0"); !errors.As(err, new(*reader.DamagedError)) {
		t.Errorf("%d bytes, %v", len(got), err)
	}
	entries, err := os.ReadDir(w.dirs.FetchedCache())
	if err != nil || len(entries) != 1 { // the lock
		t.Errorf("in the cache: %v, %v", entries, err)
	}
	put(t, p, key, good)
	if _, err := w.read(t.Context(), "bar 1.0.0"); err == nil || !strings.Contains(err.Error(), bucket.ErrChanged.Error()) {
		t.Errorf("stored again: %v", err)
	}
	w.bucket.At(1, buckettest.Unavailable)
	if _, err := w.read(t.Context(), "foo 1.0.0"); !errors.Is(err, store.ErrAway) || errors.As(err, new(*reader.DamagedError)) {
		t.Errorf("away: %v", err)
	}
	if n := w.wantCrate("foo 1.0.0"); n != 1 {
		t.Errorf("%d requests", n)
	}
}

// Readers read on while bundles are written together, and the old ones removed.
func TestReadersBesideChanges(t *testing.T) {
	p := replicatest.New(t, bucket.Memory(), "foo 1.0.0\nbar 1.0.0")
	w := watch(t, p)
	w.view.Close()
	view, err := reader.Open(t.Context(), reader.Config{Dirs: w.dirs, Interval: time.Millisecond}) // without a cache
	if err != nil {
		t.Fatal(err)
	}
	defer view.Close()
	w.view = view
	ctx, stop := context.WithCancel(t.Context())
	var reading sync.WaitGroup
	for _, text := range []string{"foo 1.0.0", "bar 1.0.0"} {
		reading.Go(func() {
			for ctx.Err() == nil {
				if _, err := w.read(t.Context(), text); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	for range 5 {
		old := p.Root.Bundles
		p.Root.Bundles = nil
		p.Bundle(p.Reg.IDs()...)
		p.Replace()
		step(t, w.Replica)
		for _, f := range old {
			if err := p.Bucket.Remove(t.Context(), root.Key(root.BundlesDir, f.Name)); err != nil {
				t.Fatal(err)
			}
		}
	}
	stop()
	reading.Wait()
	if left, err := filepath.Glob(filepath.Join(w.dirs.State(), incoming, "*")); err != nil || len(left) > 0 {
		t.Errorf("left: %v, %v", left, err)
	}
}

// A version that was published again has the bytes that the index names, whichever
// bundle came first.
func TestPublishedAgain(t *testing.T) {
	p := replicatest.New(t, bucket.Memory(), "foo 1.0.0\nbar 1.0.0\nbaz 1.0.0")
	for _, text := range []string{"foo 1.0.0", "bar 1.0.0", "baz 1.0.0"} { // one of them sorts otherwise
		p.Reg.ReplaceBytes(id(text))
	}
	p.Commit()
	p.Bundle(p.Reg.IDs()...)
	p.Publish("")
	w := watch(t, p)
	for _, text := range []string{"foo 1.0.0", "bar 1.0.0", "baz 1.0.0"} {
		w.wantCrate(text)
	}
}
