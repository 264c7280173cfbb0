// Package replicatest makes a mirror in a bucket for tests of its readers, in the simplest
// way: without leases, runs and read-backs.
package replicatest

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"io"
	"io/fs"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/bucket"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/bundle"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/bundle/lists"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/catalog"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/deep"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable/durabletest"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/index/carry"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/index/indextest"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/root"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/simreg"
)

// Publisher maintains a mirror in a bucket.
type Publisher struct {
	*indextest.Upstream
	Bucket bucket.Bucket
	Root   *root.Root // the last one published, with changes for the next

	t      testing.TB
	number int
	day    int
}

// New publishes a mirror of a registry with some versions, one per line in the form for
// simreg.MustParse.
func New(t *testing.T, b bucket.Bucket, versions string) *Publisher {
	t.Helper()
	p := &Publisher{Upstream: indextest.NewUpstream(t, versions), Bucket: b, t: t, day: 1}
	p.Root = &root.Root{Format: root.Format, ID: "mirror", Epoch: 1, Writers: map[string]root.Writer{"": {Epoch: 1, ID: "writer"}}}
	p.Bundle(p.Reg.IDs()...)
	p.Publish("")
	return p
}

// Publish adds versions to the registry, a bundle of them and the index to the bucket, and
// replaces the root.
func (p *Publisher) Publish(versions string) {
	p.t.Helper()
	if versions != "" {
		p.Release(versions)
	}
	p.Index()
	p.Replace()
}

// Release adds versions to the registry, and a bundle of them to the mirror.
func (p *Publisher) Release(versions string) {
	p.t.Helper()
	p.day++
	p.Reg.Date(time.Date(2026, 1, p.day, 12, 0, 0, 0, time.UTC))
	before := p.Reg.IDs()
	p.Reg.Add(simreg.MustParse(versions)...)
	p.Commit()
	var ids []crate.ID
	for _, id := range p.Reg.IDs() {
		if !slices.Contains(before, id) {
			ids = append(ids, id)
		}
	}
	p.Bundle(ids...)
}

// Bundle adds a bundle of versions to the mirror, and returns its name.
func (p *Publisher) Bundle(ids ...crate.ID) string {
	p.t.Helper()
	items := make([]Item, len(ids))
	for i, id := range ids {
		data, err := p.Reg.CrateBytes(id)
		p.must(err)
		items[i] = Item{id, data}
	}
	return p.BundleOf(items...)
}

// Item is a claimed crate with any bytes.
type Item struct {
	ID   crate.ID
	Data []byte
}

// BundleOf is Bundle with any bytes.
func (p *Publisher) BundleOf(items ...Item) string {
	p.t.Helper()
	name := bundle.Name{Number: p.number}
	p.number++
	disk := durabletest.NewMem()
	w, err := bundle.Create(disk, name.String())
	p.must(err)
	var manifest []byte
	for _, it := range items {
		m, err := w.AppendFrom(it.ID, bytes.NewReader(it.Data), int64(len(it.Data)), nil)
		p.must(err)
		manifest, err = lists.AppendManifestLine(manifest, lists.ManifestEntry{Member: m, Bundle: name})
		p.must(err)
	}
	sum, err := w.Finish()
	p.must(err)
	p.must(w.Publish())
	data, err := durable.ReadFile(disk, name.String(), 1<<30)
	p.must(err)
	file := p.Put(root.BundlesDir, name.String(), data)
	file.Entries, file.Bytes = sum.Members, sum.Size
	file.Lists = []root.File{p.Put(root.BundlesDir, lists.ManifestName(name, sum.Min, sum.Max), manifest)}
	p.Root.Bundles = append(slices.Clone(p.Root.Bundles), file)
	return file.Name
}

