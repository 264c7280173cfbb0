package extract

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/store/loose"
)

// BenchmarkExtract extracts 2,000 crates of 100 KB from a bundle of each format to
// the disk of temporary files:
//
//	TMPDIR=DIR go test ./internal/extract -run '^$' -bench Extract -benchtime 5x
func BenchmarkExtract(b *testing.B) {
	var all []item
	for i := range 2000 {
		all = append(all, item{ID: crate.ID{Name: fmt.Sprintf("crate-%d", i), Version: "1.0.0"}, Data: noise(100_000, uint64(i))})
	}
	for format, build := range formats {
		b.Run(format, func(b *testing.B) {
			m := newMedia(b)
			m.manifest(all)
			data := build(b, all)
			m.write(name, data)
			b.SetBytes(int64(len(data)))
			dir := b.TempDir()
			for n := 0; b.Loop(); n++ {
				to := filepath.Join(dir, fmt.Sprint(n))
				extractOnce(b, m, to)
				b.StopTimer()
				must(b, os.RemoveAll(to))
				b.StartTimer()
			}
		})
	}
}

func extractOnce(b *testing.B, m *media, to string) {
	out, err := durable.Create(to)
	must(b, err)
	defer out.Close()
	files, err := loose.Open(out, loose.Batch)
	must(b, err)
	s, err := Run(context.Background(), Config{Bundles: m.mem, Names: []string{name}, Store: files, Out: out})
	must(b, err)
	if s.Extracted != 2000 {
		b.Fatalf("%d crates, %v", s.Extracted, s.Problems)
	}
}
