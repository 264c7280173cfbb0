package push

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/bucket"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/bucket/buckettest"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/bundle"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/catalog"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable/durabletest"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/home"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/plan"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/root"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/verdict"
)

// slowly is a bucket to which every upload takes a while, and which sees how much is on
// the disk meanwhile.
type slowly struct {
	bucket.Bucket
	dir  string
	t    *testing.T
	most atomic.Int64
}

func (s *slowly) Upload(ctx context.Context, key string, body bucket.Body, parts bucket.Parts) (bucket.Tag, error) {
	if strings.HasSuffix(key, bundle.Ext) {
		time.Sleep(20 * time.Millisecond)
		_, bytes := onDisk(s.t, s.dir)
		s.most.Store(max(s.most.Load(), bytes))
	}
	return s.Bucket.Upload(ctx, key, body, parts)
}

// A mirror many times larger than what the disk has to hold: the run waits for its
// pushing, and the disk never has more than two bundles and what is in flight.
func TestTwoBundlesOfScratch(t *testing.T) {
	w := newWorld(t, 90)
	dir := t.TempDir()
	slow := &slowly{Bucket: w.bucket, dir: dir, t: t}
	w.change = func(cfg *Config) { cfg.Bucket = slow }
	if err := w.sync(dir); err != nil {
		t.Fatal(err)
	}
	// Two bundles, one crate more each, and what was in flight: some times the concurrency.
	if most := int64(scratch)*(bundleSize+2*crateSize) + 12*2*crateSize; slow.most.Load() > most {
		t.Errorf("%d bytes of bundles were on the disk at once, want at most %d of %d", slow.most.Load(), most, 90*crateSize)
	}
	if names, _ := onDisk(t, dir); len(names) != 0 {
		t.Errorf("left on the disk: %v", names)
	}
	if got := w.named(); len(got.Bundles) < 20 || got.Catalog == nil {
		t.Errorf("%d bundles, catalog %v", len(got.Bundles), got.Catalog)
	}
	w.wantAll()
}

func TestKeepLocal(t *testing.T) {
	w := newWorld(t, 9)
	dir := t.TempDir()
	w.change = func(cfg *Config) { cfg.KeepLocal = 1 }
	if err := w.sync(dir); err != nil {
		t.Fatal(err)
	}
	last := w.named().Bundles
	names, _ := onDisk(t, dir)
	if len(names) != 1 || names[0] != last[len(last)-1].Name {
		t.Errorf("on the disk: %v", names)
	}
}

// wentWrong runs syncs in a new world with a fault, then one without, and checks that
// nothing was lost, and nothing named that is missing.
func wentWrong(t *testing.T, what string, wrong func(w *world, dir string)) {
	t.Helper()
	w := newWorld(t, 8)
	dir := t.TempDir()
	wrong(w, dir)
	w.bucket.Restart()
	w.disk = nil
	w.named()
	held := w.held(dir)
	for id := range w.fetched {
		if !held[id.Name] {
			delete(w.fetched, id)
		}
	}
	if err := w.sync(dir); err != nil {
		t.Errorf("%s: the next run: %v", what, err)
		return
	}
	for id := range held {
		for of, n := range w.fetched {
			if of.Name == id && n > 1 {
				t.Errorf("%s: %s was held, and fetched again", what, id)
			}
		}
	}
	w.wantAll()
	if names, _ := onDisk(t, dir); len(names) != 0 {
		t.Errorf("%s: left on the disk: %v", what, names)
	}
	w.wantNoLeftovers(what)
}

// held are the crates that a folder's catalog has as verified.
func (w *world) held(dir string) map[string]bool {
	held := map[string]bool{}
	d := dirs(dir)
	if !d.HasCatalog() {
		return held
	}
	r, err := home.OpenReader(w.t.Context(), &d)
	if err != nil {
		return held
	}
	defer r.Close()
	for id := range w.crates {
		rows, err := r.Catalog.Versions(w.t.Context(), id.Name)
		if err == nil && len(rows) == 1 && !rows[0].VerifiedAt.IsZero() {
			held[id.Name] = true
		}
	}
	return held
}

// wantNoLeftovers checks that the bucket has what is named and superseded, and nothing else.
func (w *world) wantNoLeftovers(what string) {
	w.t.Helper()
	r := w.named()
	named := map[string]bool{root.Name: true, root.LeaseName: true}
	for key := range r.Objects() {
		named[key] = true
	}
	for _, key := range r.Superseded {
		named[key] = true
	}
	for o, err := range w.inner.List(w.t.Context(), "") {
		if err != nil || !named[o.Key] && !strings.HasPrefix(o.Key, root.CatalogDir) {
			w.t.Errorf("%s: left in the bucket: %s, %v", what, o.Key, err)
		}
	}
}

