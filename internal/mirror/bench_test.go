package mirror

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/catalog"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/index"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/plan"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/runlog"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/simreg"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/store"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/store/loose"
)

// BenchmarkPlan plans over a whole index with nothing held yet:
//
//	CLONECRATESIO_INDEX=DIR go test -run - -bench Plan -benchtime 1x ./internal/mirror
func BenchmarkPlan(b *testing.B) {
	dir := os.Getenv("CLONECRATESIO_INDEX")
	if dir == "" {
		b.Skip("set CLONECRATESIO_INDEX to the folder of an index")
	}
	for range b.N {
		ix, err := index.Open(context.Background(), dir, index.Options{})
		if err != nil {
			b.Fatal(err)
		}
		totals, err := plan.DryRun(context.Background(), plan.Config{Source: plan.FromIndex(ix, nil), IncludeYanked: true}, plan.Held{}, nil)
		if err != nil {
			b.Fatal(err)
		}
		ix.Close()
		b.ReportMetric(float64(totals.Versions), "versions")
	}
}

// BenchmarkNothingNew is a run over an index whose versions are all held: 84,780 versions
// of a generated one, or those of CLONECRATESIO_INDEX, which takes as many empty files.
// TMPDIR says where.
//
//	go test -run - -bench NothingNew -benchtime 3x ./internal/mirror
func BenchmarkNothingNew(b *testing.B) {
	ctx := context.Background()
	dir := os.Getenv("CLONECRATESIO_INDEX")
	if dir == "" {
		dir = filepath.Join(b.TempDir(), "index.git")
		if _, err := simreg.Generate(84780, 64, 1).CommitIndex(ctx, dir, "generated"); err != nil {
			b.Skip(err)
		}
	}
	ix, err := index.Open(ctx, dir, index.Options{})
	if err != nil {
		b.Fatal(err)
	}
	defer ix.Close()
	out := b.TempDir()
	fsys, err := durable.Open(out)
	if err != nil {
		b.Fatal(err)
	}
	defer fsys.Close()
	st, err := loose.Open(fsys, loose.None)
	if err != nil {
		b.Fatal(err)
	}
	cat, err := catalog.Open(filepath.Join(out, loose.StateDir, "catalog.db"))
	if err != nil {
		b.Fatal(err)
	}
	defer cat.Close()
	hold(b, ix, cat, out)
	for _, news := range []bool{false, true} {
		b.Run(fmt.Sprintf("news_only=%t", news), func(b *testing.B) {
			for range b.N {
				log := runlog.Create(fsys, "manifest.jsonl")
				s, err := Run(ctx, Config{
					Config: plan.Config{Source: plan.FromIndex(ix, nil), IncludeYanked: true},
					Store:  st, Catalog: cat, Manifest: log, State: fsys, Out: out,
					URLs: crate.CratesIOURLs, NewsOnly: news,
				})
				if err != nil || s.Plan.Unchanged != s.Plan.Crates || s.Existing != s.Plan.Versions {
					b.Fatalf("%v, %+v", err, s.Plan)
				}
				b.ReportMetric(float64(s.Existing), "versions")
				log.Close()
				os.Remove(filepath.Join(out, "manifest.jsonl"))
			}
		})
	}
}

// hold makes everything that an index names held, as files without content.
func hold(b *testing.B, ix *index.Index, cat *catalog.Catalog, out string) {
	b.Helper()
	var batch catalog.Batch
	commit := func() {
		if err := cat.Commit(context.Background(), batch); err != nil {
			b.Fatal(err)
		}
		batch = catalog.Batch{}
	}
	for c, err := range ix.Crates(context.Background(), nil) {
		if err != nil {
			b.Fatal(err)
		}
		if c.Err != nil {
			continue
		}
		batch.Crates = append(batch.Crates, catalog.Crate{Path: c.Path, Blob: c.Blob.String(), Yanked: true})
		for _, e := range c.Entries {
			batch.Versions = append(batch.Versions, catalog.Version{
				ID: e.ID, Checksum: e.Checksum, Placement: store.Placement{Loose: true}, Yanked: e.Yanked, Listed: true, VerifiedAt: time.Now(),
			})
			if err := touch(out, e.ID); err != nil {
				b.Fatal(err)
			}
		}
		if len(batch.Versions) > 10_000 {
			commit()
		}
	}
	commit()
}

func touch(out string, id crate.ID) error {
	file := filepath.Join(out, filepath.FromSlash(id.LoosePath()))
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return err
	}
	return os.WriteFile(file, nil, 0o644)
}
