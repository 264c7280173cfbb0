package bundled

import (
	"context"
	"crypto/sha256"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/bundle"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/bundle/bundletest"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/catalog"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/store"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/store/loose"
)

var (
	benchMB  = flag.Int64("bundle-mb", 64, "size of the bundle of BenchmarkOneCrate, MB")
	benchDir = flag.String("bundle-dir", "", "folder to make it in; default: a temporary one")
)

// BenchmarkOneCrate takes crates of 40 KB at random out of one bundle: asks the
// catalog where, opens, reads and hashes. With 8 GB:
//
//	go test ./internal/store/bundled -run '^$' -bench OneCrate -benchtime 5000x -bundle-mb 8000 -bundle-dir DIR
//
// In "first" nothing is open yet but the catalog; in "next" bundle and catalog are.
func BenchmarkOneCrate(b *testing.B) {
	dir, err := os.MkdirTemp(*benchDir, "clonecratesio-bench-")
	if err != nil {
		b.Fatal(err)
	}
	defer os.RemoveAll(dir)
	folder, err := durable.Create(dir)
	if err != nil {
		b.Fatal(err)
	}
	defer folder.Close()
	sums := fillBundle(b, folder)
	cat := catalogOf(b, folder)
	take := func(s *ReadOnly) time.Duration {
		id := id(rand.IntN(len(sums)))
		start := time.Now()
		if sum := takeOne(b, s, cat, id); sum != sums[id] {
			b.Fatalf("%v has sha256 %v", id, sum)
		}
		return time.Since(start)
	}
	b.Run("first", func(b *testing.B) {
		var took []time.Duration
		for b.Loop() {
			s := OpenReadOnly(folder, loose.OpenReadOnly(folder))
			took = append(took, take(s))
			s.Close()
		}
		report(b, took)
	})
	b.Run("next", func(b *testing.B) {
		s := OpenReadOnly(folder, loose.OpenReadOnly(folder))
		defer s.Close()
		var took []time.Duration
		for b.Loop() {
			took = append(took, take(s))
		}
		report(b, took)
	})
}

func report(b *testing.B, took []time.Duration) {
	slices.Sort(took)
	ms := func(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
	b.ReportMetric(ms(took[len(took)/2]), "median-ms")
	b.ReportMetric(ms(took[len(took)*99/100]), "p99-ms")
	b.ReportMetric(ms(took[len(took)-1]), "max-ms")
}

// fillBundle makes a bundle of 16 crates of 40 KB for every 10 MB of filling, which
// is one large crate again and again.
func fillBundle(b *testing.B, folder durable.FS) map[crate.ID]crate.Checksum {
	b.Helper()
	w, err := bundle.Create(folder, bundle.FileName(0))
	if err != nil {
		b.Fatal(err)
	}
	filling, err := bundle.Encode(nil, crate.ID{Name: "filling", Version: "1.0.0"}, bundletest.Noise(10<<20, 1))
	sums := map[crate.ID]crate.Checksum{}
	for err == nil && w.Summary().FileSize < *benchMB*1e6 {
		for range 16 {
			var f bundle.Frame
			if f, err = bundle.Encode(nil, id(len(sums)), bundletest.Noise(40_000, uint64(len(sums)))); err == nil {
				sums[f.ID] = f.Checksum
				_, err = w.Append(f)
			}
		}
		if err == nil {
			_, err = w.Append(filling)
		}
	}
	if err == nil {
		_, err = w.Finish()
	}
	if err == nil {
		err = w.Publish()
	}
	if err != nil {
		b.Fatal(err)
	}
	return sums
}

// catalogOf makes a catalog of a folder, as a run without -bundle does.
func catalogOf(b *testing.B, folder durable.FS) *catalog.Catalog {
	b.Helper()
	cat, err := catalog.Open(filepath.Join(b.TempDir(), "catalog.db"))
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { cat.Close() })
	f, err := folder.Open(bundle.FileName(0))
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		b.Fatal(err)
	}
	r, err := bundle.Open(f, info.Size())
	if err != nil {
		b.Fatal(err)
	}
	var rows []catalog.Version
	for m, err := range r.Members() {
		if err != nil {
			b.Fatal(err)
		}
		rows = append(rows, catalog.Version{
			ID: m.ID, Checksum: m.Checksum, Size: m.Size, Placement: store.Placement{Bundle: bundle.FileName(0), Offset: m.Offset, FrameSize: m.FrameSize},
		})
	}
	if err := cat.Adopt(context.Background(), rows); err != nil {
		b.Fatal(err)
	}
	return cat
}

// takeOne returns the checksum of a crate.
func takeOne(b *testing.B, s *ReadOnly, cat *catalog.Catalog, id crate.ID) (sum crate.Checksum) {
	held, err := cat.Versions(context.Background(), id.Name)
	if err != nil || len(held) != 1 {
		b.Fatalf("%v: %v, %v", id, held, err)
	}
	c, err := s.Open(b.Context(), crate.Key{ID: id}, store.Placement{Bundle: held[0].Bundle, Offset: held[0].Offset, FrameSize: held[0].FrameSize})
	if err != nil {
		b.Fatal(err)
	}
	defer c.Close()
	h := sha256.New()
	if n, err := io.Copy(h, c); err != nil || n != c.Size() {
		b.Fatal(fmt.Errorf("%v: %d bytes, %w", id, n, err))
	}
	h.Sum(sum[:0])
	return sum
}
