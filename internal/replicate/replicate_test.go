package replicate

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/bucket"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/bucket/buckettest"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/bucket/download"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/catalog"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable/durabletest"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/home"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/index/clone"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/index/indextest"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/mirror"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/replica/replicatest"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/root"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/store"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/verdict"
)

// puller is a site that brings a mirror home.
type puller struct {
	t    *testing.T
	dirs home.Dirs
	url  string // of its own index; empty: it has none
}

func newPuller(t *testing.T, url string) *puller {
	t.Helper()
	p := &puller{t: t, dirs: home.Dirs{Root: t.TempDir()}, url: url}
	p.dirs.Fill()
	return p
}

func (p *puller) run(from bucket.Reader) (*Result, error) {
	p.t.Helper()
	log := slog.New(slog.NewTextHandler(p.t.Output(), &slog.HandlerOptions{Level: slog.LevelError}))
	return Run(p.t.Context(), Config{
		From: from, IndexURL: p.url, Log: log, Progress: new(mirror.Progress),
		Home: home.Config{
			Dirs: p.dirs, Owner: durable.Self("test"), Log: log, Manifest: p.dirs.Manifest,
			Bundles: home.BundleConfig{Write: true, Size: 1 << 30, URL: func(crate.ID, crate.Checksum) string { return "" }},
		},
	})
}

func (p *puller) mustRun(from bucket.Reader) *Result {
	p.t.Helper()
	r, err := p.run(from)
	if err != nil {
		p.t.Fatal(err)
	}
	return r
}

// rows are what a site holds.
func (p *puller) rows() (rows []catalog.Version) {
	p.t.Helper()
	err := p.dirs.ReadCatalog(p.t.Context(), func(c *catalog.Catalog) (err error) {
		rows, err = c.Page(p.t.Context(), crate.ID{}, 1000)
		return err
	})
	if err != nil {
		p.t.Fatal(err)
	}
	return rows
}

// wantHeld reads every version of a registry that the site should hold, each verified.
func (p *puller) wantHeld(from *replicatest.Publisher, ids ...crate.ID) {
	p.t.Helper()
	stores, err := home.OpenStores(&p.dirs, home.Limits{})
	if err != nil {
		p.t.Fatal(err)
	}
	defer stores.Close()
	rows := p.rows()
	for _, id := range ids {
		want, err := from.Reg.CrateBytes(id)
		if err != nil {
			p.t.Fatal(err)
		}
		i := slices.IndexFunc(rows, func(v catalog.Version) bool { return v.ID == id && v.SupersededAt.IsZero() })
		if i < 0 || rows[i].VerifiedAt.IsZero() || !rows[i].Listed {
			p.t.Errorf("%s is not held: %+v", id, rows)
			continue
		}
		var got bytes.Buffer
		if _, _, err := store.Hash(p.t.Context(), stores, rows[i].Key(), rows[i].Placement, &got); err != nil || !bytes.Equal(got.Bytes(), want) {
			p.t.Errorf("%s: %d bytes, %v; want %d", id, got.Len(), err, len(want))
		}
	}
}

// A site that was off for a month brings home what has come in it, and nothing the
// second time.
func TestOffForAMonth(t *testing.T) {
	p := replicatest.New(t, bucket.Memory(), "foo 1.0.0\nbar 1.0.0")
	site := newPuller(t, "")
	if r := site.mustRun(p.Bucket); r.Bundles != 1 || r.Versions != 2 || !strings.HasPrefix(r.Index, "the peer's") {
		t.Errorf("%+v", r)
	}
	for n := range 6 {
		p.Publish(fmt.Sprintf("foo 1.%d.0", n+1))
	}
	counted := buckettest.NewFaulty(p.Bucket)
	if r := site.mustRun(counted); r.Bundles != 6 || r.Here != 1 || r.Commit != p.Root.Index.Commit {
		t.Errorf("%+v", r)
	}
	site.wantHeld(p, p.Reg.IDs()...)
	before := len(counted.Requests())
	if r := site.mustRun(counted); r.Bundles != 0 || r.Here != 7 || r.Verdict() != nil {
		t.Errorf("the second time: %+v", r)
	}
	if n := len(counted.Requests()) - before; n != 1 {
		t.Errorf("%d requests the second time", n)
	}
}

