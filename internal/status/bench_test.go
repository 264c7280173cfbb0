package status

import (
	"fmt"
	"io"
	"path/filepath"
	"testing"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/catalog"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/store"
)

// BenchmarkLists: what crates.io has is held (1.7 million versions of 200,000 crates), but
// for a thousand versions each that are missing, gone or were published again.
func BenchmarkLists(b *testing.B) {
	c, err := catalog.Open(filepath.Join(b.TempDir(), "catalog.db"))
	if err != nil {
		b.Fatal(err)
	}
	defer c.Close()
	now := time.Now()
	const all, few = 1_700_000, 1000
	for n := 0; n < all; {
		var batch catalog.Batch
		for range 50_000 {
			v := catalog.Version{ID: crate.ID{Name: fmt.Sprintf("crate%06d", n/9), Version: fmt.Sprintf("1.0.%d", n%9)}, Size: 190_000, Placement: store.Placement{Loose: true}, Listed: true, VerifiedAt: now}
			v.Checksum[0], v.Checksum[1], v.Checksum[2] = byte(n), byte(n>>8), byte(n>>16)
			if n < few {
				v.SupersededAt = now
			}
			batch.Versions = append(batch.Versions, v)
			n++
		}
		if err := c.Commit(b.Context(), batch); err != nil {
			b.Fatal(err)
		}
	}
	var batch catalog.Batch
	for n := range few {
		id := crate.ID{Name: fmt.Sprintf("lost%d", n), Version: "1.0.0"}
		batch.Missing = append(batch.Missing, catalog.Missing{ID: id, Reason: "HTTP 503", Since: now, Tried: now})
		id.Version = "2.0.0"
		batch.Gone = append(batch.Gone, catalog.Gone{ID: id, Status: 403, Since: now})
	}
	if err := c.Commit(b.Context(), batch); err != nil {
		b.Fatal(err)
	}
	for name, list := range map[string]*List{"missing": &MissingList, "gone": &GoneList, "republished": &RepublishedList} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if err := list.Print(b.Context(), io.Discard, c); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
