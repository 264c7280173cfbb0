package replica

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/bucket"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/replica/replicatest"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/root"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/simreg"
)

// pack adds versions of a crate to the mirror, in a segment alone.
func pack(p *replicatest.Publisher, versions string) string {
	p.Reg.Add(simreg.MustParse(versions)...)
	p.Commit()
	var ids []crate.ID
	for line := range strings.Lines(versions) {
		ids = append(ids, id(strings.TrimSpace(line)))
	}
	return p.Segment(ids...)
}

// What came in a segment of the deep archive is served with the root that names it: the
// segment itself says what is in it.
func TestSegmentComes(t *testing.T) {
	p := fixture(t)
	w := watch(t, p)
	name := pack(p, "deep 1.0.0\ndeep 1.1.0")
	p.Publish("")
	step(t, w.Replica)
	if got := w.where("deep 1.1.0"); !strings.Contains(got, name) {
		t.Errorf("deep 1.1.0 is at %q", got)
	}
	w.wantCrate("deep 1.0.0")
	w.wantCrate("deep 1.1.0")
	before := len(w.bucket.Requests())
	p.Publish("foo 1.1.0")
	step(t, w.Replica)
	for _, asked := range w.bucket.Requests()[before:] {
		if strings.Contains(asked, name) {
			t.Errorf("a segment that is known is read again: %q", asked)
		}
	}
	// Another one has the same versions, and goes again: they are where they were.
	other := p.Segment(id("deep 1.0.0"), id("deep 1.1.0"))
	p.Replace()
	step(t, w.Replica)
	if got := w.where("deep 1.1.0"); !strings.Contains(got, other) {
		t.Errorf("deep 1.1.0 is at %q", got)
	}
	p.Root.Segments = p.Root.Segments[:1:1]
	p.Replace()
	step(t, w.Replica)
	w.wantCrate("deep 1.1.0")
}

// A segment that does not have what the root says has nothing published; of one that is
// damaged, what can be read is served.
func TestSegmentIsWrong(t *testing.T) {
	p := fixture(t)
	s := newSite(t, p)
	r := s.mustOpen()
	before := s.said()
	name := pack(p, "deep 1.0.0\ndeep 1.1.0")
	file := &p.Root.Segments[0]
	for what, lie := range map[string]func(){
		"more crates":  func() { file.Entries++ },
		"fewer crates": func() { file.Entries-- },
		"other bytes":  func() { file.Bytes++ },
	} {
		was := *file
		lie()
		p.Replace()
		if _, err := r.Step(t.Context()); !errors.As(err, new(*ListError)) || len(s.said()) != len(before) {
			t.Errorf("%s: %v, said %q", what, err, s.said())
		}
		*file = was
	}
	good := p.Get(root.Key(root.DeepDir, name))
	bad := bytes.Clone(good)
	bad[len(bad)-1] ^= 1 // of the seek table
	put(t, p, root.Key(root.DeepDir, name), bad)
	p.Replace()
	step(t, r)
	if got := s.where("deep 1.1.0"); !strings.Contains(got, name) {
		t.Errorf("of a damaged segment: %q", s.said())
	}
	bad[20] ^= 1 // and of the only directory
	put(t, p, root.Key(root.DeepDir, name), bad)
	p.Publish("foo 1.1.0")
	step(t, r)
	if s.where("foo 1.1.0") == "" || s.where("deep 1.1.0") == "" {
		t.Errorf("said %q", s.said())
	}
	put(t, p, root.Key(root.DeepDir, name), good)
	p.Publish("foo 1.2.0")
	step(t, r)
	known, err := r.writer.Catalog.Segments(t.Context())
	if err != nil || len(known) != 1 || !known[0].Whole || known[0].Entries != 2 {
		t.Errorf("after the repair: %+v, %v", known, err)
	}
}

// A bucket that goes away in the middle of a segment has it taken later.
func TestSegmentIsAway(t *testing.T) {
	p := replicatest.New(t, bucket.Memory(), "foo 1.0.0")
	s := newSite(t, p)
	r := s.mustOpen()
	name := pack(p, "deep 1.0.0")
	data := p.Get(root.Key(root.DeepDir, name))
	if err := p.Bucket.Remove(t.Context(), root.Key(root.DeepDir, name)); err != nil {
		t.Fatal(err)
	}
	p.Publish("")
	for range 2 {
		if changed, err := r.Step(t.Context()); changed || err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("Step = %t, %v", changed, err)
		}
	}
	put(t, p, root.Key(root.DeepDir, name), data)
	step(t, r)
	if s.where("deep 1.0.0") == "" {
		t.Errorf("said %q", s.said())
	}
}
