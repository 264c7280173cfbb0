package reader

import (
	"context"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
)

// Pins returns the checksums of the versions that are held of the crate that is called
// name, whatever its case, by the version: of those that the index does not name, too.
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
