package catalog

import (
	"context"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
)

func TestUnwantedPage(t *testing.T) {
	c, _ := tempCatalog(t)
	ctx := context.Background()
	change := func(v Version, change func(*Version)) Version { change(&v); return v }
	unlisted := func(v *Version) { v.Listed = false }
	mustCommit(t, c, Batch{Versions: []Version{
		version("wanted", "1.0.0", 1),
		change(version("b", "1.0.0", 2), unlisted),
		change(version("A", "1.0.0", 3), unlisted),
		change(version("b", "0.1.0", 4), unlisted),
		change(version("yanked", "1.0.0", 5), func(v *Version) { v.Yanked = true }),
		change(in(version("bundled", "1.0.0", 6), "bundle-0000.tar.zst", 0), func(v *Version) { v.Listed, v.Loose = false, false }),
		change(version("foreign", "1.0.0", 7), func(v *Version) { v.Listed, v.VerifiedAt = false, time.Time{} }),
	}})
	for yanked, want := range map[bool][]string{false: {"A 1.0.0", "b 0.1.0", "b 1.0.0"}, true: {"A 1.0.0", "b 0.1.0", "b 1.0.0", "yanked 1.0.0"}} {
		var got []string
		var after crate.ID
		for {
			page, err := c.UnwantedPage(ctx, after, yanked, 2)
			if err != nil {
				t.Fatal(err)
			}
			if len(page) == 0 {
				break
			}
			for _, v := range page {
				got = append(got, v.ID.String())
			}
			after = page[len(page)-1].ID
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("unwanted, yanked %t (-want +got):\n%s", yanked, diff)
		}
	}
	mustCommit(t, c, Batch{Dropped: []crate.Key{keyOf(version("b", "0.1.0", 4)), keyOf(version("absent", "1.0.0", 1))}})
	wantVersion(t, c, change(version("b", "1.0.0", 2), unlisted))
}

// What is dropped may be named by the index still: whoever asks what is complete
// must not be told so, and nothing is found that is not held.
func TestDroppedIsNotComplete(t *testing.T) {
	c, _ := tempCatalog(t)
	ctx := t.Context()
	mustCommit(t, c, Batch{
		Versions: []Version{version("Some", "1.0.0", 1), version("Some", "1.1.0", 2), version("all-of-it", "1.0.0", 3), version("other", "1.0.0", 4)},
		Crates:   []Crate{{Path: "so/me/some", Blob: "b"}, {Path: "al/l-/all-of-it", Blob: "b"}, {Path: "ot/he/other", Blob: "b"}},
	})
	mustCommit(t, c, Batch{Dropped: []crate.Key{keyOf(version("Some", "1.0.0", 1)), keyOf(version("all-of-it", "1.0.0", 3))}})
	var complete []string
	for h, err := range c.Holdings(ctx) {
		if err != nil {
			t.Fatal(err)
		}
		complete = append(complete, h.Path)
	}
	if diff := cmp.Diff([]string{"ot/he/other"}, complete); diff != "" {
		t.Errorf("complete (-want +got):\n%s", diff)
	}
	names, _, _, err := c.Names(ctx, NamesMark{})
	if diff := cmp.Diff([]string{"Some", "other"}, names); diff != "" || err != nil {
		t.Errorf("names, error %v (-want +got):\n%s", err, diff)
	}
}
