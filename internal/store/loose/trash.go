package loose

import (
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/trash"
)

// Trash moves files of the store to the trash, durably. One that is not there is
// success.
func (s *Store) Trash(names []string, date time.Time) error {
	return trash.Move(s.fsys, names, date, s.batch.SyncDirs)
}
