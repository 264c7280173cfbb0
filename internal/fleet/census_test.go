package fleet

import (
	"bytes"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/bucket"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/replica/replicatest"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/work/worktest"
)

// count returns the census of what a publisher has published.
func count(t *testing.T, in bucket.Bucket) *Counted {
	t.Helper()
	r := read(t, in)
	ix, done, err := OpenIndex(t.Context(), in, r, t.TempDir(), slog.New(slog.DiscardHandler))
	must(t, err)
	c, err := Census{Bucket: in, Root: r, Index: ix, Scratch: t.TempDir()}.Count(t.Context())
	must(t, err)
	must(t, done())
	return c
}

func ids(p *replicatest.Publisher, has func(crate.ID) bool) (list []crate.ID) {
	for _, id := range p.Reg.IDs() {
		if has(id) {
			list = append(list, id)
		}
	}
	return list
}

func TestCensus(t *testing.T) {
	in := bucket.Memory()
	p := replicatest.New(t, in, some)
	c := count(t, in)
	if c.Verdict() != nil || c.Named != 6 || c.Held != 6 || c.Bundled != 6 || c.Packed != 0 || !slices.Equal(c.Shards, []string{""}) {
		t.Errorf("%+v, %v", c, c.Verdict())
	}

	// A version that is also packed counts once, not as doubled: bundles stay when their
	// versions are packed.
	q := new(worktest.Queue)
	workers(t, in, q)
	run(t, job(t, in, q, Repack))
	if c = count(t, in); c.Verdict() != nil || c.Held != 6 || c.Packed != 6 {
		t.Errorf("%+v, %v", c, c.Verdict())
	}

	// A version that was published and not downloaded, one that is stored twice, and one in
	// the wrong shard.
	p.Root = read(t, in)
	p.Root.Bundles = p.Root.Bundles[:0]
	segments := p.Root.Segments
	p.Root.Segments = nil
	p.Bundle(ids(p, func(id crate.ID) bool { return id.Name != "tokio" })...)
	p.Bundle(ids(p, func(id crate.ID) bool { return id.Name == "serde" && id.Version != "1.1.0" })...)
	p.Replace()
	c = count(t, in)
	if want := map[string]int64{Missing: 1, Doubled: 2}; !maps.Equal(c.Counts, want) || c.Verdict() == nil {
		t.Errorf("%v, want %v: %v", c.Counts, want, c.Verdict())
	}
	var out bytes.Buffer
	must(t, c.Print(&out))
	for _, want := range []string{"missing: tokio 1.0.0\n", "doubled: serde 1.0.0 in bundle-0001.tar.zst, bundle-0002.tar.zst\n", "5 of 6 versions that the index names"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("it does not say %q:\n%s", want, out.String())
		}
	}
	p.Root.Segments = segments
	p.Replace()
	if c = count(t, in); c.Counts[Missing] != 0 {
		t.Errorf("what is in the deep archive alone is missing: %v", c.Findings)
	}
	p.Root.Bundles[0].Shard = "1/2" // which has Inflector and tokio
	p.Replace()
	if c = count(t, in); c.Counts[Foreign] != 4 || !slices.Equal(c.Shards, []string{"", "1/2"}) {
		t.Errorf("%v of shards %q", c.Counts, c.Shards)
	}
}

// TestCensusOfWrongList checks that the census fails if a list is not the one that the root
// names.
func TestCensusOfWrongList(t *testing.T) {
	in := bucket.Memory()
	replicatest.New(t, in, some)
	r := read(t, in)
	ix, done, err := OpenIndex(t.Context(), in, r, t.TempDir(), slog.New(slog.DiscardHandler))
	must(t, err)
	defer done()
	damage(t, in, "bundles/"+r.Bundles[0].Lists[0].Name, 12)
	_, err = Census{Bucket: in, Root: r, Index: ix, Scratch: t.TempDir()}.Count(t.Context())
	if err == nil || !strings.Contains(err.Error(), "cannot be used") {
		t.Errorf("%v", err)
	}
}
