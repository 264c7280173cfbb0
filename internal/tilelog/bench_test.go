package tilelog

import (
	"flag"
	"testing"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
)

var benchLeaves = flag.Int64("leaves", 20000, "leaves of the tree of benchmarks; crates.io has 1700000")

// BenchmarkTree makes a log at once, on the disk; BenchmarkDay appends what comes in
// a day of crates.io to it, each iteration.
func BenchmarkTree(b *testing.B) {
	for b.Loop() {
		if err := appendTo(folder(b), *benchLeaves, 1); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkDay(b *testing.B) {
	fsys := folder(b)
	if err := appendTo(fsys, *benchLeaves, 1); err != nil {
		b.Fatal(err)
	}
	const perDay = 1500
	size, day := *benchLeaves, 2
	for b.Loop() {
		size += perDay
		if err := appendTo(fsys, size, day); err != nil {
			b.Fatal(err)
		}
		day++
	}
}

func folder(b *testing.B) durable.FS {
	b.Helper()
	fsys, err := durable.Open(b.TempDir())
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = fsys.Close() })
	return fsys
}
