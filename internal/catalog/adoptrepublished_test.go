package catalog

import (
	"testing"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/store"
)

// A file in republished/ gets a row, or becomes a place in the existing row of the same
// bytes; the row of the version's current bytes stays unchanged.
func TestAdoptRepublished(t *testing.T) {
	c, _ := tempCatalog(t)
	ctx := t.Context()
	now, bundled := version("a", "1.0.0", 1), version("b", "1.0.0", 2)
	bundled.Placement = store.Placement{Bundle: "bundle-0001.tar.zst", Offset: 5, FrameSize: 7}
	was := bundled.VerifiedAt
	mustCommit(t, c, Batch{Versions: []Version{now, bundled}})
	before := version("a", "1.0.0", 9)
	for range 2 {
		if err := c.AdoptRepublished(ctx, []Version{before, bundled}); err != nil {
			t.Fatal(err)
		}
		for _, key := range []crate.Key{before.Key(), bundled.Key()} {
			got, err := c.ByChecksum(ctx, key)
			if err != nil || !got.Loose || got.Republished != key.Checksum.FileKey() || got.Listed || time.Since(got.SupersededAt) > time.Minute {
				t.Errorf("%v: %+v, %v", key.ID, got, err)
			}
			if key == bundled.Key() && (got.InBundle() != bundled.Placement || !got.VerifiedAt.Equal(was)) {
				t.Errorf("what the row said is lost: %+v", got)
			}
		}
		if got, err := c.Version(ctx, now.ID); err != nil || got != now {
			t.Errorf("the version's own row is %+v, %v", got, err)
		}
	}
	if totals, err := c.Totals(ctx); err != nil || totals.Superseded != 2 {
		t.Errorf("%+v, %v", totals, err)
	}
}