// The process is killed at each request, before or after that took effect; or the
// request fails, or its answer is lost.
func TestEveryRequest(t *testing.T) {
	probe := newWorld(t, 8)
	if err := probe.sync(t.TempDir()); err != nil {
		t.Fatal(err)
	}
	requests := probe.bucket.Requests()
	if len(requests) < 20 {
		t.Fatalf("%q", requests)
	}
	first, step := durabletest.Every(16, nil)
	for n := first; n < len(requests)+2; n += step {
		for _, fault := range []buckettest.Fault{buckettest.Kill, buckettest.KillAfter, buckettest.After, buckettest.Before, buckettest.Truncated} {
			wentWrong(t, fmt.Sprintf("fault %d at request %d", fault, n+1), func(w *world, dir string) {
				w.bucket.At(n+1, fault)
				_ = w.sync(dir)
			})
		}
	}
}

// The disk fails from each of its operations on.
func TestEveryDiskOperation(t *testing.T) {
	probe := newWorld(t, 8)
	var ops atomic.Int64
	count := func(fsys durable.FS) durable.FS {
		return durabletest.Hook(fsys, func(durabletest.Op) (f durabletest.Fault) {
			ops.Add(1)
			return f
		})
	}
	probe.disk = count
	if err := probe.sync(t.TempDir()); err != nil {
		t.Fatal(err)
	}
	total := int(ops.Load())
	first, step := durabletest.Every(120, nil)
	for n := first + 1; n < total; n += step {
		for _, persisted := range []bool{false, true} {
			wentWrong(t, fmt.Sprintf("disk operation %d of %d, persisted %t", n, total, persisted), func(w *world, dir string) {
				var ops atomic.Int64
				w.disk = func(fsys durable.FS) durable.FS {
					return durabletest.Hook(fsys, func(durabletest.Op) (f durabletest.Fault) {
						if now := ops.Add(1); now >= int64(n) {
							f = durabletest.Fault{Err: errors.New("injected"), Persisted: persisted && now == int64(n)}
						}
						return f
					})
				}
				_ = w.sync(dir)
			})
		}
	}
}

// Another machine takes over while one is at work: that one ends, keeps what it has not
// pushed, and pushes it when it is its turn again.
func TestTakenOver(t *testing.T) {
	w := newWorld(t, 12)
	one, two := t.TempDir(), t.TempDir()
	var once atomic.Bool
	w.change = func(cfg *Config) {
		cfg.Bucket = &interrupted{Bucket: w.bucket, at: "bundle-0001", do: func() {
			if once.Swap(true) {
				return
			}
			if err := w.bucket.Remove(t.Context(), root.LeaseName); err != nil { // as if it had ended
				t.Error(err)
			}
			if err := w.open(two, func(p *Pusher, _ *home.Writer) error { return nil }); err != nil {
				t.Error(err)
			}
		}}
	}
	err := w.sync(one)
	if !errors.Is(err, root.ErrFenced) || !strings.Contains(err.Error(), "writes the mirror in the bucket now") {
		t.Fatal(err)
	}
	names, _ := onDisk(t, one)
	if len(names) == 0 {
		t.Error("what was not pushed is gone")
	}
	w.change = nil
	w.publish(12, 15)
	if err := w.sync(two); err != nil {
		t.Fatal(err)
	}
	w.publish(15, 18)
	if err := w.sync(one); err != nil {
		t.Fatal(err)
	}
	r := w.named()
	high := false
	for _, f := range r.Bundles {
		high = high || f.Name == bundle.FileName(16)
	}
	if !high {
		t.Errorf("the second machine used numbers of the first: %v", names)
	}
}

// interrupted is a bucket in which something happens before an upload.
type interrupted struct {
	bucket.Bucket
	at string
	do func()
}

func (i *interrupted) Upload(ctx context.Context, key string, body bucket.Body, parts bucket.Parts) (bucket.Tag, error) {
	if strings.Contains(key, i.at) {
		i.do()
	}
	return i.Bucket.Upload(ctx, key, body, parts)
}

// A folder joins one mirror.
func TestOtherMirror(t *testing.T) {
	w, other := newWorld(t, 4), newWorld(t, 4)
	one, two := t.TempDir(), t.TempDir()
	if err := errors.Join(w.sync(one), other.sync(two)); err != nil {
		t.Fatal(err)
	}
	wrong := new(OtherMirrorError)
	if err := w.sync(two); !errors.As(err, &wrong) {
		t.Error(err)
	}
}

