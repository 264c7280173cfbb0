package signing

import (
	"io/fs"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
)

// checkPrivate accepts every file: its access list is that of its folder.
func checkPrivate(fs.FileInfo) error { return nil }

func checkFolder(durable.Reader) error { return nil }
