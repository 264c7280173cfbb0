package diff

import (
	"context"
	"fmt"
	"io"
	"path/filepath"
	"testing"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/catalog"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/store"
)

// BenchmarkMirrors compares two mirrors that hold all of crates.io (1.7 million versions of
// 190,000 crates), except for a thousand versions.
func BenchmarkMirrors(b *testing.B) {
	a, z := bigMirror(b, 0), bigMirror(b, 1000)
	for b.Loop() {
		r, err := Sides(context.Background(), "a", "b", a, z)
		if err != nil {
			b.Fatal(err)
		}
		s, err := r.Print(context.Background(), io.Discard)
		if err != nil || s.Kinds[Removed] != 1000 {
			b.Fatalf("%v, %v", s, err)
		}
	}
}

func bigMirror(b *testing.B, without int) Side {
	b.Helper()
	path := filepath.Join(b.TempDir(), "catalog.db")
	c, err := catalog.Open(path)
	if err != nil {
		b.Fatal(err)
	}
	for n := without; n < 1_700_000; {
		var batch catalog.Batch
		for range 50_000 {
			v := catalog.Version{ID: crate.ID{Name: fmt.Sprintf("crate%06d", n/9), Version: fmt.Sprintf("1.0.%d", n%9)}, Size: 190_000, Placement: store.Placement{Loose: true}, Listed: true, VerifiedAt: time.Unix(1, 0)}
			v.Checksum[0], v.Checksum[1], v.Checksum[2] = byte(n), byte(n>>8), byte(n>>16)
			if n++; n <= 1_700_000 {
				batch.Versions = append(batch.Versions, v)
			}
		}
		if err := c.Commit(b.Context(), batch); err != nil {
			b.Fatal(err)
		}
	}
	if err := c.Close(); err != nil {
		b.Fatal(err)
	}
	follower, err := catalog.Follow(b.Context(), path)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { follower.Close() })
	return Mirror{catalog.Live{Follower: follower}}
}
