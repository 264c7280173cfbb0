//go:build unix

package index

import (
	"os"
	"syscall"
)

// readFlags opens a file for reading, and a FIFO without waiting for a writer.
const readFlags = os.O_RDONLY | syscall.O_NONBLOCK
