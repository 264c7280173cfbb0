package reader

import (
	"context"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
)

// Pins returns the checksums of the held versions of a crate, by version, including
// versions that the index does not name. The name may have any case.
func (v *View) Pins(ctx context.Context, name string) (map[string]crate.Checksum, error) {
	rows, err := v.rowsOf(ctx, name)
	if err != nil {
		return nil, err
	}
	pins := make(map[string]crate.Checksum, len(rows))
	for i := range rows {
		if row := &rows[i]; heldNow(row) {
			pins[row.Version] = row.Checksum
		}
	}
	return pins, nil
}
