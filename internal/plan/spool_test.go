package plan

import (
	"errors"
	"fmt"
	"io/fs"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/catalog"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable/durabletest"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/store"
)

// A spool gives back what was added, and leaves nothing.
func TestSpool(t *testing.T) {
	type record struct {
		Row   *catalog.Crate
		Items []Item
	}
	want := []record{
		{&catalog.Crate{Path: "3/f/foo", Blob: "ab", Yanked: true}, []Item{
			{ID: foo1, Checksum: crate.Checksum{1, 31: 2}, Yanked: true, Task: Fetch},
			{ID: foo1, Checksum: crate.Checksum{3}, Unlisted: true, Task: Replace, At: store.Placement{Loose: true, Republished: "ab"}},
		}},
		{nil, []Item{{ID: foo1, URL: "https://example.org/x", Task: Check, At: store.Placement{Bundle: "b", Offset: 7, FrameSize: 9},
			Tried: &Tried{Outcome: 3, Err: "no", Retries: 2}}}},
	}
	disk := durabletest.NewMem()
	s, err := NewSpool(disk, 1)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range want {
		err = errors.Join(err, s.Add(r.Row, r.Items), s.Add(r.Row, nil)) // nothing to do is nothing to keep
	}
	if err := errors.Join(err, s.Finish()); err != nil || s.Items != 3 {
		t.Fatalf("%d items, %v", s.Items, err)
	}
	var got []record
	err = s.Each(func(row *catalog.Crate, items []Item) error {
		got = append(got, record{row, items})
		return nil
	})
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	s.Remove()
	if _, err := disk.Stat(SpoolNames[0]); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("it is left behind: %v", err)
	}
}

// BenchmarkSpool writes and reads the plan of 100,000 versions.
func BenchmarkSpool(b *testing.B) {
	items := make([]Item, 10)
	for i := range items {
		items[i] = Item{ID: crate.ID{Name: "serde", Version: fmt.Sprintf("1.0.%d", i)}, Checksum: crate.Checksum{byte(i), 31: 200}, Task: Fetch}
	}
	for range b.N {
		s, err := NewSpool(durabletest.NewMem(), 1)
		if err != nil {
			b.Fatal(err)
		}
		for range 10_000 {
			err = errors.Join(err, s.Add(&catalog.Crate{Path: "se/rd/serde", Blob: "ab"}, items))
		}
		n := 0
		err = errors.Join(err, s.Finish(), s.Each(func(_ *catalog.Crate, items []Item) error { n += len(items); return nil }))
		if err != nil || n != 100_000 {
			b.Fatal(n, err)
		}
	}
}
