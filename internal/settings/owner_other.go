//go:build !unix

package settings

import "io/fs"

// checkOwner does nothing on systems without owners.
func checkOwner(fs.FileInfo) error { return nil }