// Segment adds a segment of the deep archive with one pack of versions of a crate to the
// mirror, and returns its name.
func (p *Publisher) Segment(ids ...crate.ID) string {
	p.t.Helper()
	name := deep.FileName(len(p.Root.Segments))
	disk := durabletest.NewMem()
	w, err := deep.Create(disk, name)
	p.must(err)
	var sources []deep.Source
	var bytesOf int64
	for _, id := range ids {
		data, err := p.Reg.CrateBytes(id)
		p.must(err)
		bytesOf += int64(len(data))
		sources = append(sources, deep.Source{Key: crate.Key{ID: id, Checksum: sha256.Sum256(data)},
			Open: func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(data)), nil }})
	}
	pack, err := deep.Build(p.t.Context(), sources, deep.Options{Level: 1})
	p.must(err)
	_, err = w.Append(pack)
	p.must(err)
	_, err = w.Finish()
	p.must(err)
	p.must(w.Publish())
	data, err := durable.ReadFile(disk, name, 1<<30)
	p.must(err)
	file := p.Put(root.DeepDir, name, data)
	file.Entries, file.Bytes = len(ids), bytesOf
	p.Root.Segments = append(slices.Clone(p.Root.Segments), file)
	return name
}

// Index adds the part of the index since the last link to the chain.
func (p *Publisher) Index() {
	p.t.Helper()
	commit := indextest.Git(p.T, p.Git, "rev-parse", "HEAD")
	if commit == p.Root.Index.Commit {
		return
	}
	var since []string
	if p.Root.Index.Commit != "" {
		since = []string{p.Root.Index.Commit}
	}
	var data bytes.Buffer
	_, err := carry.Write(p.t.Context(), p.Git, since, commit, &data)
	p.must(err)
	link := p.Put(root.IndexDir, root.IndexName(commit, 1), data.Bytes())
	p.Root.Index = root.Index{Branch: "master", Commit: commit, Chain: append(slices.Clone(p.Root.Index.Chain), link)}
}

// Snapshot adds a snapshot of a catalog to the mirror.
func (p *Publisher) Snapshot(path string) {
	p.t.Helper()
	c, err := catalog.Open(path)
	p.must(err)
	var data bytes.Buffer
	err = c.Snapshot(p.t.Context(), path+".snapshot", &data)
	p.must(errors.Join(err, c.Close()))
	p.Root.Catalog = &root.Snapshot{File: p.Put(root.CatalogDir, root.CatalogName(p.Root.Generation), data.Bytes()), Generation: p.Root.Generation}
}

// Put stores an object, and returns a root's entry for it.
func (p *Publisher) Put(dir, name string, data []byte) root.File {
	p.t.Helper()
	_, err := p.Bucket.Put(p.t.Context(), root.Key(dir, name), bucket.Bytes(data), bucket.Always())
	p.must(err)
	return root.File{Name: name, Size: int64(len(data)), SHA256: sha256.Sum256(data)}
}

// Get returns an object.
func (p *Publisher) Get(key string) []byte {
	p.t.Helper()
	data, _, err := bucket.ReadAll(p.t.Context(), p.Bucket, key, bucket.Ask{}, 1<<30)
	p.must(err)
	return data
}

// Replace stores the root in the bucket, with the next generation.
func (p *Publisher) Replace() {
	p.t.Helper()
	last, _, err := bucket.ReadAll(p.t.Context(), p.Bucket, root.Name, bucket.Ask{}, root.MaxSize)
	if !errors.Is(err, fs.ErrNotExist) {
		p.must(err)
		p.Root.Parent = sha256.Sum256(last)
	}
	p.Root.Generation++
	p.Root.Written = time.Now()
	data, err := p.Root.Append(nil)
	p.must(err)
	_, err = p.Bucket.Put(p.t.Context(), root.Name, bucket.Bytes(data), bucket.Always())
	p.must(err)
}

// Forge replaces the stored root by one with changed text.
func (p *Publisher) Forge(old, new string) {
	p.t.Helper()
	data := p.Get(root.Name)
	forged := strings.Replace(string(data), old, new, 1)
	if forged == string(data) {
		p.t.Fatalf("the root does not have %q:\n%s", old, data)
	}
	_, err := p.Bucket.Put(p.t.Context(), root.Name, bucket.Bytes([]byte(forged)), bucket.Always())
	p.must(err)
}

func (p *Publisher) must(err error) {
	p.t.Helper()
	if err != nil {
		p.t.Fatal(err)
	}
}
