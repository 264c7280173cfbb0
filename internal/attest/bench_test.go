package attest

import (
	"context"
	"flag"
	"fmt"
	"iter"
	"testing"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/catalog"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/index"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/store"
)

var benchVersions = flag.Int("versions", 9000, "versions of the mirror of BenchmarkAttest; crates.io has 1700000")

const versionsEach = 9 // per crate

// generated is an index that is generated while it is read.
type generated struct {
	crates, changed int // crates that have a new version
}

func (g *generated) Commit() string        { return fmt.Sprintf("%040d", g.changed) }
func (g *generated) CommitTime() time.Time { return time.Unix(1_700_000_000, 0) }

func (g *generated) keys(i int) (keys []crate.Key) {
	n := versionsEach
	if i < g.changed {
		n++
	}
	for v := range n {
		key := crate.Key{ID: crate.ID{Name: fmt.Sprintf("c%07d", i), Version: fmt.Sprintf("1.%d.0", v)}}
		key.Checksum[0], key.Checksum[1], key.Checksum[2], key.Checksum[3] = byte(i), byte(i>>8), byte(i>>16), byte(v)
		keys = append(keys, key)
	}
	return keys
}

func (g *generated) file(i int) index.File {
	f := index.File{Path: crate.IndexPath(fmt.Sprintf("c%07d", i))}
	f.Blob[0], f.Blob[1] = 1, byte(len(g.keys(i)))
	return f
}

func (g *generated) Crates(_ context.Context, want func(index.File) bool) iter.Seq2[*index.Crate, error] {
	return func(yield func(*index.Crate, error) bool) {
		for i := range g.crates {
			f := g.file(i)
			if !want(f) {
				continue
			}
			c := &index.Crate{File: f}
			for _, key := range g.keys(i) {
				c.Entries = append(c.Entries, index.Entry{ID: key.ID, Checksum: key.Checksum})
			}
			if !yield(c, nil) {
				return
			}
		}
	}
}

// hold writes the rows of crates.
func (g *generated) hold(b *testing.B, w *world, crates int) {
	b.Helper()
	const batch = 2000
	for from := 0; from < crates; from += batch {
		var rows catalog.Batch
		for i := from; i < min(crates, from+batch); i++ {
			f := g.file(i)
			rows.Crates = append(rows.Crates, catalog.Crate{Path: f.Path, Blob: f.Blob.String(), Yanked: true})
			for _, key := range g.keys(i) {
				rows.Versions = append(rows.Versions, catalog.Version{
					ID: key.ID, Checksum: key.Checksum, Size: 1, Placement: store.Placement{Loose: true}, Listed: true, VerifiedAt: w.now,
				})
			}
		}
		if err := w.catalog.Commit(b.Context(), rows); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkAttest makes the first statement of a mirror, and one after a day of crates.io,
// on disk. The index is generated, so the time to read an index is not included.
func BenchmarkAttest(b *testing.B) {
	const perDay = 1500
	for b.Loop() {
		b.StopTimer()
		w := newWorld(b)
		folder, err := durable.Open(b.TempDir())
		if err != nil {
			b.Fatal(err)
		}
		g := &generated{crates: *benchVersions / versionsEach}
		g.hold(b, w, g.crates)
		cfg := w.config(folder)
		cfg.Index = g
		b.StartTimer()
		first := run(b, cfg)
		g.changed = min(perDay, g.crates)
		b.StopTimer()
		g.hold(b, w, g.changed)
		b.StartTimer()
		b.ReportMetric(first.Seconds(), "first-s")
		b.ReportMetric(run(b, cfg).Seconds(), "day-s")
		b.StopTimer()
		_ = folder.Close()
		b.StartTimer()
	}
}

func run(b *testing.B, cfg Config) time.Duration {
	b.Helper()
	start := time.Now()
	if _, err := Run(b.Context(), cfg); err != nil {
		b.Fatal(err)
	}
	return time.Since(start)
}
