package replicate

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/bucket"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/bucket/buckettest"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/deep"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable/durabletest"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/replica/replicatest"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/root"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/simreg"
)

// packed is a mirror with the versions of deep in a segment alone.
func packed(t *testing.T) *replicatest.Publisher {
	p := replicatest.New(t, bucket.Memory(), "foo 1.0.0")
	p.Reg.Add(simreg.MustParse("deep 1.0.0\ndeep 1.1.0")...)
	p.Commit()
	p.Segment(deepID("1.0.0"), deepID("1.1.0"))
	p.Publish("")
	return p
}

func deepID(version string) crate.ID { return crate.ID{Name: "deep", Version: version} }

// A segment comes once, and what is in it is held and verified.
func TestSegment(t *testing.T) {
	p := packed(t)
	site := newPuller(t, p.Git)
	if r := site.mustRun(p.Bucket); r.Segments != 1 || r.Bundles != 1 || r.Versions != 3 || len(r.Refused) > 0 {
		t.Errorf("%+v", r)
	}
	site.wantHeld(p, p.Reg.IDs()...)
	got, err := os.ReadFile(filepath.Join(site.dirs.Deep, deep.FileName(0)))
	if want := p.Get(root.Key(root.DeepDir, p.Root.Segments[0].Name)); err != nil || !bytes.Equal(got, want) {
		t.Errorf("%d bytes, %v; want %d", len(got), err, len(want))
	}
	counted := buckettest.NewFaulty(p.Bucket)
	if r := site.mustRun(counted); r.SegmentsHere != 1 || r.Segments != 0 || len(counted.Requests()) != 1 {
		t.Errorf("the second time: %+v, %d requests", r, len(counted.Requests()))
	}
}

// Cut off at any request, the next run resumes a segment, and it is stored once.
func TestSegmentCutOffAnywhere(t *testing.T) {
	p := packed(t)
	first, step := durabletest.Every(6, nil)
	for n := 1 + first; ; n += step {
		site := newPuller(t, p.Git)
		_, err := site.run(buckettest.NewFaulty(p.Bucket).At(n, buckettest.Truncated))
		site.mustRun(p.Bucket)
		site.wantHeld(p, p.Reg.IDs()...)
		if names, globErr := filepath.Glob(filepath.Join(site.dirs.Deep, "*.zst*")); globErr != nil || len(names) != 1 {
			t.Errorf("cut off at request %d: %q, %v", n, names, globErr)
		}
		if err == nil && n > 8 {
			return
		}
	}
}

// A segment that is not what its root says, or has other bytes than the index names or
// the site holds, is refused as a whole, and the bundles come.
func TestLyingSegment(t *testing.T) {
	reforge := func(p *replicatest.Publisher, change func([]byte)) {
		f := &p.Root.Segments[0]
		data := bytes.Clone(p.Get(root.Key(root.DeepDir, f.Name)))
		change(data)
		f.SHA256 = p.Put(root.DeepDir, f.Name, data).SHA256
	}
	for name, tt := range map[string]struct {
		lie  func(*replicatest.Publisher)
		want string
	}{
		"flipped byte, right hash":         {func(p *replicatest.Publisher) { reforge(p, func(b []byte) { b[len(b)/2] ^= 1 }) }, "damage"},
		"no segment":                       {func(p *replicatest.Publisher) { reforge(p, func(b []byte) { clear(b) }) }, "not a deep segment"},
		"not what the root names":          {func(p *replicatest.Publisher) { p.Root.Segments[0].SHA256[3] ^= 1 }, "is not what its root names"},
		"more than the root says":          {func(p *replicatest.Publisher) { p.Root.Segments[0].Entries-- }, "more than 1 crates are in it"},
		"fewer than the root says":         {func(p *replicatest.Publisher) { p.Root.Segments[0].Entries++ }, "2 crates of"},
		"other bytes than the index names": {func(p *replicatest.Publisher) { p.Reg.ReplaceBytes(deepID("1.1.0")); p.Commit() }, "deep 1.1.0 has sha256"},
	} {
		t.Run(name, func(t *testing.T) {
			p := packed(t)
			tt.lie(p)
			p.Replace()
			site := newPuller(t, p.Git)
			r := site.mustRun(p.Bucket)
			if len(r.Refused) != 1 || !strings.Contains(r.Refused[0].Err.Error(), tt.want) || r.Verdict() == nil {
				t.Fatalf("refused %v, want one about %q", r.Refused, tt.want)
			}
			site.wantHeld(p, crate.ID{Name: "foo", Version: "1.0.0"})
			if rows := site.rows(); len(rows) != 1 {
				t.Errorf("%+v", rows)
			}
			if names, err := filepath.Glob(filepath.Join(site.dirs.Deep, "*.zst*")); err != nil || len(names) > 0 {
				t.Errorf("left: %q, %v", names, err)
			}
		})
	}
}

// Bytes that a version had before it was published again are in a segment, and its later
// ones in another segment or in a bundle, in any order.
func TestRepublishedSegment(t *testing.T) {
	again := deepID("1.1.0")
	for name, later := range map[string]func(*replicatest.Publisher){
		"in a bundle":  func(p *replicatest.Publisher) { p.Bundle(again) },
		"in a segment": func(p *replicatest.Publisher) { p.Segment(again) },
		"in the segment before": func(p *replicatest.Publisher) {
			p.Segment(again)
			slices.Reverse(p.Root.Segments)
			for i := range p.Root.Segments {
				f := &p.Root.Segments[i]
				data := p.Get(root.Key(root.DeepDir, f.Name))
				f.Name = deep.FileName(10 + i)
				p.Put(root.DeepDir, f.Name, data)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			p := packed(t)
			was, err := p.Reg.Checksum(again)
			if err != nil {
				t.Fatal(err)
			}
			p.Reg.ReplaceBytes(again)
			p.Commit()
			later(p)
			p.Publish("")
			site := newPuller(t, p.Git)
			if r := site.mustRun(p.Bucket); len(r.Refused) > 0 {
				t.Fatal(r.Refused)
			}
			site.wantHeld(p, p.Reg.IDs()...)
			kept := false
			for _, row := range site.rows() {
				kept = kept || row.Checksum == was && !row.SupersededAt.IsZero()
			}
			if !kept {
				t.Errorf("what it was is not kept: %+v", site.rows())
			}
		})
	}
}
