package extsort

import (
	"cmp"
	"errors"
	"io/fs"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable/durabletest"
)

// Added distinguishes equal items.
type item struct{ Key, Added int }

func byKey(a, b *item) int { return cmp.Compare(a.Key, b.Key) }

// Items are yielded in order whatever the size of a run, and equal ones as they were added,
// even by two sequences at once.
func TestSorted(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	for _, n := range []int{0, 1, 7, 500} {
		for _, runItems := range []int{1, 3, 1000} {
			disk := durabletest.NewMem()
			s, err := New(disk, "scratch", runItems, byKey)
			if err != nil {
				t.Fatal(err)
			}
			var want []item
			for i := range n {
				it := item{random.IntN(20), i}
				want = append(want, it)
				if err := s.Add(it, 1); err != nil {
					t.Fatal(err)
				}
			}
			slices.SortStableFunc(want, func(a, b item) int { return byKey(&a, &b) })
			var got, again []item
			for it, err := range s.Sorted() {
				if err != nil {
					t.Fatal(err)
				}
				if got = append(got, it); len(got) == 3 {
					again = collect(t, s)
				}
			}
			if !slices.Equal(got, want) || n >= 3 && !slices.Equal(again, want) {
				t.Errorf("%d items in runs of %d: got %v and %v, want %v", n, runItems, got, again, want)
			}
			if err := s.Close(); err != nil {
				t.Error(err)
			}
			if _, err := disk.Stat("scratch"); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("the temporary file stays: %v", err)
			}
		}
	}
}

func collect(t *testing.T, s *Sorter[item]) (list []item) {
	t.Helper()
	for it, err := range s.Sorted() {
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, it)
	}
	return list
}

// A killed run's file is no obstacle, and a full disk is reported as such.
func TestTrouble(t *testing.T) {
	disk := durabletest.NewMem()
	if err := durable.WriteFile(disk, "scratch", []byte("of a killed run")); err != nil {
		t.Fatal(err)
	}
	full := durabletest.Hook(disk, func(op durabletest.Op) (f durabletest.Fault) {
		if op.Kind == durabletest.OpWrite {
			f.Err = durable.ErrNoSpace
		}
		return f
	})
	s, err := New[item](full, "scratch", 1, byKey)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Add(item{1, 1}, 1); !errors.Is(err, durable.ErrNoSpace) {
		t.Errorf("adding to a full disk: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}
