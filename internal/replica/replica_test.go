package replica

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/bucket"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/bucket/buckettest"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/catalog"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable/durabletest"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/home"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/index/indextest"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/replica/replicatest"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/root"
)

// site is a folder that a replica keeps.
type site struct {
	t    *testing.T
	p    *replicatest.Publisher
	dirs home.Dirs
}

func newSite(t *testing.T, p *replicatest.Publisher) *site {
	t.Helper()
	s := &site{t: t, p: p, dirs: home.Dirs{Root: t.TempDir()}}
	s.dirs.Fill()
	return s
}

func (s *site) open(b bucket.Reader) (*Replica, error) {
	s.t.Helper()
	log := slog.New(slog.NewTextHandler(s.t.Output(), nil))
	return Open(s.t.Context(), Config{Dirs: s.dirs, Bucket: b, Owner: durable.Self("test"), Log: log})
}

func (s *site) mustOpen() *Replica {
	s.t.Helper()
	r, err := s.open(s.p.Bucket)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() {
		if err := r.Close(); err != nil {
			s.t.Error(err)
		}
	})
	return r
}

func step(t *testing.T, r *Replica) {
	t.Helper()
	if changed, err := r.Step(t.Context()); !changed || err != nil {
		t.Fatalf("Step = %t, %v", changed, err)
	}
}

// said is what readers of a folder are told: the bundle of every version, and the
// commit of the index.
func (s *site) said() (lines []string) {
	s.t.Helper()
	err := s.dirs.ReadCatalog(s.t.Context(), func(c *catalog.Catalog) error {
		lines = nil
		rows, err := c.Page(s.t.Context(), crate.ID{}, 1000)
		for i := range rows {
			lines = append(lines, fmt.Sprintf("%s %s %s", rows[i].ID, rows[i].Checksum, rows[i].Placement))
		}
		return err
	})
	if err != nil && !errors.Is(err, home.ErrNoCatalog) {
		s.t.Fatal(err)
	}
	if _, err := os.Stat(s.dirs.Index); err == nil {
		lines = append(lines, "index "+indextest.Git(s.t, s.dirs.Index, "rev-parse", "HEAD"))
	}
	return lines
}

// holds reports whether a version is held, and where.
func (s *site) where(id string) string {
	s.t.Helper()
	for _, line := range s.said() {
		if place, ok := strings.CutPrefix(line, id+" "); ok {
			_, place, _ = strings.Cut(place, " ")
			return place
		}
	}
	return ""
}

func (s *site) wantCommit() {
	s.t.Helper()
	if got := s.said(); got[len(got)-1] != "index "+s.p.Root.Index.Commit {
		s.t.Errorf("%s, want %s", got[len(got)-1], s.p.Root.Index.Commit)
	}
}

