package home

import (
	"context"
	"slices"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/bundle"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/catalog"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/store"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/store/packed"
)

// adopter records in the catalog what bundles hold.
type adopter struct {
	catalog *catalog.Catalog
	known   []catalog.Bundle
}

// Bundles implements bundled.Catalog.
func (a adopter) Bundles() map[string]bool {
	known := make(map[string]bool, len(a.known))
	for _, b := range a.known {
		known[b.Name] = b.Whole && !b.Thrown() // a bundle that came back from the trash is read again
	}
	return known
}

// Adopt implements bundled.Catalog.
func (a adopter) Adopt(ctx context.Context, name string, members []bundle.Member) error {
	found := make([]catalog.Version, len(members))
	for i, m := range members {
		found[i] = catalog.Version{ID: m.ID, Checksum: m.Checksum, Size: m.Size,
			Placement: store.Placement{Bundle: name, Offset: m.Offset, FrameSize: m.FrameSize}}
	}
	return a.catalog.Adopt(ctx, found)
}

// Adopted implements bundled.Catalog.
func (a adopter) Adopted(ctx context.Context, b store.Bundle) error {
	whole := catalog.Bundle{Name: b.Name, Whole: true, Entries: b.Entries, Bytes: b.Bytes, Checksum: b.Checksum}
	return a.catalog.Commit(ctx, catalog.Batch{Bundles: []catalog.Bundle{whole}})
}

// segmentAdopter records in the catalog what segments hold.
type segmentAdopter struct {
	catalog *catalog.Catalog
	known   []catalog.Bundle
}

// Known implements packed.Catalog.
func (a segmentAdopter) Known(name string, finished bool) bool {
	return slices.ContainsFunc(a.known, func(b catalog.Bundle) bool {
		return b.Name == name && (b.Whole && !b.Thrown() || !finished && !b.Adopting()) // a segment that was removed and came back is read again
	})
}

// Adopting implements packed.Catalog.
func (a segmentAdopter) Adopting(ctx context.Context, segment string) error {
	return a.catalog.Commit(ctx, catalog.Batch{Segments: []catalog.Bundle{catalog.Adopting(segment)}})
}

// Adopt implements packed.Catalog.
func (a segmentAdopter) Adopt(ctx context.Context, found []packed.Found) error {
	rows := make([]catalog.Version, len(found))
	for i, f := range found {
		rows[i] = catalog.Version{ID: f.ID, Checksum: f.Checksum, Size: f.Size, Placement: store.Placement{Deep: f.At}}
	}
	return a.catalog.Adopt(ctx, rows)
}

// Adopted implements packed.Catalog.
func (a segmentAdopter) Adopted(ctx context.Context, b store.Bundle, finished bool) error {
	whole := catalog.Bundle{Name: b.Name, Whole: finished, Entries: b.Entries, Bytes: b.Bytes, Checksum: b.Checksum}
	return a.catalog.Commit(ctx, catalog.Batch{Segments: []catalog.Bundle{whole}})
}
