package catalog

import (
	"fmt"
	"testing"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
)

// BenchmarkHoldings reads 10,000 crates with nine versions each, all in a bundle. A run over
// an unchanged index begins with this.
func BenchmarkHoldings(b *testing.B) {
	const crates, versions = 10_000, 9
	c, _ := tempCatalog(b)
	var batch Batch
	for i := range crates {
		name := fmt.Sprintf("crate-%05d", i)
		batch.Crates = append(batch.Crates, Crate{Path: crate.IndexPath(name), Blob: fmt.Sprintf("%040d", i), Yanked: true})
		for j := range versions {
			batch.Versions = append(batch.Versions, in(version(name, fmt.Sprintf("0.%d.0", j), byte(i)), "bundle-0001.tar.zst", int64(i*versions+j)))
		}
	}
	if err := c.Commit(b.Context(), batch); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		seen := 0
		for h, err := range c.Holdings(b.Context(), false) {
			if err != nil {
				b.Fatal(err)
			}
			seen += len(h.Versions)
		}
		if seen != crates*versions {
			b.Fatalf("%d versions", seen)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*crates*versions), "ns/version")
}