// A replica has what the root names, asks one question when nothing has changed, and
// takes what has come.
func TestFollow(t *testing.T) {
	p := replicatest.New(t, bucket.Memory(), "foo 1.0.0\nbar 1.0.0")
	counted := buckettest.NewFaulty(p.Bucket)
	s := newSite(t, p)
	var shown []*root.Root
	r, err := Open(t.Context(), Config{Dirs: s.dirs, Bucket: counted, Show: func(r *root.Root) { shown = append(shown, r) }})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	s.wantCommit()
	if got := s.where("foo 1.0.0"); !strings.HasPrefix(got, "bundle-0000.tar.zst at offset ") {
		t.Errorf("foo 1.0.0 is at %q: %v", got, s.said())
	}
	for range 3 {
		before := len(counted.Requests())
		if changed, err := r.Step(t.Context()); changed || err != nil {
			t.Errorf("Step = %t, %v", changed, err)
		}
		if n := len(counted.Requests()) - before; n != 1 {
			t.Errorf("%d requests when nothing has changed", n)
		}
	}
	p.Publish("foo 1.1.0")
	before := len(counted.Requests())
	step(t, r)
	s.wantCommit()
	if got := s.where("foo 1.1.0"); !strings.HasPrefix(got, "bundle-0001.tar.zst") {
		t.Errorf("foo 1.1.0 is at %q", got)
	}
	if asked := counted.Requests()[before:]; len(asked) != 3 { // root, list, index
		t.Errorf("requests for one bundle: %q", asked)
	}
	if last := shown[len(shown)-1]; last.Generation != 2 {
		t.Errorf("generation %d is shown last", last.Generation)
	}
	if got := r.State(); got.Root.Generation != 2 || got.Err != nil || got.Seen.IsZero() || got.Taken.IsZero() {
		t.Errorf("state %+v", got)
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	// Another process continues, with one request.
	before = len(counted.Requests())
	again, err := s.open(counted)
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	if n := len(counted.Requests()) - before; n != 1 || again.State().Root.Generation != 2 {
		t.Errorf("%d requests after a restart, generation %d", n, again.State().Root.Generation)
	}
}

// A site that was off for a month, in which the index was squashed, the chain of its
// bundles begun again, and bundles written together, has everything after one step.
func TestOffForAMonth(t *testing.T) {
	p := replicatest.New(t, bucket.Memory(), "foo 1.0.0")
	s := newSite(t, p)
	if err := s.mustOpen().Close(); err != nil {
		t.Fatal(err)
	}
	for day := range 8 {
		if day == 3 {
			p.Squash()
		}
		if day == 6 {
			p.Root.Index = root.Index{}
		}
		p.Publish(fmt.Sprintf("foo 1.0.%d", day+1))
	}
	small := p.Root.Bundles[1:]
	p.Root.Bundles = p.Root.Bundles[:1:1]
	p.Bundle(p.Reg.IDs()[1:]...)
	p.Replace()
	for _, f := range small {
		if err := p.Bucket.Remove(t.Context(), root.Key(root.BundlesDir, f.Name)); err != nil {
			t.Fatal(err)
		}
	}
	r := s.mustOpen()
	if err := r.State().Err; err != nil {
		t.Fatal(err)
	}
	s.wantCommit()
	if got := s.said(); len(got) != 10 {
		t.Errorf("%d versions, want 9", len(got)-1)
	}
	for _, id := range []string{"foo 1.0.0 in bundle-0000", "foo 1.0.4 in bundle-0009", "foo 1.0.8 in bundle-0009"} {
		id, bundle, _ := strings.Cut(id, " in ")
		if got := s.where(id); !strings.HasPrefix(got, bundle) {
			t.Errorf("%s is at %q, want %s", id, got, bundle)
		}
	}
}

// Bundles that the root does not name any more leave the catalog, once what they held
// has another place; and what is in another bundle as well is found there.
func TestBundleGoes(t *testing.T) {
	p := replicatest.New(t, bucket.Memory(), "foo 1.0.0\nbar 1.0.0")
	ids := p.Reg.IDs() // bar, foo
	second := p.Bundle(ids...)
	p.Replace()
	s := newSite(t, p)
	var shown [][]string
	r, err := Open(t.Context(), Config{Dirs: s.dirs, Bucket: p.Bucket, Show: func(r *root.Root) { shown = append(shown, names(r.Bundles)) }})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if got := s.where("foo 1.0.0"); !strings.HasPrefix(got, second) {
		t.Fatalf("foo is at %q", got)
	}
	p.Root.Bundles = p.Root.Bundles[:1:1]
	third := p.Bundle(ids[0])
	p.Replace()
	shown = nil
	step(t, r)
	if got := s.where("bar 1.0.0"); !strings.HasPrefix(got, third) && !strings.HasPrefix(got, "bundle-0000") {
		t.Errorf("bar is at %q", got)
	}
	if got := s.where("foo 1.0.0"); !strings.HasPrefix(got, "bundle-0000") {
		t.Errorf("foo is at %q, and the first bundle still has it", got)
	}
	if first, last := shown[0], shown[len(shown)-1]; !slices.Contains(first, second) || slices.Contains(last, second) {
		t.Errorf("shown while it was taken: %v, in the end: %v", first, last)
	}
	p.Root.Bundles = nil
	p.Bundle(ids[0])
	p.Replace()
	step(t, r)
	if got := s.said(); len(got) != 2 || s.where("bar 1.0.0") == "" {
		t.Errorf("foo is gone from the bucket: %v", got)
	}
}

// A snapshot saves the lists: of the bundles that it knows none is read. One that is
// not good costs the time that it would have saved, and nothing else.
func TestSnapshot(t *testing.T) {
	for _, good := range []bool{true, false} {
		t.Run(fmt.Sprint(good), func(t *testing.T) {
			p := replicatest.New(t, bucket.Memory(), "foo 1.0.0\nbar 1.0.0")
			p.Publish("foo 1.1.0")
			writer := newSite(t, p)
			if err := writer.mustOpen().Close(); err != nil {
				t.Fatal(err)
			}
			p.Snapshot(writer.dirs.Catalog())
			if !good {
				p.Root.Catalog.SHA256[0] ^= 1
			}
			p.Publish("foo 1.2.0")
			counted := buckettest.NewFaulty(p.Bucket)
			s := newSite(t, p)
			r, err := s.open(counted)
			if err != nil {
				t.Fatal(err)
			}
			defer r.Close()
			lists := 0
			for _, request := range counted.Requests() {
				if strings.Contains(request, ".manifest.jsonl") {
					lists++
				}
			}
			if want := map[bool]int{true: 1, false: 3}[good]; lists != want {
				t.Errorf("%d lists were read, want %d: %q", lists, want, counted.Requests())
			}
			if got := s.said(); len(got) != 5 {
				t.Errorf("said: %q", got)
			}
			s.wantCommit()
		})
	}
}

// While the bucket is away, what was taken is served; with nothing taken there is
// nothing to serve.
func TestBucketAway(t *testing.T) {
	p := replicatest.New(t, bucket.Memory(), "foo 1.0.0")
	s := newSite(t, p)
	away := buckettest.NewFaulty(p.Bucket).At(1, buckettest.Kill)
	if _, err := s.open(away); !errors.Is(err, buckettest.ErrInjected) {
		t.Fatalf("with nothing taken: %v", err)
	}
	if err := s.mustOpen().Close(); err != nil {
		t.Fatal(err)
	}
	before := s.said()
	p.Publish("foo 1.1.0")
	r, err := s.open(buckettest.NewFaulty(p.Bucket).At(1, buckettest.Kill))
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if got := r.State(); got.Err == nil || got.Behind.IsZero() || got.Root.Generation != 1 {
		t.Errorf("state %+v", got)
	}
	if got := s.said(); !slices.Equal(got, before) {
		t.Errorf("said %q, before %q", got, before)
	}
	if _, err := newSite(t, p).open(bucket.Memory()); !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), "there is no mirror in mem:") {
		t.Errorf("an empty bucket: %v", err)
	}
}