// An index that is here judges what comes, also one with a working tree.
func TestIndexThatIsHere(t *testing.T) {
	p := replicatest.New(t, bucket.Memory(), "foo 1.0.0\nbar 1.0.0")
	site := newPuller(t, "")
	indextest.Git(t, site.dirs.Root, "clone", "-q", p.Git, site.dirs.Index)
	p.Root.Index = root.Index{}
	p.Replace()
	if r := site.mustRun(p.Bucket); r.Index != "its own index, as it was here" || r.Bundles != 1 {
		t.Errorf("%+v", r)
	}
}

// Of a mirror without bundles it says what makes them, and nothing of buckets.
func TestNoBundles(t *testing.T) {
	_, err := newPuller(t, "").run(bucket.Memory())
	if !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), "sync with -bundle makes") || strings.Contains(err.Error(), "-store") {
		t.Error(err)
	}
}

// Once it got an index of its own, a site does not go back to the peer's, which could agree
// with the peer's crates against it.
func TestOwnIndexStays(t *testing.T) {
	p := replicatest.New(t, bucket.Memory(), "foo 1.0.0")
	site := newPuller(t, "")
	for _, step := range []struct{ url, index string }{
		{"", "the peer's index, as there was no other: what it names is what the peer says"},
		{p.Git, "its own index"},
		{"", "its own index, as it was here"},
	} {
		site.url = step.url
		if r := site.mustRun(p.Bucket); r.Index != step.index {
			t.Errorf("with -index-url %q: %s", step.url, r.Index)
		}
	}
}

// The peer's index stays the peer's until a sync has brought another commit.
func TestSyncedIndexStays(t *testing.T) {
	p := replicatest.New(t, bucket.Memory(), "foo 1.0.0")
	site := newPuller(t, "")
	site.mustRun(p.Bucket)
	p.Publish("foo 1.1.0")
	if r := site.mustRun(p.Bucket); !strings.HasPrefix(r.Index, "the peer's index") {
		t.Errorf("the second time: %s", r.Index)
	}
	p.Publish("foo 1.2.0")
	if _, err := clone.Update(t.Context(), clone.Config{Dir: site.dirs.Index, URL: p.Git}); err != nil {
		t.Fatal(err)
	}
	if r := site.mustRun(p.Bucket); r.Index != "its own index, as it was here" {
		t.Errorf("after a sync: %s", r.Index)
	}
}

// Cut off at any request, the next run resumes, and all is stored in the end.
func TestCutOffAnywhere(t *testing.T) {
	p := replicatest.New(t, bucket.Memory(), "foo 1.0.0\nbar 1.0.0")
	p.Publish("foo 1.1.0")
	first, step := durabletest.Every(4, nil)
	for n := 1 + first; ; n += step {
		site := newPuller(t, p.Git)
		if _, err := site.run(buckettest.NewFaulty(p.Bucket).At(n, buckettest.Kill)); err == nil {
			if n < 5 {
				t.Errorf("%d requests were all", n-1)
			}
			return
		}
		if _, err := site.run(buckettest.NewFaulty(p.Bucket).At(2, buckettest.Truncated)); err != nil {
			t.Errorf("cut off at request %d, and again: %v", n, err)
		}
		site.wantHeld(p, p.Reg.IDs()...)
		for _, dir := range []string{filepath.Join(site.dirs.Bundles, arriving), filepath.Join(site.dirs.State(), incoming)} {
			if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
				t.Errorf("cut off at request %d: left in %s: %v, %v", n, dir, left, err)
			}
		}
	}
}

