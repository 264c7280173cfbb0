package mirror

import (
	"context"
	"os"
	"testing"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/index"
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
		plan, err := DryRun(context.Background(), Config{Source: FromIndex(ix, nil), IncludeYanked: true}, Held{})
		if err != nil {
			b.Fatal(err)
		}
		ix.Close()
		b.ReportMetric(float64(plan.Versions), "versions")
	}
}
