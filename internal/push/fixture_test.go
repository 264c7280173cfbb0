package push

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/bucket"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/bucket/buckettest"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/home"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/mirror"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/plan"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/root"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/runlog"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/store"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/store/overlay"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/upstream"
)

const (
	crateSize  = 2000
	bundleSize = 3 * crateSize // three crates, and a few bytes
)

// world is an upstream of random crates, a bucket, and folders that are mirrors of it.
type world struct {
	t      *testing.T
	crates map[crate.ID][]byte
	inner  bucket.Bucket
	bucket *buckettest.Faulty
	disk   func(durable.FS) durable.FS // nil: it does as it should
	change func(*Config)               // nil: nothing

	mu      sync.Mutex
	fetched map[crate.ID]int
}

func newWorld(t *testing.T, crates int) *world {
	w := &world{t: t, crates: map[crate.ID][]byte{}, inner: bucket.Memory(), fetched: map[crate.ID]int{}}
	w.bucket = buckettest.NewFaulty(w.inner)
	w.publish(0, crates)
	return w
}

// publish adds the crates from a number on up to another one.
func (w *world) publish(from, to int) {
	for n := from; n < to; n++ {
		random := rand.NewChaCha8([32]byte{byte(n), byte(n >> 8)})
		data := make([]byte, crateSize)
		_, _ = random.Read(data)
		w.crates[crate.ID{Name: fmt.Sprintf("crate-%03d", n), Version: "1.0.0"}] = data
	}
}

// Fetch implements mirror.Fetcher.
func (w *world) Fetch(_ context.Context, req upstream.Request) (*upstream.Body, upstream.Stats, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.fetched[req.ID]++
	data := w.crates[req.ID]
	return &upstream.Body{Data: data, Size: int64(len(data))}, upstream.Stats{Attempts: 1}, nil
}

func (w *world) source() plan.Source {
	var items []plan.Item
	for id, data := range w.crates {
		items = append(items, plan.Item{ID: id, Checksum: sha256.Sum256(data)})
	}
	slices.SortFunc(items, func(a, b plan.Item) int { return slices.Compare([]byte(a.Name), []byte(b.Name)) })
	return plan.FromList(items, nil)
}

func dirs(dir string) home.Dirs {
	d := home.Dirs{Root: dir}
	d.Fill()
	return d
}

// open opens a mirror folder with a pusher, and calls do.
func (w *world) open(dir string, do func(*Pusher, *home.Writer) error) (err error) {
	log := slog.New(slog.DiscardHandler)
	d := dirs(dir)
	d.Remote = overlay.New(w.bucket)
	cfg := Config{Bucket: w.bucket, Remote: d.Remote, Dirs: d, Owner: "test " + filepath.Base(dir), Retry: time.Millisecond, Log: log}
	if w.change != nil {
		w.change(&cfg)
	}
	p := New(cfg)
	writer, err := home.Open(w.t.Context(), home.Config{
		Dirs: d, Owner: durable.Self("test"), Disk: w.disk, Log: log, Attach: p.Attach,
		Bundles: home.BundleConfig{Write: true, Size: bundleSize, Number: p.Number, URL: func(id crate.ID, _ crate.Checksum) string { return id.URLPath() }},
	})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, writer.Close()) }()
	return do(p, writer)
}

// sync is a run in a folder.
func (w *world) sync(dir string) error {
	return w.open(dir, func(p *Pusher, writer *home.Writer) error {
		if err := w.run(p, writer, w.source(), w); err != nil {
			return err
		}
		return p.Round(w.t.Context(), Round{})
	})
}