// silent is a bucket whose requests never end.
type silent struct{ bucket.Reader }

func (silent) Get(ctx context.Context, key string, _ bucket.Ask) (io.ReadCloser, bucket.Object, error) {
	<-ctx.Done()
	return nil, bucket.Object{Key: key}, ctx.Err()
}

// A bucket that does not answer does not delay serving for long, and is reported while it
// is asked, which may take minutes.
func TestSilentBucket(t *testing.T) {
	p := replicatest.New(t, bucket.Memory(), "foo 1.0.0")
	s := newSite(t, p)
	if err := s.mustOpen().Close(); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithTimeout(t.Context(), 20*time.Second)
	defer stop()
	r, err := Open(ctx, Config{Dirs: s.dirs, Bucket: silent{p.Bucket}, Owner: durable.Self("test"), Patience: 50 * time.Millisecond})
	if err != nil || ctx.Err() != nil {
		t.Fatal(err, ctx.Err())
	}
	defer r.Close()
	if got := r.State(); got.Err == nil || got.Behind.IsZero() || got.Root.Generation != 1 {
		t.Errorf("state %+v", got)
	}

	synctest.Test(t, func(t *testing.T) {
		r := &Replica{cfg: Config{Bucket: silent{p.Bucket}, Patience: time.Minute, Log: slog.New(slog.DiscardHandler)}}
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan error)
		go func() {
			_, err := r.Step(ctx)
			done <- err
		}()
		time.Sleep(time.Minute - 1)
		if got := r.State(); got.Err != nil {
			t.Errorf("too early: %v", got.Err)
		}
		time.Sleep(2 * time.Nanosecond)
		synctest.Wait()
		if got := r.State(); got.Err != errSilent || got.Behind.IsZero() {
			t.Errorf("state %+v", got)
		}
		stop()
		if err := <-done; err == nil {
			t.Error("no error")
		}
	})
}

// Cut off at any request, the next process has it all in the end.
func TestCutOffAnywhere(t *testing.T) {
	p := replicatest.New(t, bucket.Memory(), "foo 1.0.0\nbar 1.0.0")
	first := newSite(t, p)
	if err := first.mustOpen().Close(); err != nil {
		t.Fatal(err)
	}
	p.Snapshot(first.dirs.Catalog())
	p.Publish("foo 1.1.0")
	whole := newSite(t, p)
	whole.mustOpen()
	want := whole.said()
	start, step := durabletest.Every(4, nil)
	for n := 1 + start; ; n += step {
		s := newSite(t, p)
		faulty := buckettest.NewFaulty(p.Bucket).At(n, buckettest.Kill)
		r, err := s.open(faulty)
		if err == nil {
			if err := r.Close(); err != nil {
				t.Error(err)
			}
			if n < 4 {
				t.Errorf("%d requests were all", n-1)
			}
			return
		}
		if got := s.said(); len(got) != 0 && !slices.Equal(got, want) && len(got) > 3 {
			t.Errorf("cut off at request %d: %q", n, got)
		}
		s.mustOpen()
		if got := s.said(); !slices.Equal(got, want) {
			t.Errorf("cut off at request %d, and again:\n%q\nwant\n%q", n, got, want)
		}
	}
}

// A folder has one keeper, and a mirror of its own is not taken over.
func TestWhoseFolder(t *testing.T) {
	p := replicatest.New(t, bucket.Memory(), "foo 1.0.0")
	s := newSite(t, p)
	s.mustOpen()
	if _, err := s.open(p.Bucket); !errors.As(err, new(*durable.HeldError)) {
		t.Errorf("a second keeper: %v", err)
	}
	own := newSite(t, p)
	w, err := home.Open(t.Context(), home.Config{Dirs: own.dirs, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := own.open(p.Bucket); !errors.As(err, new(*ForeignError)) {
		t.Errorf("a mirror of its own: %v", err)
	}
}