// A forging peer harms nothing: what is wrong is refused, with the name of the crate, and
// the rest comes.
func TestLyingPeer(t *testing.T) {
	foo, bar := crate.ID{Name: "foo", Version: "1.0.0"}, crate.ID{Name: "bar", Version: "1.0.0"}
	other := replicatest.Item{ID: foo, Data: []byte("other bytes")}
	reforge := func(p *replicatest.Publisher, change func([]byte)) {
		f := &p.Root.Bundles[0]
		data := p.Get(root.Key(root.BundlesDir, f.Name))
		change(data)
		forged := p.Put(root.BundlesDir, f.Name, data)
		f.SHA256 = forged.SHA256
	}
	for name, tt := range map[string]struct {
		lie     func(*replicatest.Publisher)
		ownPins bool // the site holds foo 1.0.0 already
		peers   bool // the index is the peer's
		want    string
	}{
		"other bytes than the index names": {lie: func(p *replicatest.Publisher) { p.Root.Bundles = nil; p.BundleOf(other) }, want: "foo 1.0.0 has sha256"},
		"other bytes than are held":        {lie: func(p *replicatest.Publisher) { p.BundleOf(other) }, ownPins: true, peers: true, want: "and is held here with"},
		"flipped byte, right hash":         {lie: func(p *replicatest.Publisher) { reforge(p, func(b []byte) { b[len(b)/4] ^= 1 }) }, want: "damage"},
		"not what the root names":          {lie: func(p *replicatest.Publisher) { p.Root.Bundles[0].SHA256[3] ^= 1 }, want: "is not what its root names"},
		"list that lies": {lie: func(p *replicatest.Publisher) {
			l := &p.Root.Bundles[0].Lists[0]
			sum, _ := p.Reg.Checksum(foo)
			evil := crate.Checksum(sha256.Sum256([]byte("evil")))
			*l = p.Put(root.BundlesDir, l.Name, bytes.ReplaceAll(p.Get(root.Key(root.BundlesDir, l.Name)), []byte(sum.String()), []byte(evil.String())))
		}, want: "is not what its list"},
		"list of nonsense": {lie: func(p *replicatest.Publisher) {
			l := &p.Root.Bundles[0].Lists[0]
			*l = p.Put(root.BundlesDir, l.Name, []byte("{nonsense\n"))
		}, want: "cannot be used"},
		"no bundle": {lie: func(p *replicatest.Publisher) { reforge(p, func(b []byte) { clear(b) }) }, want: "not a bundle"},
	} {
		t.Run(name, func(t *testing.T) {
			p := replicatest.New(t, bucket.Memory(), "foo 1.0.0\nbar 1.0.0")
			url := p.Git
			if tt.peers {
				url = ""
			}
			site := newPuller(t, url)
			if tt.ownPins {
				site.mustRun(p.Bucket)
			}
			tt.lie(p)
			p.Bundle(bar)
			p.Replace()
			r := site.mustRun(p.Bucket)
			if len(r.Refused) != 1 || !strings.Contains(r.Refused[0].Err.Error(), tt.want) {
				t.Fatalf("refused %v, want one about %q", r.Refused, tt.want)
			}
			if err := r.Verdict(); !errors.As(err, new(*verdict.IntegrityError)) {
				t.Errorf("verdict %v", err)
			}
			site.wantHeld(p, bar)
			for _, row := range site.rows() {
				if sum, _ := p.Reg.Checksum(row.ID); row.Checksum != sum {
					t.Errorf("%s is held with %s", row.ID, row.Checksum)
				}
			}
		})
	}
}

// Bytes that a version had before it was published again come with those that it has.
func TestRepublished(t *testing.T) {
	p := replicatest.New(t, bucket.Memory(), "foo 1.0.0\nbar 1.0.0")
	foo := crate.ID{Name: "foo", Version: "1.0.0"}
	was, err := p.Reg.Checksum(foo)
	if err != nil {
		t.Fatal(err)
	}
	p.Reg.ReplaceBytes(foo)
	p.Commit()
	p.Bundle(foo)
	p.Publish("")
	site := newPuller(t, p.Git)
	if r := site.mustRun(p.Bucket); len(r.Refused) > 0 || r.Bundles != 2 {
		t.Fatalf("%+v", r)
	}
	site.wantHeld(p, p.Reg.IDs()...)
	kept := false
	for _, row := range site.rows() {
		kept = kept || row.Checksum == was && !row.SupersededAt.IsZero()
	}
	if !kept {
		t.Errorf("what foo was is not kept: %+v", site.rows())
	}
}

