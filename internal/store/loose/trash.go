package loose

import (
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/trash"
)

// Trash durably moves files of the store to the trash. A missing file is not an error.
func (s *Store) Trash(names []string, date time.Time) error {
	return trash.Move(s.fsys, names, date, s.batch.SyncDirs)
}
