package simreg

import (
	"bytes"
	"slices"
	"strings"
	"testing"
)

func TestGenerate(t *testing.T) {
	const n, median = 2000, 4700
	r, again, other := Generate(n, median, 1), Generate(n, median, 1), Generate(n, median, 2)
	ids := r.IDs()
	if len(ids) != n || !slices.Equal(ids, again.IDs()) || slices.Equal(ids, other.IDs()) {
		t.Fatalf("%d versions; the seed must decide which", len(ids))
	}
	var sizes []int
	names := make(map[string]bool)
	for i, id := range ids {
		names[strings.ToLower(ident(id.Name))] = true
		if i%4 != 0 {
			continue // a quarter is enough to see a median
		}
		data := bytesOf(t, r, id)
		sizes = append(sizes, len(data))
		if i%100 == 0 && !bytes.Equal(data, bytesOf(t, again, id)) {
			t.Errorf("%s differs under the same seed", id)
		}
	}
	if got := float64(n) / float64(len(names)); got < 7.5 || got > 10 {
		t.Errorf("%.1f versions a crate, want about 8.6", got)
	}
	slices.Sort(sizes)
	if got := sizes[len(sizes)/2]; got < median*85/100 || got > median*115/100 {
		t.Errorf("median size %d, want about %d", got, median)
	}
}

func TestNoiseDependsOnTheSeed(t *testing.T) {
	v := Version{Name: "foo", Version: "1.0.0", Size: 100}
	if bytes.Equal(archive(&v, 0, 1), archive(&v, 0, 2)) {
		t.Error("two seeds, the same bytes")
	}
}

func BenchmarkArchive(b *testing.B) {
	for name, size := range map[string]int{"4700B": 4700, "37kB": 37000} {
		b.Run(name, func(b *testing.B) {
			v := Version{Name: "foo", Version: "1.0.0", Size: size}
			b.SetBytes(int64(size))
			for b.Loop() {
				archive(&v, 0, 1)
			}
		})
	}
}
