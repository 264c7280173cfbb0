package bundle

import (
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"testing"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
)

var benchID = crate.ID{Name: "serde", Version: "1.0.0"}

func BenchmarkEncodeAppend(b *testing.B) {
	for _, size := range []int{4700, 37_000, 500_000} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			fsys, err := durable.Open(b.TempDir())
			must(b, err)
			defer fsys.Close()
			w, err := Create(fsys, "b")
			must(b, err)
			defer w.Close()
			data := noise(size, 1)
			b.SetBytes(int64(size))
			b.ReportAllocs()
			var buf []byte
			empty := w.file.Mark()
			for b.Loop() {
				f, err := Encode(buf, benchID, data)
				must(b, err)
				buf = f.Encoded
				if _, err := w.Append(f); err != nil {
					b.Fatal(err)
				}
				if w.Summary().FileSize > 1<<30 { // do not fill the disk
					b.StopTimer()
					must(b, w.file.Back(empty))
					w.sum.Members = 0
					b.StartTimer()
				}
			}
		})
	}
}

// readable returns a bundle on disk.
func readable(b *testing.B, members, size int) (*Reader, []Placement, func() error) {
	b.Helper()
	all := make([]item, members)
	for i := range all {
		all[i] = item{ID: crate.ID{Name: "serde", Version: fmt.Sprintf("1.0.%d", i)}, Data: noise(size, uint64(i))}
	}
	data, _ := build(b, all)
	f, err := os.Open(writeTemp(b, data))
	must(b, err)
	r, err := Open(f, int64(len(data)))
	must(b, err)
	return r, placements(b, data), f.Close
}

func BenchmarkRandomRead(b *testing.B) {
	const size = 37_000
	r, at, done := readable(b, 2000, size)
	defer done()
	b.SetBytes(size)
	b.ReportAllocs()
	for b.Loop() {
		c, err := r.OpenMember(at[rand.IntN(len(at))])
		must(b, err)
		if _, err := io.Copy(io.Discard, c); err != nil {
			b.Fatal(err)
		}
		must(b, c.Close())
	}
}

func BenchmarkMembers(b *testing.B) {
	const members, size = 2000, 37_000
	r, _, done := readable(b, members, size)
	defer done()
	b.SetBytes(members * size)
	for b.Loop() {
		for _, err := range r.Members() {
			must(b, err)
		}
	}
}
