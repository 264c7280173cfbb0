package dependants

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestLeaders(t *testing.T) {
	dir := t.TempDir()
	put(t, dir, "serde", []string{"1.0.0"})
	put(t, dir, "libc", []string{"0.2.0", "serde"}, []string{"0.2.1", "serde"})
	for n := range maxLeaders + 10 {
		put(t, dir, fmt.Sprintf("of-%02d", n), []string{"1.0.0", "serde", "libc"})
	}
	put(t, dir, "late", []string{"1.0.0", "serde"}, []string{"1.1.0"}, []string{"1.2.0"})
	w := NewWatch(Config{Dir: dir})
	var f follower
	if err := f.look(t.Context(), w); err != nil {
		t.Fatal(err)
	}
	g := w.Graph()
	all := func(string) bool { return true }
	march := func(year int) time.Time { return time.Date(year, 3, 1, 0, 0, 0, 0, time.UTC) }
	want := []Leader{{"serde", march(2020), maxLeaders + 11}, {"libc", march(2021), maxLeaders + 10}}
	if diff := cmp.Diff(want, g.ReliedOn(9, all)); diff != "" {
		t.Errorf("most used (-want +got):\n%s", diff)
	}
	recent := g.Recent(1000, all)
	if len(recent) != maxLeaders || recent[0].Name != "late" || recent[1].Name != "libc" || recent[2].Name != "of-00" {
		t.Errorf("published last: %d, %+v", len(recent), recent[:3])
	}
	byDate := func(a, b Leader) int { return b.Published.Compare(a.Published) }
	if !slices.IsSortedFunc(recent, byDate) {
		t.Errorf("not in order: %+v", recent)
	}
	if got := g.Recent(1, func(name string) bool { return name == "libc" }); len(got) != 1 || got[0].Name != "libc" {
		t.Errorf("of those that are held: %+v", got)
	}
	var none *Graph
	if none.Recent(1, all) != nil || none.ReliedOn(1, all) != nil {
		t.Error("before the index was read, something is known")
	}
}
