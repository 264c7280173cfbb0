package catalog

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/store"
)

// TestAdoptLoose: a file that was hashed is added to the row of the same bytes, and rows of
// other bytes stay unchanged.
func TestAdoptLoose(t *testing.T) {
	c, _ := tempCatalog(t)
	ctx := t.Context()
	sum, at := crate.Checksum{1}, time.Unix(100, 0).UTC()
	bundled := store.Placement{Bundle: "bundle-0001.tar.zst", Offset: 512, FrameSize: 99}
	row := func(name string, sum crate.Checksum, place store.Placement, verified time.Time) Version {
		return Version{ID: crate.ID{Name: name, Version: "1.0.0"}, Checksum: sum, Size: 3, Placement: place, Listed: !verified.IsZero(), VerifiedAt: verified}
	}
	loose := store.Placement{Loose: true}
	both := bundled
	both.Loose = true
	pinned := row("pinned", crate.Checksum{2}, bundled, at)
	pinned.Yanked = true
	known := row("known", sum, bundled, at)
	known.Yanked = true
	mustCommit(t, c, Batch{
		Versions: []Version{pinned, known, row("adopted", sum, bundled, time.Time{}), row("Case", sum, bundled, at)},
		Gone:     []Gone{{ID: crate.ID{Name: "new", Version: "1.0.0"}, Status: 404, Since: at}},
	})
	later := at.Add(time.Hour)
	found := []Version{
		row("new", sum, loose, later), row("unasked", sum, loose, time.Time{}), row("pinned", sum, loose, later),
		row("known", sum, loose, time.Time{}), row("adopted", sum, loose, later), row("case", sum, loose, later),
	}
	found[4].Yanked = true
	if err := c.AdoptLoose(ctx, found); err != nil {
		t.Fatal(err)
	}
	wantKnown := row("known", sum, both, at)
	wantKnown.Yanked = true
	wantAdopted := row("adopted", sum, both, later)
	wantAdopted.Yanked = true
	want := []Version{
		wantAdopted, row("Case", sum, bundled, at), wantKnown, row("new", sum, loose, later), pinned, row("unasked", sum, loose, time.Time{}),
	}
	got, err := c.Page(ctx, crate.ID{}, 100)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("rows (-want +got):\n%s", diff)
	}
	if gone, err := c.WasGone(ctx, crate.ID{Name: "new", Version: "1.0.0"}); gone || err != nil {
		t.Errorf("what is held is gone: %v, %v", gone, err)
	}
	names, _, _, err := c.Names(ctx, NamesMark{})
	if err != nil || len(names) != 6 {
		t.Errorf("names %q, %v", names, err)
	}
}
