package repack

import (
	"bytes"
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/deep"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/plan"
)

// The ratio falls with every version that comes together with others.
func TestRatio(t *testing.T) {
	for _, m := range ratios {
		if got := Ratio(m.versions); math.Abs(got-m.ratio) > 1e-9 {
			t.Errorf("%d versions: %v, measured was %v", m.versions, got, m.ratio)
		}
	}
	last := Ratio(0)
	for n := 1; n <= deep.MaxVersions; n++ {
		if got := Ratio(n); got > last || got <= 0 {
			t.Errorf("%d versions: %v, one fewer %v", n, got, last)
		}
		last = Ratio(n)
	}
	if got, want := Ratio(2*deep.MaxVersions), Ratio(deep.MaxVersions); got != want {
		t.Errorf("two packs: %v, one %v", got, want)
	}
}

// A crate's versions count together, whether they are held or to be fetched, and those
// of no known size as the mean.
func TestEstimate(t *testing.T) {
	var c Counter
	held := func(name string, size int64) {
		must(t, c.Held(t.Context(), &plan.Item{ID: crate.ID{Name: name, Version: "1.0.0"}}, size))
	}
	group := func(items ...string) {
		var list []plan.Item
		for _, name := range items {
			list = append(list, plan.Item{ID: crate.ID{Name: name}})
		}
		must(t, c.Group(t.Context(), nil, new(plan.Changes), list))
	}
	held("a", 1000_000)
	held("b", 2000_000)
	held("b", 3000_000)
	group("b", "b", "b", "b", "b", "b") // eight
	group("c")
	held("d", deep.MaxCrate+1)
	e := c.estimate(1000_000)
	var lines []string
	for _, g := range e.Groups {
		lines = append(lines, fmt.Sprint(g.span(), ": ", g.Crates, " ", g.Versions, " ", g.Bytes, " ", g.PackedBytes))
	}
	want := "1: 2 2 2000000 1760000|2 to 4: 0 0 0 0|5 to 9: 1 8 11000000 1980000|10 to 19: 0 0 0 0|20 to 49: 0 0 0 0|50 and more: 0 0 0 0"
	if got := strings.Join(lines, "|"); got != want {
		t.Errorf("groups are\n%s, want\n%s", got, want)
	}
	if e.Unknown != 7 || e.TooLong != 1 || e.Versions != 10 || e.PackedBytes != 3740_000 {
		t.Errorf("%+v", e)
	}
	e.Packed = &TallyJSON{Versions: 4, Bytes: 4000, FileBytes: 1000, Verbatim: map[string]int64{"a": 1, "b": 2}}
	var out bytes.Buffer
	must(t, e.Print(&out))
	for _, want := range []string{
		"\nin the deep archive: about 3.7 MB of 13 MB (ratio 0.29), some 9s of one core to pack and prove\n",
		"\n               5 to 9       1         8      11 MB   0.18  2.0 MB\n",
		"\nsizes: 7 of 10 versions are not held, each is taken as 1.0 MB\n",
		"\nnot packed: 1 version longer than a pack takes\n",
		"\npacked already: 4 versions, 4.0 kB in 1.0 kB (ratio 0.25), 3 of them stored as they are\n",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%s\nwant in it: %s", out.String(), want)
		}
	}
}