// run mirrors what a source names, pushing.
func (w *world) run(p *Pusher, writer *home.Writer, source plan.Source, fetch mirror.Fetcher) error {
	var sum *mirror.Summary
	err := p.While(w.t.Context(), writer.Store, func(ctx context.Context, st store.Store) (err error) {
		manifest := runlog.Create(writer.State, "manifest.jsonl")
		sum, err = mirror.Run(ctx, mirror.Config{
			Config: plan.Config{Source: source, Bundle: true}, Fetch: fetch, Store: st, Catalog: writer.Catalog, Manifest: manifest,
			State: writer.State, Out: "out", BundlesOut: "bundles", Interval: time.Millisecond, Room: p.Room, Concurrency: 2, Reserve: -1, Grace: time.Second,
		})
		return errors.Join(err, manifest.Close())
	})
	if err == nil && !sum.Complete(false) {
		err = fmt.Errorf("%d versions are missing: %v", sum.Missing, sum.Failures)
	}
	return err
}

// named is the root, all of whose objects are there and have the bytes that it names.
func (w *world) named() *root.Root {
	w.t.Helper()
	r, _, err := root.Read(w.t.Context(), w.inner, "")
	if err != nil {
		return &root.Root{}
	}
	for dir, files := range map[string][]root.File{root.BundlesDir: r.Bundles, root.DeepDir: r.Segments, root.IndexDir: r.Index.Chain} {
		for _, f := range files {
			for _, f := range append([]root.File{f}, f.Lists...) {
				w.wantObject(root.Key(dir, f.Name), f)
			}
		}
	}
	if r.Catalog != nil {
		w.wantObject(root.Key(root.CatalogDir, r.Catalog.Name), r.Catalog.File)
	}
	return r
}

func (w *world) wantObject(key string, f root.File) {
	w.t.Helper()
	body, o, err := w.inner.Get(w.t.Context(), key, bucket.Ask{})
	if err != nil {
		w.t.Errorf("the root names %s: %v", key, err)
		return
	}
	sum, size, err := crate.Hash(body)
	if sum != f.SHA256 || size != f.Size || o.Size != f.Size || err != nil {
		w.t.Errorf("the root names %s with %d bytes and %s, there are %d and %s, %v", key, f.Size, f.SHA256, size, sum, err)
	}
}

// wantAll checks that a new machine has every crate out of the bucket, each once.
func (w *world) wantAll() {
	w.t.Helper()
	r := w.named()
	entries := 0
	for _, f := range r.Bundles {
		entries += f.Entries
	}
	if entries != len(w.crates) {
		w.t.Errorf("%d crates are in the bundles that the root names, want %d", entries, len(w.crates))
	}
	before := w.fetches()
	dir := w.t.TempDir()
	if err := w.sync(dir); err != nil {
		w.t.Fatal(err)
	}
	if n := w.fetches(); n != before {
		w.t.Errorf("a new machine fetches %d crates that are in the bucket", n-before)
	}
	err := w.open(dir, func(_ *Pusher, writer *home.Writer) error {
		for id, data := range w.crates {
			rows, err := writer.Catalog.Versions(w.t.Context(), id.Name)
			if err != nil || len(rows) != 1 {
				return fmt.Errorf("%s: %d rows, %w", id, len(rows), err)
			}
			sum, _, err := store.Hash(w.t.Context(), writer.Store, rows[0].Key(), rows[0].Placement, io.Discard)
			if err != nil || sum != sha256.Sum256(data) {
				return fmt.Errorf("%s: %s, %w", id, sum, err)
			}
		}
		return nil
	})
	if err != nil {
		w.t.Error(err)
	}
}

func (w *world) fetches() (n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, times := range w.fetched {
		n += times
	}
	return n
}

// onDisk are the bundles of a folder, finished or not.
func onDisk(t *testing.T, dir string) (names []string, bytes int64) {
	t.Helper()
	d := dirs(dir)
	entries, err := os.ReadDir(d.Bundles)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	for _, e := range entries {
		if info, err := e.Info(); err == nil && filepath.Ext(e.Name()) != ".lock" && filepath.Ext(e.Name()) != ".jsonl" {
			names, bytes = append(names, e.Name()), bytes+info.Size()
		}
	}
	return names, bytes
}
