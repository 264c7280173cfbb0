package catalog

import (
	"context"
	"fmt"
	"time"
)

// AdoptRepublished records loose files in republished/ that were hashed: earlier bytes of
// versions. If the bytes have a row, it gets the file as an additional place.
func (c *Catalog) AdoptRepublished(ctx context.Context, found []Version) error {
	now := time.Now().Unix()
	err := c.write(ctx, func(w *writing) {
		put(ctx, w, `INSERT INTO versions (`+columns+`) VALUES (?, ?, ?, ?, 2, '', 0, 0, 0, 0, 0, ?)
			ON CONFLICT DO UPDATE SET loose = 2, listed = 0, superseded_at = iif(superseded_at, superseded_at, excluded.superseded_at)`,
			found, func(v *Version) []any { return []any{v.Name, v.Version, v.Checksum[:], v.Size, now} })
	})
	if err != nil {
		return fmt.Errorf("writing the catalog: %w", classify(err))
	}
	return nil
}
