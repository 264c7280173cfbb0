package replica

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/bucket"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/replica/replicatest"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/root"
)

// Nothing of a bucket with forged answers, of any kind, is published; the error says what
// is wrong, and a later honest answer is taken.
func TestHostileBucket(t *testing.T) {
	p := fixture(t)
	s := newSite(t, p)
	r := s.mustOpen()
	before := s.said()
	p.Release("foo 1.1.0")
	p.Index()
	honest, objects := p.Root, map[string][]byte{}
	for _, key := range []string{root.Key(root.BundlesDir, honest.Bundles[1].Lists[0].Name), root.Key(root.IndexDir, honest.Index.Chain[1].Name)} {
		objects[key] = p.Get(key)
	}
	last := func(p *replicatest.Publisher) *root.File { return &p.Root.Bundles[len(p.Root.Bundles)-1] }
	// list puts another list in the place of the last one, which the root then names.
	list := func(change func([]byte) []byte) func(*replicatest.Publisher) {
		return func(p *replicatest.Publisher) {
			f := last(p)
			f.Lists = []root.File{p.Put(root.BundlesDir, f.Lists[0].Name, change(p.Get(root.Key(root.BundlesDir, f.Lists[0].Name))))}
		}
	}
	swap := func(old, new string) func(*replicatest.Publisher) {
		return list(func(b []byte) []byte { return bytes.ReplaceAll(b, []byte(old), []byte(new)) })
	}
	for name, tt := range map[string]struct {
		lie  func(*replicatest.Publisher)
		want string
	}{
		"list with another checksum":   {func(p *replicatest.Publisher) { last(p).Lists[0].SHA256[0] ^= 1 }, "is not what its root names"},
		"list with another size":       {func(p *replicatest.Publisher) { last(p).Lists[0].Size++ }, "is not what its root names"},
		"list that is not there":       {func(p *replicatest.Publisher) { last(p).Lists[0].Name = "bundle-0001-x-to-y.manifest.jsonl" }, "file does not exist"},
		"list of a terabyte":           {func(p *replicatest.Publisher) { last(p).Lists[0].Size = 1 << 40 }, "are the most"},
		"no list":                      {func(p *replicatest.Publisher) { last(p).Lists = nil }, "there is no list"},
		"more crates than in the list": {func(p *replicatest.Publisher) { last(p).Entries++ }, "the root says"},
		"other bytes than in the list": {func(p *replicatest.Publisher) { last(p).Bytes-- }, "the root says"},
		"line that is none":            {list(func(b []byte) []byte { return append(b, "{}\n"...) }), "line 2"},
		"list of another bundle":       {swap("bundle-0001", "bundle-0000"), "is said to be in bundle-0000"},
		"name that leads elsewhere":    {swap("foo-1.1.0.crate", "../../x-1.1.0.crate"), "line 1"},
		"offset beyond the bundle":     {swap(`"offset":0`, `"offset":999999999`), "the bundle has"},
		"offset that overflows":        {swap(`"offset":0`, `"offset":9223372036854775000`), "line 1"},
		"negative offset":              {swap(`"offset":0`, `"offset":-1`), "line 1"},
		"bundle that has changed":      {func(p *replicatest.Publisher) { p.Root.Bundles[0].SHA256[0] ^= 1 }, "bundles never change"},
		"index with another checksum":  {func(p *replicatest.Publisher) { p.Root.Index.Chain[1].SHA256[0] ^= 1 }, "is not what its root names"},
		"index that is no bundle": {func(p *replicatest.Publisher) {
			link := &p.Root.Index.Chain[1]
			*link = p.Put(root.IndexDir, link.Name, []byte("# v2 git bundle\n\n"))
		}, "no git bundle of an index"},
		"index of another commit": {func(p *replicatest.Publisher) {
			was, link := p.Root.Index.Chain[0], &p.Root.Index.Chain[1]
			*link = p.Put(root.IndexDir, link.Name, p.Get(root.Key(root.IndexDir, was.Name)))
		}, "it is of"},
		"older root":             {func(p *replicatest.Publisher) { p.Root.Generation = -1 }, "not a root of this program"},
		"root of another mirror": {func(p *replicatest.Publisher) { p.Root.ID = "other" }, "another mirror"},
	} {
		t.Run(name, func(t *testing.T) {
			p.Root = copied(honest)
			tt.lie(p)
			p.Replace()
			if changed, err := r.Step(t.Context()); changed || err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("Step = %t, %v; want an error about %q", changed, err, tt.want)
			}
			if got := s.said(); !slices.Equal(got, before) {
				t.Errorf("said %q, before %q", got, before)
			}
			if state := r.State(); state.Err == nil || state.Root.Generation != 1 {
				t.Errorf("state %+v", state)
			}
			for key, data := range objects {
				put(t, p, key, data)
			}
		})
	}
	p.Root = honest
	p.Replace()
	step(t, r)
	if s.where("foo 1.1.0") == "" {
		t.Errorf("said %q", s.said())
	}
	s.wantCommit()
}

// copied is a deep copy of a root.
func copied(r *root.Root) *root.Root {
	c := *r
	c.Bundles, c.Index.Chain = slices.Clone(r.Bundles), slices.Clone(r.Index.Chain)
	for i := range c.Bundles {
		c.Bundles[i].Lists = slices.Clone(c.Bundles[i].Lists)
	}
	return &c
}

// fixture is a published mirror.
func fixture(t *testing.T) *replicatest.Publisher {
	t.Helper()
	return replicatest.New(t, bucket.Memory(), "foo 1.0.0\nbar 1.0.0")
}

// A root that went back, or is another one of the same generation, is refused whatever
// it names.
func TestRootWentBack(t *testing.T) {
	p := fixture(t)
	first := p.Get(root.Name)
	p.Publish("foo 1.1.0")
	s := newSite(t, p)
	r := s.mustOpen()
	for _, lie := range []func(){
		func() { put(t, p, root.Name, first) },
		func() { p.Root.Generation = 1; p.Root.Writers[""] = root.Writer{Epoch: 1, ID: "somebody"}; p.Replace() },
	} {
		lie()
		if _, err := r.Step(t.Context()); !errors.As(err, new(*BackError)) {
			t.Errorf("Step: %v", err)
		}
	}
}

func put(t *testing.T, p *replicatest.Publisher, key string, data []byte) {
	t.Helper()
	if _, err := p.Bucket.Put(t.Context(), key, bucket.Body{Data: bytes.NewReader(data), Size: int64(len(data)), Checksum: sha256.Sum256(data)}, bucket.Always()); err != nil {
		t.Fatal(err)
	}
}