// A run that is stopped while it checks a bundle that has come keeps it, and so does one
// whose check fails of something else; other bytes go.
func TestStoppedInCheck(t *testing.T) {
	disk := durabletest.NewMem()
	data, f := []byte("a bundle that took hours"), &root.File{Name: "bundle-0000.tar.zst"}
	name := path.Join(arriving, f.Name)
	if err := errors.Join(disk.MkdirAll(arriving), durable.WriteFile(disk, name, data)); err != nil {
		t.Fatal(err)
	}
	j := &replication{cfg: &Config{}, w: &home.Writer{}}
	never := func(io.ReaderAt) error { return errors.New("checked") }
	f.Size, f.SHA256 = int64(len(data)), sha256.Sum256(data)
	ctx, stop := context.WithCancel(t.Context())
	stop()
	if err := j.fetch(ctx, disk, root.BundlesDir, f, never); !errors.Is(err, context.Canceled) {
		t.Errorf("stopped: %v", err)
	}
	if _, err := disk.Stat(name); err != nil {
		t.Error(err)
	}
	if err := j.fetch(t.Context(), disk, root.BundlesDir, f, never); err == nil || err.Error() != "checked" {
		t.Errorf("the check met something else: %v", err)
	}
	if _, err := disk.Stat(name); err != nil {
		t.Error(err)
	}
	f.SHA256[0] ^= 1
	if err := j.fetch(t.Context(), disk, root.BundlesDir, f, never); err == nil {
		t.Error("other bytes are taken")
	}
	if _, err := disk.Stat(name); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("they stay: %v", err)
	}
}

// goesAway is a bucket that answers nothing for a key.
type goesAway struct {
	bucket.Reader
	key string
}

var errGone = errors.New("the peer has gone away")

func (g *goesAway) Get(ctx context.Context, key string, ask bucket.Ask) (io.ReadCloser, bucket.Object, error) {
	if key == g.key {
		return nil, bucket.Object{}, errGone
	}
	return g.Reader.Get(ctx, key, ask)
}

// A bundle has come, and its check needs the list of another one, for which the peer is gone:
// what came is there for the next run.
func TestPeerGoesAwayInCheck(t *testing.T) {
	p := replicatest.New(t, bucket.Memory(), "foo 1.0.0\nbar 1.0.0")
	foo := crate.ID{Name: "foo", Version: "1.0.0"}
	p.Reg.ReplaceBytes(foo)
	p.Commit()
	p.Bundle(foo)
	p.Publish("")
	site := newPuller(t, p.Git)
	first, last := p.Root.Bundles[0], p.Root.Bundles[1]
	from := &goesAway{p.Bucket, root.Key(root.BundlesDir, last.Lists[0].Name)}
	if _, err := site.run(from); !errors.Is(err, errGone) {
		t.Fatal(err)
	}
	info, err := os.Stat(filepath.Join(site.dirs.Bundles, arriving, first.Name+download.Ext))
	if err != nil || info.Size() != first.Size {
		t.Errorf("what came: %v, %v", info, err)
	}
	from.key = ""
	if r := site.mustRun(from); r.Bundles != 2 || len(r.Refused) > 0 {
		t.Errorf("%+v", r)
	}
	site.wantHeld(p, p.Reg.IDs()...)
}

// What no index names is kept, and counts as unverified.
func TestUnnamed(t *testing.T) {
	p := replicatest.New(t, bucket.Memory(), "foo 1.0.0\nbar 1.0.0")
	p.BundleOf(replicatest.Item{ID: crate.ID{Name: "made-up", Version: "1.0.0"}, Data: []byte("x")})
	p.Publish("")
	site := newPuller(t, p.Git)
	if r := site.mustRun(p.Bucket); r.Unnamed != 1 || len(r.Refused) > 0 {
		t.Errorf("%+v", r)
	}
	for _, row := range site.rows() {
		if verified := !row.VerifiedAt.IsZero(); verified == (row.Name == "made-up") {
			t.Errorf("%+v", row)
		}
	}
}
