//go:build !unix

package index

import "os"

// readFlags opens a file for reading.
const readFlags = os.O_RDONLY