// A bundle that was damaged on the disk before it was pushed is no object afterwards.
func TestDamagedHere(t *testing.T) {
	w := newWorld(t, 4)
	dir := t.TempDir()
	w.bucket.At(12, buckettest.Kill) // before anything is uploaded, or soon after
	_ = w.sync(dir)
	w.bucket.Restart()
	names, _ := onDisk(t, dir)
	if len(names) == 0 || !strings.HasSuffix(names[0], bundle.Ext) {
		t.Skipf("nothing waits: %v", names)
	}
	file := filepath.Join(dirs(dir).Bundles, names[0])
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	data[len(data)/2] ^= 1
	if err := os.WriteFile(file, data, 0o644); err != nil {
		t.Fatal(err)
	}
	err = w.sync(dir)
	if !verdict.Is(err) || !strings.Contains(err.Error(), names[0]+" here is damaged") {
		t.Error(err)
	}
	if r := w.named(); len(r.Bundles) > 0 && r.Bundles[0].Name == names[0] {
		t.Error("it is named")
	}
}

// A bundle whose wanted versions were all stored elsewhere is not named any more, and the
// next round removes its objects, when no reader uses an earlier root.
func TestRetire(t *testing.T) {
	w := newWorld(t, 9)
	dir := t.TempDir()
	if err := w.sync(dir); err != nil {
		t.Fatal(err)
	}
	old := w.named().Bundles[0]
	key := root.Key(root.BundlesDir, old.Name)
	err := w.open(dir, func(p *Pusher, writer *home.Writer) error {
		batch := catalog.Batch{Bundles: []catalog.Bundle{{Name: old.Name, Whole: true}}}
		for v, err := range writer.Catalog.InBundle(t.Context(), old.Name) {
			if err != nil {
				return err
			}
			batch.Dropped = append(batch.Dropped, v.Key())
		}
		if err := errors.Join(writer.Catalog.Commit(t.Context(), batch), p.Files(t.Context())); err != nil {
			return err
		}
		r := w.named()
		if r.Bundles[0].Name == old.Name || !slices.Contains(r.Superseded, key) {
			t.Errorf("after it was thrown away: %v, %v", names(r.Bundles), r.Superseded)
		}
		if _, err := w.inner.Head(t.Context(), key); err != nil {
			t.Errorf("it is gone at once: %v", err)
		}
		return p.Round(t.Context(), Round{})
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.inner.Head(t.Context(), key); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("after the next round: %v", err)
	}
	if err := w.sync(dir); err != nil { // what was in it is fetched again
		t.Fatal(err)
	}
	w.wantAll()
}

// A damaged bundle is put together again: what is whole of it comes out of it, the rest
// from upstream, and the root names another one.
func TestRepair(t *testing.T) {
	for name, damage := range map[string]func(key string, data []byte, b bucket.Bucket) error{
		"a byte": func(key string, data []byte, b bucket.Bucket) error {
			data[300] ^= 1
			_, err := b.Put(t.Context(), key, bucket.Bytes(data), bucket.Always())
			return err
		},
		"all of it": func(key string, _ []byte, b bucket.Bucket) error { return b.Remove(t.Context(), key) },
	} {
		w := newWorld(t, 9)
		dir := t.TempDir()
		if err := w.sync(dir); err != nil {
			t.Fatal(err)
		}
		old := w.named().Bundles[1]
		key := root.Key(root.BundlesDir, old.Name)
		data, _, err := bucket.ReadAll(t.Context(), w.inner, key, bucket.Ask{}, 1<<20)
		if err == nil {
			err = damage(key, data, w.inner)
		}
		if err != nil {
			t.Fatal(err)
		}
		before := w.fetches()
		err = w.open(dir, func(p *Pusher, writer *home.Writer) error {
			d, err := p.Damage(t.Context(), []string{key})
			if err != nil {
				return err
			}
			if len(d.Entries) != old.Entries {
				t.Errorf("%s: %d crates were in it, want %d", name, len(d.Entries), old.Entries)
			}
			if err := w.run(p, writer, plan.FromList(d.Entries, nil), d.Fetch(w)); err != nil {
				return err
			}
			return p.Replace(t.Context(), d)
		})
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		want := old.Entries
		if name == "a byte" {
			want = 1
		}
		if got := w.fetches() - before; got != want {
			t.Errorf("%s: %d crates were fetched, want %d", name, got, want)
		}
		w.wantAll()
		for _, f := range w.named().Bundles {
			if f.Name == old.Name {
				t.Errorf("%s: the damaged bundle is still named", name)
			}
		}
	}
}
